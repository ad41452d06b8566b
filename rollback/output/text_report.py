"""Selections, plans, refusals and outcomes as text. Nothing is cut where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rollback.core.apps import OperatorCommands
from rollback.core.history import History
from rollback.core.image import Basis
from rollback.core.image_reference import Reference
from rollback.core.image_selection import NOTHING_BEFORE, Match, Selection
from rollback.core.plain_text import counted, sanitize
from rollback.core.plan import LEFT_OUT, Action, OnFailure, Plan, Step
from rollback.core.timestamps import end_of_day, with_local
from rollback.errors import Reason
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output import incident_report
from rollback.output.matrix import list_text, matrix_text, selection_text
from rollback.output.terminal import Style, TerminalInfo
from rollback.output.text_format import DIGEST_SHOWN, basis_text, duration, paragraph, short, table

_QUESTION = 3  # lines of a terminal: a blank one, the question, and the one that its answer ends
_DETAIL = 24  # columns of a detail in the line of its service, if the other columns have to give way
_SHORT = {LEFT_OUT: LEFT_OUT, NOTHING_BEFORE: "no earlier image"}
PLAIN = TerminalInfo()  # a file, a message: any width, no colour

_INKS = {
    Verdict.DONE: Style.GOOD,
    Verdict.NOTHING: Style.GOOD,
    Verdict.RESTORED: Style.CARE,
    Verdict.REFUSED: Style.CARE,
    Verdict.PARTLY: Style.BAD,
    Verdict.FAILED: Style.BAD,
}
_STATES = {
    "changed": Style.GOOD,
    "restored": Style.CARE,
    "failed": Style.BAD,
    "unknown": Style.BAD,
    "not taken": Style.BAD,
    "not reached": Style.CARE,
}


def history_text(history: History, surface: TerminalInfo = PLAIN, chosen: Selection | None = None) -> str:
    """What existed when: the matrix; without a terminal also every date with its images in full.

    Args:
        history: what the registry holds.
        surface: where it is shown.
        chosen: the selection that is highlighted, and is shown in full.
    """
    env = history.env if history.env == history.tag_env else f"{history.env} (tags: {history.tag_env})"
    basis = "" if history.basis is Basis.BUILT else f", basis: {history.basis.value}"
    parts = [
        f"{env} in {history.registry}, days in {history.timezone}{basis}\n",
        matrix_text(history, surface, chosen),
    ]
    if chosen:
        parts.append(selection_text(chosen, surface))
    if surface.width is None and history.dates:
        parts.append(list_text(history))
    return "\n".join(parts)


def plan_text(plan: Plan, *, surface: TerminalInfo = PLAIN, footer: str = "") -> str:
    """The plan: one line per service, then what the user should know.

    Args:
        plan: what would be done.
        surface: where it is shown.
        footer: a sentence behind the counts.
    """
    rows = [_plan_row(step, plan.basis, surface) for step in plan.steps]
    rows, ending = _without_ending(rows, plan.env.tag, surface)
    about = _about(plan, ending, surface)
    lines = [*about, ""]
    head, *body = table([("service", "now", "", "then", "", ""), *rows], surface, shrinkable=(1, 3), names=0)
    lines.append(surface.paint(head, Style.QUIET))
    lines += [
        surface.paint(line, Style.STRONG) if step.action is Action.CHANGE else line
        for line, step in zip(body, plan.steps, strict=True)
    ]
    lines.append("")
    for step in plan.steps:
        for note in step.notes:
            if note != _why_it_stays(step):
                lines += paragraph("Note: ", f"{step.service}: {note}", surface)
    not_changed = [f"not changed: {other}" for other in plan.others]
    not_changed += [f"not looked at: {words}" for words in plan.not_looked_at]
    for warning in (*plan.warnings, *not_changed):
        block_lines = paragraph("Warning: ", warning, surface)
        lines += [surface.paint(line, Style.CARE) for line in block_lines]
    if lines[-1]:
        lines.append("")
    counts = (
        f"{plan.count(Action.CHANGE)} to change, {plan.count(Action.SAME)} the same, {plan.count(Action.STAYS)} stay."
    )
    lines += paragraph("", f"{counts} {footer}".rstrip(), surface)
    if surface.width and len(lines) + _QUESTION >= surface.height:  # its first lines are out of sight
        lines += ["", *about]
    return "\n".join(lines) + "\n"


def _about(plan: Plan, ending: str, surface: TerminalInfo) -> list[str]:
    """What the plan is of: the environment and where it leads, the moment that this means, the target."""
    moment, head = _moment(plan), paragraph("Plan: ", f"{plan.env.name} {_to(plan)}", surface)
    if surface.width and ending and len(head[-1]) + len(ending) < surface.width:
        head[-1] += ending
    elif ending:
        head += paragraph("      ", ending.strip(), surface)
    return [
        *head,
        *(paragraph("      ", moment, surface) if moment else []),
        *paragraph("      ", f"on {plan.target}", surface),
    ]


def _to(plan: Plan) -> str:
    """Where the plan leads: a date, or, for an undo, to before a run."""
    if not _leads_to_a_date(plan):
        return f"as before the run {plan.as_of}"
    with suppress(ValueError):  # a time, which has its zone already
        if plan.until:
            return f"as of {plan.as_of} (until {end_of_day(plan.as_of, plan.until)})"
    return f"as of {plan.as_of}"


def _leads_to_a_date(plan: Plan) -> bool:
    return plan.as_of[4:5] == "-"


def _moment(plan: Plan) -> str:
    """The moment that a plan's date means, in UTC and in local time; empty where `_to` says all of that."""
    if plan.until is None or not _leads_to_a_date(plan):
        return ""
    both = with_local(str(plan.until), seconds=True)
    if "(" not in both and (_to(plan).endswith(" UTC)") or plan.as_of.endswith(("Z", "+00:00"))):
        return ""
    return f"{'until' if '(until' in _to(plan) else 'that is'} {both}"


def _plan_row(step: Step, basis: Basis, surface: TerminalInfo) -> tuple[str, ...]:
    now = short(step.before, surface)
    if step.action is Action.CHANGE:
        then = short(step.after, surface)
        if then == now:  # only the digest differs
            then = f"{then}@{Reference.parse(step.after).digest[:DIGEST_SHOWN]}"
        return (step.service, now, surface.arrow, then, step.direction or "change", _match_text(step, basis))
    if step.action is Action.SAME:
        return (step.service, now, "", "", "same", _match_text(step, basis))
    return (step.service, now, "", "", "stays", _SHORT.get(_why_it_stays(step), ""))


def _without_ending(
    rows: list[tuple[str, ...]], tag_env: str, surface: TerminalInfo, spare: int = 0
) -> tuple[list[tuple[str, ...]], str]:
    """On a terminal that is too narrow, tags without the ending that all of them share, and a word about it.

    Args:
        rows: with tags in the columns 1 and 3.
        tag_env: the environment's name in the tags; if it is empty, the last part of the tags, if they share one.
        surface: where they are shown.
        spare: columns of the surface that are left free.
    """
    tags = [cell for row in rows for cell in (row[1], row[3]) if cell not in {"", "-"}]
    endings = {f"-{tag_env}"} if tag_env else {f"-{tag.rpartition('-')[2]}" for tag in tags if "-" in tag}
    if not surface.width or not rows or len(endings) != 1:
        return rows, ""
    [ending] = endings
    fits = max(map(len, table([row[:5] for row in rows] if spare else rows))) + spare < surface.width
    if fits or not all(tag.endswith(ending) and tag != ending for tag in tags):
        return rows, ""
    bare = [(row[0], row[1].removesuffix(ending), row[2], row[3].removesuffix(ending), *row[4:]) for row in rows]
    return bare, f"   (tags end in {ending})"


def _why_it_stays(step: Step) -> str:
    """Why a service stays that a user has left out, or that the date has no image for; else empty.

    It is in the service's row, and a warning has all of them; a note for each would hide what matters.
    """
    return next((note for note in step.notes if note in (LEFT_OUT, NOTHING_BEFORE)), "")


def _match_text(step: Step, basis: Basis) -> str:
    """How an image relates to the date, and on what that rests where not everything rests on the same."""
    if step.image is None:
        return ""
    if step.basis is Basis.DEPLOYED:
        return "ran, deployed that day" if step.match is Match.EXACT else f"ran, since {step.released}"
    text = "released that day" if step.match is Match.EXACT else f"since {step.released}"
    return text if basis is Basis.BUILT else f"{basis_text(step.basis)}, {text}"


def outcome_text(outcome: Outcome, *, surface: TerminalInfo = PLAIN, operator: OperatorCommands | None = None) -> str:
    """The report: the verdict and the time it took, one line per service, then the undo command.

    On a terminal a long detail goes below all services, in lines that fit; the undo command is never broken. Where
    the report is taller than the terminal, verdict and undo command are its first lines and its last.
    """
    ink = _INKS[outcome.verdict] if outcome.good or not outcome.but else Style.CARE
    verdict = surface.paint(sanitize(outcome.headline), ink, Style.STRONG)
    head = f"{verdict} after {duration(outcome.took_s)}: {sanitize(outcome.summary)}"
    lines = ["", *_service_lines(outcome.rows, surface)]
    if outcome.others:
        lines += ["", *(f"Not changed: {sanitize(str(other))}" for other in outcome.others)]
    for block in (incident_report.by_hand(outcome, operator), incident_report.remains(outcome)):
        lines += ["", *block] if block else []
    if outcome.next_step:
        lines += ["", f"Next: {sanitize(outcome.next_step)}"]
    run = [f"Run:  {sanitize(outcome.run)}"] if outcome.run else []
    undo = [f"Undo: {sanitize(outcome.undo)}"] if outcome.undo else []
    end = ["", *run, *undo] if run or undo else []
    if surface.width and 1 + len(lines) + len(end) >= surface.height:  # the prompt takes a line, too
        return "\n".join([head, *undo, *lines, "", head, *run, *undo]) + "\n"
    return "\n".join([head, *lines, *end]) + "\n"


def _service_lines(services: Sequence[Row], surface: TerminalInfo) -> list[str]:
    """A line per service; below them, whole, the details that have no room there."""
    rows = [_outcome_row(row, surface) for row in services]
    if not rows:
        return []
    spare = 2 + min(max(len(row[-1]) for row in rows), _DETAIL)
    rows, ending = _without_ending(rows, "", surface, spare)
    block_lines = table([row[:-1] for row in rows], surface, shrinkable=(1, 3), names=0, spare=spare)
    edge = max(map(len, block_lines))
    lines, below = [], []
    for line, row in zip(block_lines, services, strict=True):
        detail = sanitize(row.detail)
        if surface.width and edge + 2 + len(detail) >= surface.width:
            below += paragraph(f"  {sanitize(row.service)}: ", detail, surface)
            detail = surface.fit(detail, max(surface.width - edge - 3, 0))
        inks = [_STATES[row.state]] if row.state in _STATES else []
        lines.append(surface.paint(f"{line:<{edge}}  {detail}".rstrip(), *inks))
    return [*lines, *([f"  {ending.strip()}"] if ending else []), *(["", *below] if below else [])]


def _outcome_row(row: Row, surface: TerminalInfo) -> tuple[str, ...]:
    before, after = short(row.before, surface), short(row.after, surface)
    if row.state in {"changed", "failed", "unknown"}:
        return (row.service, before, surface.arrow, after, row.state, row.detail)
    if row.state == "restored":
        return (row.service, after, surface.arrow, before, row.state, row.detail)
    return (row.service, before, "", "", row.state, row.detail)


def refused_text(reasons: Sequence[Reason], surface: TerminalInfo = PLAIN) -> str:
    """The report of a run that was refused: one line, since the reasons go to standard error."""
    return f"{surface.paint('REFUSED', Style.CARE, Style.STRONG)}: {refused_summary(reasons)}\n"


def refused_summary(reasons: Sequence[Reason]) -> str:
    """One line that says what stops a run."""
    return f"{counted(len(reasons), 'reason')} against it, nothing was changed"


def policy_text(on_failure: OnFailure, timeout_s: float) -> str:
    """What happens if one service does not come up, as the plan prints it."""
    then = {
        OnFailure.RESTORE: "everything goes back",
        OnFailure.KEEP: "the others go on",
        OnFailure.STOP: "everything stays as it is now",
    }[on_failure]
    return f"If one is not up within {timeout_s:g} s: {then}."
