"""A run as Slack shows it: what is sent at its start and at its end, within Slack's limits. Pure.

Limits from https://docs.slack.dev/reference/block-kit/blocks: a message has at most 50 blocks, the text of a section
at most 3000 characters. The colour belongs to an attachment, so the blocks are in one; `text` beside it is the
first line, and what a notification shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rollback.core.plain_text import printable, sanitize, sanitize_lines
from rollback.core.plan import Action, Plan, Step
from rollback.core.timestamps import with_local
from rollback.errors import Reason
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output.text_format import duration, short, table
from rollback.state.record import Header

Message = dict[str, Any]

_MOST_TEXT = 2900  # characters of one section, with room for the fence around them
_MOST_PARTS = 12  # sections with services; 200 services of usual names take five
_MOST_LINE = 600  # characters of one service: a crash message can be a page long
_MOST_TITLE = 280
_BLUE, _GREEN, _AMBER, _RED = "#1d6fb8", "#2a8a4a", "#c98a00", "#c0392b"
_COLOURS = {
    Verdict.DONE: _GREEN,
    Verdict.NOTHING: _GREEN,
    Verdict.RESTORED: _AMBER,
    Verdict.REFUSED: _AMBER,
    Verdict.PARTLY: _RED,
    Verdict.FAILED: _RED,
}
_WORST_FIRST = ("failed", "unknown", "not taken", "restored", "not reached", "changed", "stays")


def escape(text: str) -> str:
    """Text as Slack's mrkdwn wants it: without the characters that it reads as markup, and without fences."""
    return text.replace("```", "'''").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def started(header: Header, plan: Plan) -> Message:
    """Who, why, and from where to where, as a run begins."""
    title = f"Started: {header.title}, by {header.by}"
    lines = table([_plan_row(step) for step in plan.steps if step.action is not Action.SAME] or [("-",) * 5])
    counts = (
        f"{plan.count(Action.CHANGE)} to change, {plan.count(Action.SAME)} the same, {plan.count(Action.STAYS)} stay"
    )
    warnings = [f"Warning: {warning}" for warning in plan.warnings]
    return _message(title, _BLUE, [counts, *_about(header), *warnings], lines, "")


def ended(what: str, outcome: Outcome, header: Header | None = None) -> Message:
    """The verdict, what differs from before, and the undo command.

    Args:
        what: what it was, as `Header.title` says it.
        outcome: how it ended.
        header: who and why; None where nothing was begun.
    """
    title = f"{outcome.headline}: {what} after {duration(outcome.took_s)}"
    differing = [row for row in outcome.rows if row.state in _WORST_FIRST]
    differing.sort(key=lambda row: _WORST_FIRST.index(row.state))
    lines = table([_outcome_row(row) for row in differing]) if differing else []
    return _message(
        title,
        _AMBER if _COLOURS[outcome.verdict] == _GREEN and not outcome.good else _COLOURS[outcome.verdict],
        [
            outcome.summary,
            *(_about(header) if header else []),
            *(f"Not changed: {it}" for it in outcome.others),
            *(f"Did not go back: {it}" for it in outcome.remains),
        ],
        lines,
        outcome.undo,
    )


def refused(what: str, reasons: Sequence[Reason]) -> Message:
    """That a run was refused, with every reason and its next step."""
    title = f"REFUSED: {what}: nothing was changed"
    lines = []
    for reason in reasons:
        why = sanitize_lines(reason.why)
        lines += [sanitize(reason.what), *(f"  {'why: ' if line is why[0] else '     '} {line}" for line in why)]
        lines += [f"  next: {sanitize(reason.hint)}"] if reason.hint else []
    return _message(title, _AMBER, [], lines, "")


def plain(title: str, body: str) -> Message:
    """A title with some lines below it."""
    return _message(title, _BLUE, [], body.strip().split("\n"), "")


def _about(header: Header) -> list[str]:
    moment = with_local(header.as_of)  # a date, or the run that is undone, is in the title as it is
    facts = [("As of", moment if moment != header.as_of else ""), ("Began", with_local(header.at))]
    facts += [("Why", header.reason), ("Incident", header.incident), ("By", header.by), ("On", header.target)]
    facts += [("Run", header.run), ("Started from", header.link)]
    return [f"{name}: {value}" for name, value in facts if value]


def _plan_row(step: Step) -> tuple[str, ...]:
    notes = "; ".join(step.notes)
    if step.action is Action.CHANGE:
        return (step.service, short(step.before), "→", short(step.after), notes)
    return (step.service, short(step.before), "", "stays", notes)


def _outcome_row(row: Row) -> tuple[str, ...]:
    before, after = short(row.before), short(row.after)
    if row.state == "restored":
        before, after = after, before
    arrow = "" if row.state in {"stays", "not reached", "not taken"} else "→"
    return (row.service, before, arrow, after if arrow else "", row.state, row.detail)


def _message(title: str, colour: str, about: Sequence[str], lines: Sequence[str], undo: str) -> Message:
    title = _cut(sanitize(title), _MOST_TITLE)
    blocks = [_section(f"*{escape(title)}*")]
    if about:
        blocks.append(
            _section(_cut(escape("\n".join(_cut(sanitize(line), _MOST_LINE) for line in about)), _MOST_TEXT))
        )
    blocks += [_section(f"```{part}```") for part in _parts(lines)]
    if undo:
        blocks.append(_section(f"Undo: `{_cut(escape(sanitize(undo)), _MOST_TEXT)}`"))
    return {"text": escape(title), "attachments": [{"color": colour, "fallback": title, "blocks": blocks}]}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _parts(lines: Iterable[str]) -> list[str]:
    """The lines, escaped, in as many texts as they need; what is too much is counted."""
    parts: list[str] = []
    part = ""
    shown = [_cut(escape(printable(line)), _MOST_LINE) for line in lines]
    for place, line in enumerate(shown):
        if len(part) + len(line) + 1 > _MOST_TEXT:
            parts.append(part)
            part = ""
            if len(parts) == _MOST_PARTS:
                return [*parts[:-1], f"{parts[-1]}and {len(shown) - place} more: see the record of the run"]
        part += f"{line}\n"
    return [*parts, part] if part else parts
