"""Past runs: a list of them, and one in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollback.core.plain_text import sanitize
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import paragraph, short, table
from rollback.state.record import Record


def runs_text(records: Sequence[Record], surface: TerminalInfo | None = None) -> str:
    """Past runs, newest first, one line each; ids are never shortened."""
    if not records:
        return "no runs yet\n"
    rows: list[tuple[str, ...]] = [("run", "what", "as of", "by", "outcome")]
    for record in records:
        header = record.header
        verdict = str(record.outcome.get("verdict", "")) or "no outcome (killed, or still running)"
        rows.append((header.run, header.kind, header.as_of, header.by, verdict))
    return "\n".join(table(rows, surface, shrinkable=(3,))) + "\n"


def run_text(record: Record, surface: TerminalInfo | None = None) -> str:
    """One past run: who, why, what came of it, and each of its steps with its time."""
    header = record.header
    head = sanitize(f"{header.run}: {header.kind} of {header.env} to {header.as_of}")
    lines = [head, f"  on         {sanitize(header.target)}"]
    for name in ("by", "place", "at", "reason", "incident", "link", "on_failure"):
        if value := getattr(header, name):
            lines.append(f"  {name.replace('_', ' '):<10} {sanitize(str(value))}")
    lines.append("")
    for line in record.lines:
        if line["event"] != "captured":
            when, event, detail = event_row(line)
            lines += paragraph(f"  {when}  {event:<10} ", detail, surface)
    if record.outcome:
        lines += ["", sanitize(f"{record.outcome['verdict']}: {record.outcome.get('summary', '')}")]
    else:
        lines += ["", "It has no outcome: it was killed, or it is still running."]
    return "\n".join(lines) + "\n"


def event_row(line: Mapping[str, Any]) -> tuple[str, str, str]:
    """When, what, and what to show about it, of one line of a record."""
    match line["event"]:
        case "began":
            detail = f"{len(line['steps'])} services"
        case "writing":
            detail = ", ".join(f"{app} {short(image)}" for app, image in line["images"].items())
        case "cancelling" | "stopping":
            detail = f"deployment {line['deployment']}"
        case "written":
            detail = line["problem"] or f"deployment {line['deployment']}"
        case "judged":
            detail = f"{line['app']} {line['state']}: {line['detail']}"
        case _:
            detail = line.get("verdict", "")
    return (sanitize(str(line["when"])), sanitize(str(line["event"])), sanitize(str(detail)))


def runs_json(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What `history --json` prints."""
    return [
        {
            **{key: value for key, value in vars(record.header).items() if key != "steps"},
            "steps": [dict(step) for step in record.header.steps],
            "outcome": dict(record.outcome) or None,
        }
        for record in records
    ]
