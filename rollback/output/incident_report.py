"""What is handed on after a run: the table for the person who has to go on, and the page for the incident."""

from __future__ import annotations

import re

from rollback.core.apps import OperatorCommands
from rollback.core.plain_text import printable, sanitize
from rollback.core.timestamps import with_local
from rollback.execution.outcome import Outcome, Verdict
from rollback.output.run_history import event_row
from rollback.state.record import Record

_STANDS_WRONG = frozenset({"failed", "unknown"})


def by_hand(outcome: Outcome, operator: OperatorCommands | None = None) -> list[str]:
    """What runs where and the exact commands, for whoever has to go on; nothing if nobody has to.

    Args:
        outcome: how the run ended.
        operator: what an operator types on the target; None where it is not known any more.
    """
    wrong = [row for row in outcome.rows if row.state in _STANDS_WRONG]
    if outcome.verdict is not Verdict.PARTLY or not wrong:
        return []
    lines = ["Manual intervention needed:"]
    for row in wrong:
        lines += [
            f"  {row.service}  {row.app}",
            f"    runs    {row.stands}",
            f"    before  {row.before}",
            *([f"    look    {operator.show(row.app)}"] if operator else []),
        ]
    if operator:
        lines.append(f"  what holds them: {operator.list_deployments()}")
    if outcome.undo:
        lines.append(f"  back to before: {outcome.undo}")
    return [printable(line) for line in lines]


def remains(outcome: Outcome) -> list[str]:
    """What did not go back with the images."""
    if not outcome.remains:
        return []
    return ["Did not go back (only images do):", *(f"  {sanitize(line)}" for line in outcome.remains)]


def markdown(record: Record) -> str:
    """One run as a page for the incident: who, why, what was changed, what came of it, and when what happened.

    Args:
        record: the run; one that was killed is shown as far as it got.
    """
    header, ended = record.header, record.outcome
    verdict = ended.get("verdict", "no outcome: it was killed, or it is still running")
    lines = [f"# {_cell(verdict)}: {_cell(header.title)}", ""]
    if ended:
        lines += [_cell(str(ended.get("summary", ""))), ""]
    facts = [("Run", header.run), ("Target", header.target), ("By", header.by), ("From", header.place)]
    facts += [("Reason", header.reason), ("Incident", header.incident), ("Started from", header.link)]
    facts += [("Began", with_local(header.at)), ("Ended", with_local(str(ended.get("when", ""))))]
    facts += [("If one fails", header.on_failure)]
    lines += [f"- **{name}:** {_cell(value)}" for name, value in facts if value]
    lines += ["", *_services(record), ""]
    if ended.get("remains"):
        lines += ["## What did not go back", "", *(f"- {_cell(line)}" for line in ended["remains"]), ""]
    lines += ["## What happened when", "", "| time | what | |", "|---|---|---|"]
    for line in record.lines:
        if line["event"] != "captured":
            lines.append(f"| {' | '.join(map(_cell, event_row(line)))} |")
    undo = ended.get("undo")
    if undo:
        lines += ["", "## Undo", "", f"    {sanitize(undo)}"]
    return "\n".join(lines) + "\n"


def _services(record: Record) -> list[str]:
    ended = {row["service"]: row for row in record.outcome.get("services") or ()}
    lines = ["| service | before | after | state |", "|---|---|---|---|"]
    for step in record.header.steps:
        row = ended.get(step["service"], {})
        state = " ".join(str(part) for part in (row.get("state", step.get("action")), row.get("detail", "")) if part)
        cells = (step["service"], step.get("before") or "", step.get("after") or "", state)
        lines.append(f"| {' | '.join(_cell(str(cell)) for cell in cells)} |")
    return lines


def _cell(text: object) -> str:
    """Text that stays one cell and makes no markup, whatever a registry or a server has put into it.

    Markdown also reads character references (`&#8238;`), and a line's first characters as a heading, list or quote:
    a number is a list's only before a point or parenthesis and a blank (CommonMark 0.31, section 5.2).
    """
    flat = sanitize(text).replace("&", "&amp;").replace("<", "&lt;")
    for mark in ("\\", "|", "`", "*", "_", "[", "]", "~"):
        flat = flat.replace(mark, f"\\{mark}")
    return re.sub(r"^(?:[-+#>=]|(\d{1,9})([.)])(?=\s|$))", _not_a_marker, flat)


def _not_a_marker(found: re.Match[str]) -> str:
    return f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[0]}"
