"""Past runs: a list of them, and one in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rollback.core.plain_text import counted, sanitize
from rollback.core.timestamps import with_local
from rollback.output.terminal import Style, TerminalInfo
from rollback.output.text_format import paragraph, short, table
from rollback.state.record import Header, Record

_NONE = "no outcome"  # it was killed, or is still running
_HEAD = ("time", "what", "environment", "as of", "by", "outcome", "reason")


def runs_text(records: Sequence[Record], surface: TerminalInfo | None = None, env: str = "") -> str:
    """Past runs, newest first, each with its id, which is never shortened.

    In a pipe there is one line each. A terminal that is too narrow for that shows id and reason below.

    Args:
        records: the runs.
        surface: where they are shown.
        env: the environment to which they are narrowed; empty for all.
    """
    if not records:
        return f"no runs{f' of {sanitize(env)}' if env else ''} yet\n"
    wide = [(*_HEAD, "run"), *((*_cells(record.header), *_ends(record), record.header.run) for record in records)]
    lines = table(wide)
    if not surface or not surface.width or max(map(len, lines)) < surface.width:
        return "\n".join(lines) + "\n"
    narrow = [_HEAD[:-1], *((*_cells(record.header, short_of=True), _ends(record)[0]) for record in records)]
    head, *rows = table(narrow, surface, shrinkable=(2, 4))
    lines = [surface.paint(head, Style.QUIET)]
    for row, record in zip(rows, records, strict=True):
        header = record.header
        undone = f"undoes {header.as_of}" if _is_undo(header) else ""
        local = with_local(header.at).partition(" (")[2].rstrip(")")
        more = "; ".join(text for text in (local, undone, _ends(record)[1]) if text)
        lines += [row, *paragraph(f"      {header.run}  ", more, surface)]
    return "\n".join(lines) + "\n"


def _cells(header: Header, *, short_of: bool = False) -> tuple[str, ...]:
    """Time, what, environment, as of and by; short of what the second line of a narrow terminal says."""
    as_of = "" if short_of and _is_undo(header) else header.as_of
    when = with_local(header.at)
    return (when.partition(" (")[0] if short_of else when, header.kind, header.env, as_of, header.by)


def _ends(record: Record) -> tuple[str, str]:
    """Outcome and reason."""
    reason = "; ".join(text for text in (record.header.reason, record.header.incident) if text)
    return (str(record.outcome.get("verdict", "")) or _NONE, reason)


def _is_undo(header: Header) -> bool:
    return header.kind == "undo"


def run_text(record: Record, surface: TerminalInfo | None = None) -> str:
    """One past run: who, why, what came of it, and each of its steps with its time."""
    header = record.header
    head = sanitize(f"{header.run}: {header.title}")
    lines = [head, f"  on         {sanitize(header.target)}"]
    for name in ("by", "place", "at", "reason", "incident", "link", "on_failure"):
        if value := with_local(header.at) if name == "at" else getattr(header, name):
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
            detail = counted(len(line["steps"]), "service")
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
