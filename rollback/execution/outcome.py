"""How a run ended: one verdict for the fleet, one row per service. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rollback.core.apps import Status
from rollback.core.plan import Action, OnFailure, Plan, Step
from rollback.core.preflight import OwnDeployment
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.core.unchanged_apps import Other
from rollback.execution.executor import Execution


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
_NOT_WRITTEN = frozenset({"not taken", "not reached", "same", "stays"})


@dataclass(frozen=True)
class Row:
    """One service in a report.

    Attributes:
        service: its name.
        app: the app's id; empty if there is none.
        before: the image reference that it ran before.
        after: the one that it was to run.
        stands: the one it has now as far as this run knows.
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
        down: whether an app of the run or of the plan does not run, or not what it is to run, though nothing failed.
        next_step: what the user may do; empty where nothing went wrong.
        but: what the verdict alone does not say: `web is down (0 of 2 ready)`; empty if there is nothing.
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
    down: bool = False
    but: str = ""
    next_step: str = ""

    @property
    def headline(self) -> str:
        """The first words of every report."""
        return f"{self.verdict.value}, but {self.but}" if self.but else self.verdict.value

    @property
    def good(self) -> bool:
        """Whether nothing needs a second look: all runs, and no app was left on another image."""
        if self.but or self.down or any(other.matters for other in self.others):
            return False
        return self.verdict in {Verdict.DONE, Verdict.NOTHING}


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
    if execution.clean and not execution.hanging:
        not_up = _down(plan, execution)
        changed = f"{touched} changed; {not_up}" if not_up else f"{touched} changed and up"
        verdict, summary = Verdict.DONE, f"{changed}{_but(plan, rows)}"
    elif execution.clean:
        held = ", ".join(sorted(execution.hanging))
        verdict, summary = Verdict.PARTLY, f"{touched} changed; a deployment of this run still hangs: {held}"
    elif not touched:
        verdict, summary = Verdict.FAILED, f"nothing was changed: {problem}"
    elif execution.is_back:
        foreign = [row.service for row in _changed_by_others(rows)]
        back = f"what this run changed is as it was, and {', '.join(foreign)} was changed by somebody else"
        verdict, summary = Verdict.RESTORED, f"{back if foreign else 'everything is as it was'}: {problem}"
    elif execution.restored is not None:
        verdict, summary = Verdict.PARTLY, f"not everything could be put back, manual intervention needed: {problem}"
    else:
        kept = {OnFailure.KEEP: "the rest was kept", OnFailure.STOP: "it stopped there"}.get(on_failure, "")
        verdict, summary = Verdict.PARTLY, "; ".join(text for text in (problem, kept) if text)
    code = CODES[verdict]
    if execution.interrupted:
        code = INTERRUPTED
        summary = f"interrupted; {summary}" if touched else "interrupted; nothing was changed"
    shown = undo if touched and not execution.is_back else ""
    down = verdict is Verdict.DONE and bool(_down(plan, execution) or _changed_by_others(rows))
    return Outcome(
        verdict,
        code,
        summary,
        rows,
        took_s,
        run,
        shown,
        touched,
        others=plan.others,
        down=down,
        next_step=_next_step(plan, execution) if verdict is Verdict.RESTORED and not execution.interrupted else "",
    )


def _next_step(plan: Plan, execution: Execution) -> str:
    """After everything was put back: to do it without what failed, or to go further back."""
    failed = {app_id for app_id, watch in execution.forward.items() if watch.state is RolloutState.FAILED}
    names = [step.service for step in plan.steps if step.app and step.app.id in {*failed, *execution.refused}]
    if not names:
        return "look at the reason above, then run it again"
    return f"choose an earlier date, or leave out what failed: --skip={','.join(dict.fromkeys(names))}"


def nothing_to_do(
    plan: Plan, took_s: float, last: Mapping[str, Status], begun: Mapping[str, OwnDeployment]
) -> Outcome:
    """The outcome of a plan without changes.

    Args:
        plan: it.
        took_s: seconds.
        last: by app id, a look at its apps.
        begun: by id, deployments of earlier runs of this tool.
    """
    shown = {
        s.app.id: replace(last[s.app.id], image=last[s.app.id].image_of(s.app))
        for s in plan.steps
        if s.app and s.app.id in last
    }
    rows = tuple(_row(step, Execution(last=shown)) for step in plan.steps)
    stays = plan.count(Action.STAYS)
    summary = "every service runs its image of that date already"
    if stays:
        summary = f"{plan.count(Action.SAME)} run their image of that date already, {stays} stay as they are"
    same = [(s.service, last[s.app.id]) for s in plan.steps if s.action is Action.SAME and s.app and s.app.id in last]
    down = [f"{name} is down ({_ready(status)})" for name, status in same if status.ready < status.instances]
    down += [f"{row.service}: {row.detail}" for row in _changed_by_others(rows)]
    ours = sorted({held for _, status in same for held in status.deployments if held in begun})
    for held in ours:
        names = ", ".join(name for name, status in same if held in status.deployments)
        down.append(f"the deployment {held} of the run {begun[held].run} still holds {names}")
    foreign = [name for name, status in same if status.deployments and not set(status.deployments) <= set(ours)]
    if foreign:
        summary += f"; a deployment still holds {', '.join(foreign)}, so that is not known to be up"
    code = CODES[Verdict.PARTLY] if ours else 0
    return Outcome(
        Verdict.NOTHING,
        code,
        f"{summary}{_but(plan, ())}",
        rows,
        took_s,
        others=plan.others,
        down=bool(down),
        but="; ".join(down),
    )


def _down(plan: Plan, execution: Execution) -> str:
    """Which of the changed apps do not run, though everything was done; empty if all do."""
    parts = []
    for step in plan.steps:
        watch = execution.forward.get(step.app.id) if step.app else None
        seen = execution.last.get(step.app.id) if step.app else None
        if watch is None or seen is None:
            continue
        if seen.ready < seen.instances and not watch.healthy:
            parts.append(f"{step.service} is down ({_ready(seen)}), as it was before that run")
        elif seen.ready < seen.instances:
            parts.append(f"{step.service} is down ({_ready(seen)})")
        elif not seen.instances:
            parts.append(f"{step.service} has no instances, so its image was not started")
    return "; ".join(parts)


def _ready(status: Status) -> str:
    return f"{status.ready} of {status.instances} ready"


def _changed_by_others(rows: Sequence[Row]) -> list[Row]:
    """Apps that this run has not written and that are to run another image now than when it was planned."""
    return [row for row in rows if row.state in _NOT_WRITTEN and row.stands != row.before]


def _but(plan: Plan, rows: Sequence[Row]) -> str:
    """What the first line has to say besides: apps of these repositories that run another image."""
    differing = [f"{row.service}: {row.detail}" for row in _changed_by_others(rows)]
    differing += [str(other) for other in plan.others if other.matters]
    return f", but {'; '.join(differing)}" if differing else ""


def _problem(execution: Execution, plan: Plan) -> str:
    names = {step.app.id: step.service for step in plan.steps if step.app}
    problems = [
        f"{names.get(app_id, app_id)}: {watch.detail}"
        for app_id, watch in execution.forward.items()
        if watch.state is RolloutState.FAILED
    ]
    problems += [f"{names.get(app_id, app_id)}: {why}" for app_id, why in execution.refused.items()]
    if execution.stopped_because:
        problems.append(execution.stopped_because)
    return "; ".join(dict.fromkeys(problems)) or "not everything is known to be up"


def _row(step: Step, execution: Execution) -> Row:
    app_id = step.app.id if step.app else ""
    seen = execution.last.get(app_id)
    state, stands, detail = step.action.value, step.before, "; ".join(step.notes)
    if step.action is Action.CHANGE:
        forward = execution.forward.get(app_id)
        back = (execution.restored or {}).get(app_id)
        if app_id in execution.refused or forward is None:
            state = "not taken" if app_id in execution.refused else "not reached"
            stands, foreign = _not_written(step, seen)
            detail = "; ".join(text for text in (execution.refused.get(app_id, ""), foreign) if text) or "as it was"
        elif back is not None:
            state, detail = _restored(forward, back)
            stands = _runs(seen, back, step, sure=back.state is RolloutState.UP, image=step.before)
        elif forward.state is RolloutState.UP:
            state, detail = "changed", forward.detail
            if seen and seen.ready < seen.instances:
                detail = _ready(seen)  # the verdict speaks of the same look
            stands = _runs(seen, forward, step, sure=True, image=step.after)
        else:
            state, detail = ("failed" if forward.state is RolloutState.FAILED else "unknown"), forward.detail
            stands = _runs(seen, forward, step, sure=forward.answered, image=step.after)
    elif seen:
        stands, foreign = _not_written(step, seen)
        detail = foreign or detail
    return Row(step.service, app_id, step.before, step.after, stands, state, detail)


def _not_written(step: Step, seen: Status | None) -> tuple[str, str]:
    """The image that an app is to run which was not written, and that somebody else changed it if that is so."""
    stands = (seen.image or "no image") if seen else step.before
    foreign = f"somebody else changed it meanwhile: it is to run {stands} now" if stands != step.before else ""
    return stands, foreign


def _runs(seen: Status | None, watch: RolloutStatus, step: Step, *, sure: bool, image: str) -> str:
    """The image that an app is to run as it was seen last; both that it may be if nobody has seen it since."""
    if seen is not None:
        return seen.image or "no image"
    if watch.image is not None:
        return watch.image or "no image"
    return image if sure else f"{step.after} or {step.before}"


def _restored(forward: RolloutStatus, back: RolloutStatus) -> tuple[str, str]:
    why = forward.detail if forward.state is RolloutState.FAILED else ""
    if back.state is not RolloutState.UP:
        return "failed", f"not put back: {back.detail}"
    as_before = "" if back.healthy else "it was not up before either"
    return "restored", "; ".join(text for text in (why, as_before) if text)
