"""All that a person sees on standard output: values in, text out, nothing cut and nothing coloured."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rollback import history as histories
from rollback.errors import Reason
from rollback.history import History
from rollback.image import Reference
from rollback.outcome import Outcome, Row
from rollback.plan import Action, Plan, Step
from rollback.record import Record
from rollback.selection import Match

WIDTH = 80
_DIGEST_SHOWN = 19  # `sha256:` and twelve digits, as Docker shows it


def history_text(history: History) -> str:
    """The dates, newest first, with what each holds."""
    env = history.env if history.env == history.tag_env else f"{history.env} (tags: {history.tag_env})"
    lines = [f"{env} in {history.registry}, days in {history.timezone}", ""]
    for day in history.dates:
        lines += _wrapped(f"{day}  ", [f"{i.repo}:{i.tag}" for i in history.released(day)])
    if not history.dates:
        lines.append("no image of this environment: there is no date to go back to")
    return "\n".join(lines) + "\n"


def _wrapped(head: str, parts: Sequence[str]) -> list[str]:
    lines, line = [], head
    for part in parts:
        if len(line) + len(part) + 2 > WIDTH and line.strip() and line != head:
            lines.append(line.rstrip())
            line = " " * len(head)
        line += f"{part}  "
    return [*lines, line.rstrip()]


def history_json(history: History) -> dict[str, Any]:
    """What `get --json` prints: the members of rollback.json."""
    return histories.as_json(history)


def short(reference: str) -> str:
    """The part of an image reference that differs between releases: its tag, or else its digest."""
    if not reference:
        return "-"
    tail = reference.rpartition("/")[2]
    name, _, digest = tail.partition("@")
    tag = name.partition(":")[2]
    return tag or digest[:_DIGEST_SHOWN] or name


def arrow() -> str:
    """An arrow that standard output can show."""
    try:
        "→".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "->"
    return "→"


def plan_text(plan: Plan, *, arrow: str = "→", footer: str = "") -> str:
    """The plan: one line per service, then what a person should know."""
    lines = [f"Plan: {plan.env.name} as of {plan.as_of}", f"      on {plan.target}", ""]
    rows = [_plan_row(step, arrow) for step in plan.steps]
    lines += _table([("service", "now", "", "then", "", ""), *rows])
    lines.append("")
    lines += [f"Note: {step.service}: {note}" for step in plan.steps for note in step.notes]
    lines += [f"Warning: {warning}" for warning in plan.warnings]
    if lines[-1]:
        lines.append("")
    lines.append(
        f"{plan.count(Action.CHANGE)} to change, {plan.count(Action.SAME)} the same, {plan.count(Action.STAYS)} stay."
        + (f" {footer}" if footer else "")
    )
    return "\n".join(lines) + "\n"


def _plan_row(step: Step, arrow: str) -> tuple[str, ...]:
    now = short(step.before)
    if step.action is Action.CHANGE:
        then = short(step.after)
        if then == now:  # only the digest differs
            then = f"{then}@{Reference.parse(step.after).digest[:_DIGEST_SHOWN]}"
        return (step.service, now, arrow, then, "change", _match_text(step))
    if step.action is Action.SAME:
        return (step.service, now, "", "", "same", _match_text(step))
    return (step.service, now, "", "", "stays", "")


def _match_text(step: Step) -> str:
    if step.image is None or step.match is Match.MISSING:
        return ""
    day = step.image.day()
    return "released that day" if step.match is Match.EXACT else f"since {day}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width).rstrip()
        for row in rows
    ]


def plan_json(plan: Plan, reasons: Sequence[Reason]) -> dict[str, Any]:
    """What `plan --json` prints."""
    return {
        "env": plan.env.name,
        "tag_env": plan.env.tag,
        "target": plan.target,
        "as_of": plan.as_of,
        "steps": [step_json(step) for step in plan.steps],
        "warnings": list(plan.warnings),
        "reasons": [reason_json(reason) for reason in reasons],
    }


def step_json(step: Step) -> dict[str, Any]:
    """One service of a plan."""
    image = step.image
    return {
        "service": step.service,
        "repo": step.repo,
        "action": step.action.value,
        "match": step.match.value,
        "app": step.app.id if step.app else None,
        "before": step.before or None,
        "after": step.after or None,
        "tag": image.tag if image else None,
        "digest": (image.digest or None) if image else None,
        "created": str(image.created) if image else None,
        "notes": list(step.notes),
    }


def reason_json(reason: Reason) -> dict[str, str]:
    """One reason to refuse."""
    return {"service": reason.service, "what": reason.what, "why": reason.why, "next": reason.hint}


def reason_text(reason: Reason) -> str:
    """What, why and the next step, each on a line of its own."""
    return error_text(reason.what, reason.why, reason.hint)


def error_text(what: str, why: str = "", hint: str = "") -> str:
    """An error as it is printed: what, why, next."""
    lines = [what]
    if why:
        first, *rest = why.strip().splitlines() or [""]
        lines += [f"  why:  {first}", *(f"        {line}" for line in rest)]
    if hint:
        lines.append(f"  next: {hint}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A duration as a person says it: `850 ms`, `12 s`, `3 min 20 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def outcome_text(outcome: Outcome, *, arrow: str = "→") -> str:
    """The report: the verdict and the time it took, one line per service, then the undo command."""
    lines = [f"{outcome.verdict.value} after {duration(outcome.took_s)}: {outcome.summary}", ""]
    if outcome.rows:
        lines += _table([_outcome_row(row, arrow) for row in outcome.rows])
    if outcome.run:
        lines += ["", f"Run:  {outcome.run}"]
    if outcome.undo:
        lines.append(f"Undo: {outcome.undo}")
    return "\n".join(lines) + "\n"


def _outcome_row(row: Row, arrow: str) -> tuple[str, ...]:
    if row.state in {"changed", "failed", "unknown"}:
        return (row.service, short(row.before), arrow, short(row.after), row.state, row.detail)
    if row.state == "restored":
        return (row.service, short(row.after), arrow, short(row.before), row.state, row.detail)
    return (row.service, short(row.before), "", "", row.state, row.detail)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """What `run --json` and `undo --json` print."""
    return {
        "verdict": outcome.verdict.value,
        "exit_code": outcome.code,
        "summary": outcome.summary,
        "took_s": round(outcome.took_s, 3),
        "run": outcome.run or None,
        "undo": outcome.undo or None,
        "changed": outcome.touched,
        "services": [dict(vars(row)) for row in outcome.rows],
    }


def runs_text(records: Sequence[Record]) -> str:
    """Past runs, newest first, one line each."""
    if not records:
        return "no runs yet\n"
    rows = [("run", "what", "as of", "by", "outcome")]
    for record in records:
        header = record.header
        verdict = str(record.outcome.get("verdict", "")) or "no outcome (killed, or still running)"
        rows.append((header.run, header.kind, header.as_of, header.by, verdict))
    return "\n".join(_table(rows)) + "\n"


def run_text(record: Record) -> str:
    """One past run: who, why, what came of it, and each of its steps with its time."""
    header = record.header
    lines = [f"{header.run}: {header.kind} of {header.env} to {header.as_of}", f"  on       {header.target}"]
    for name in ("by", "place", "at", "reason", "incident", "link", "on_failure"):
        if value := getattr(header, name):
            lines.append(f"  {name.replace('_', ' '):<8} {value}")
    lines += ["", *_table([_event_row(line) for line in record.lines if line["event"] != "captured"])]
    if record.outcome:
        lines += ["", f"{record.outcome['verdict']}: {record.outcome['summary']}"]
    else:
        lines += ["", "It has no outcome: it was killed, or it is still running."]
    return "\n".join(lines) + "\n"


def _event_row(line: Mapping[str, Any]) -> tuple[str, str, str]:
    match line["event"]:
        case "began":
            told = f"{len(line['steps'])} services"
        case "writing":
            told = ", ".join(f"{app} {short(image)}" for app, image in line["images"].items())
        case "cancelling":
            told = f"deployment {line['deployment']}"
        case "written":
            told = line["problem"] or f"deployment {line['deployment']}"
        case "judged":
            told = f"{line['app']} {line['state']}: {line['detail']}"
        case _:
            told = line.get("verdict", "")
    return (str(line["when"]), str(line["event"]), told)


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
