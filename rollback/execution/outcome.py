"""How a run ended: one verdict for the fleet, one row per service. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from rollback.core.plan import Action, OnFailure, Other, Plan, Step
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.execution.executor import Execution, all_up


class Verdict(str, Enum):
    """The first words of every report."""

    DONE = "DONE"
    NOTHING = "NOTHING TO DO"
    REFUSED = "REFUSED"
    RESTORED = "RESTORED"
    PARTLY = "PARTLY"
    FAILED = "FAILED"


CODES: Mapping[Verdict, int] = {
    Verdict.DONE: 0,
    Verdict.NOTHING: 0,
    Verdict.FAILED: 1,
    Verdict.REFUSED: 3,
    Verdict.PARTLY: 4,
    Verdict.RESTORED: 5,
}
INTERRUPTED = 130


@dataclass(frozen=True)
class Row:
    """One service in a report.

    Attributes:
        service: its name.
        app: the app's id; empty if there is none.
        before: the image reference that it ran before.
        after: the one that it was to run.
        stands: the one that stands now as far as this run knows.
        state: changed, same, stays, restored, failed, not reached, not taken or unknown.
        detail: why, in a few words; may be empty.
    """

    service: str
    app: str
    before: str
    after: str
    stands: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        verdict: one for the fleet.
        code: the exit code.
        summary: one sentence: what came of it, and why if it is not good.
        rows: one per service.
        took_s: seconds from the start to the end.
        run: the run's id; empty if there was none.
        undo: the command that undoes it; empty where there is nothing to undo.
        touched: how many apps were written.
        remains: what did not go back with the images, a line each.
        others: apps that run a selected repository and were not changed.
    """

    verdict: Verdict
    code: int
    summary: str
    rows: tuple[Row, ...]
    took_s: float = 0.0
    run: str = ""
    undo: str = ""
    touched: int = 0
    remains: tuple[str, ...] = ()
    others: tuple[Other, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing needs a second look: it went well, and no app was left on another image."""
        return self.verdict in {Verdict.DONE, Verdict.NOTHING} and not any(other.differs for other in self.others)


def conclude(
    plan: Plan, execution: Execution, *, on_failure: OnFailure, took_s: float, run: str, undo: str
) -> Outcome:
    """Judge a run that has written, or tried to.

    Args:
        plan: what was to be done.
        execution: what came of it.
        on_failure: the policy that it ran under.
        took_s: seconds.
        run: its id.
        undo: the command that would undo it.
    """
    rows = tuple(_row(step, execution) for step in plan.steps)
    touched = len(execution.forward)
    problem = _problem(execution, plan)
    if execution.clean:
        verdict, summary = Verdict.DONE, f"{touched} changed and up{_but(plan)}"
    elif not touched:
        verdict, summary = Verdict.FAILED, f"nothing was changed: {problem}"
    elif execution.restored is not None and all_up(execution.restored):
        verdict, summary = Verdict.RESTORED, f"everything is as it was: {problem}"
    elif execution.restored is not None:
        verdict, summary = Verdict.PARTLY, f"not everything could be put back, a person is needed: {problem}"
    else:
        kept = {OnFailure.KEEP: "the rest was kept", OnFailure.STOP: "it stopped there"}.get(on_failure, "")
        verdict, summary = Verdict.PARTLY, "; ".join(text for text in (problem, kept) if text)
    code = CODES[verdict]
    if execution.interrupted:
        code = INTERRUPTED
        summary = f"interrupted; {summary}" if touched else "interrupted; nothing was changed"
    standing = touched and not (execution.restored is not None and all_up(execution.restored))
    shown = undo if standing else ""
    return Outcome(verdict, code, summary, rows, took_s, run, shown, touched, others=plan.others)


def nothing_to_do(plan: Plan, took_s: float) -> Outcome:
    """The outcome of a plan without changes."""
    rows = tuple(_row(step, Execution()) for step in plan.steps)
    stays = plan.count(Action.STAYS)
    summary = "every service runs its image of that date already"
    if stays:
        summary = f"{plan.count(Action.SAME)} run their image of that date already, {stays} stay as they are"
    held = [s.service for s in plan.steps if s.action is Action.SAME and s.app and s.app.deployments]
    if held:
        summary += f"; a deployment still holds {', '.join(held)}, so that is not known to be up"
    return Outcome(Verdict.NOTHING, 0, f"{summary}{_but(plan)}", rows, took_s, others=plan.others)


def _but(plan: Plan) -> str:
    """What the first line has to say besides: apps of these repositories that run another image."""
    differing = [str(other) for other in plan.others if other.differs]
    return f", but {'; '.join(differing)}" if differing else ""


def _problem(execution: Execution, plan: Plan) -> str:
    names = {step.app.id: step.service for step in plan.steps if step.app}
    told = [
        f"{names.get(app_id, app_id)}: {watch.detail}"
        for app_id, watch in execution.forward.items()
        if watch.state is RolloutState.FAILED
    ]
    told += [f"{names.get(app_id, app_id)}: {why}" for app_id, why in execution.refused.items()]
    if execution.stopped_because:
        told.append(execution.stopped_because)
    return "; ".join(dict.fromkeys(told)) or "not everything is known to be up"


def _row(step: Step, execution: Execution) -> Row:
    app_id = step.app.id if step.app else ""
    state, stands, detail = step.action.value, step.before, "; ".join(step.notes)
    if step.action is Action.CHANGE:
        forward = execution.forward.get(app_id)
        back = (execution.restored or {}).get(app_id)
        if app_id in execution.refused:
            state, detail = "not taken", execution.refused[app_id]
        elif forward is None:
            state, detail = "not reached", "as it was"
        elif back is not None:
            state, stands, detail = _restored(forward, back, step)
        elif forward.state is RolloutState.UP:
            state, stands, detail = "changed", step.after, forward.detail
        else:
            state = "failed" if forward.state is RolloutState.FAILED else "unknown"
            stands, detail = step.after if forward.answered else f"{step.after} or {step.before}", forward.detail
    return Row(step.service, app_id, step.before, step.after, stands, state, detail)


def _restored(forward: RolloutStatus, back: RolloutStatus, step: Step) -> tuple[str, str, str]:
    why = forward.detail if forward.state is RolloutState.FAILED else ""
    if back.state is not RolloutState.UP:
        return "failed", f"{step.after} or {step.before}", f"not put back: {back.detail}"
    as_before = "" if back.healthy else "it was not up before either"
    return "restored", step.before, "; ".join(text for text in (why, as_before) if text)
