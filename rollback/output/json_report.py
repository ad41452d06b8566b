"""Selections, plans, refusals and outcomes as JSON documents, for `--json` and for files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollback.core import history_file
from rollback.core.history import History
from rollback.core.plan import Plan, Step
from rollback.core.unchanged_apps import Other
from rollback.errors import Reason, Refused, RollbackError
from rollback.execution.outcome import CODES, Outcome, Verdict
from rollback.output.text_report import refused_summary


def history_json(history: History) -> dict[str, Any]:
    """What `get --json` prints: the members of rollback.json."""
    return history_file.as_json(history)


def plan_json(plan: Plan, reasons: Sequence[Reason]) -> dict[str, Any]:
    """What `plan --json` prints."""
    return {
        "env": plan.env.name,
        "tag_env": plan.env.tag,
        "target": plan.target,
        "as_of": plan.as_of,
        "basis": plan.basis.value,
        "steps": [step_json(step) for step in plan.steps],
        "warnings": list(plan.warnings),
        "not_changed": [other_json(other) for other in plan.others],
        "not_looked_at": list(plan.not_looked_at),
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
        "basis": step.basis.value,
        "direction": step.direction or None,
        "notes": list(step.notes),
    }


def other_json(other: Other) -> dict[str, Any]:
    """One app that runs a selected repository and is not changed."""
    return {
        "app": other.app,
        "repo": other.repo,
        "image": other.image,
        "reason": other.reason,
        "differs": other.differs,
    }


def reason_json(reason: Reason) -> dict[str, str]:
    """One reason to refuse."""
    return {"service": reason.service, "what": reason.what, "why": reason.why, "next": reason.hint}


def refused_json(reasons: Sequence[Reason]) -> dict[str, Any]:
    """The same members as of any other run, and the reasons."""
    nothing = Outcome(Verdict.REFUSED, CODES[Verdict.REFUSED], refused_summary(reasons), ())
    return {**outcome_json(nothing), "reasons": [reason_json(reason) for reason in reasons]}


def failure_json(error: RollbackError) -> dict[str, Any]:
    """The same members for a run that ended with an error."""
    if isinstance(error, Refused):
        return refused_json(error.reasons)
    verdict = Verdict.PARTLY if error.exit_code == CODES[Verdict.PARTLY] else Verdict.FAILED
    summary = f"{error.what}: {error.why}" if error.why else error.what
    return outcome_json(Outcome(verdict, error.exit_code, summary, ()))


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """What `run --json` and `undo --json` print."""
    return {
        "verdict": outcome.verdict.value,
        "exit_code": outcome.code,
        "summary": outcome.summary,
        "but": outcome.but or None,
        "next": outcome.next_step or None,
        "took_s": round(outcome.took_s, 3),
        "run": outcome.run or None,
        "undo": outcome.undo or None,
        "changed": outcome.touched,
        "remains": list(outcome.remains),
        "not_changed": [other_json(other) for other in outcome.others],
        "services": [dict(vars(row)) for row in outcome.rows],
    }
