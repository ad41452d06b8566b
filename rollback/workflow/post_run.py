"""What follows a run: the freeze for deployment jobs, and what did not go back with the images."""

from __future__ import annotations

import logging
import platform
from collections.abc import Collection, Iterator, Set
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

from rollback.core.image_selection import Match
from rollback.core.plan import Action, Plan, Step
from rollback.core.rollout_status import RolloutState
from rollback.errors import BadInput, RollbackError, TargetError
from rollback.execution.executor import Execution, all_up
from rollback.output.progress import stamp
from rollback.state import freeze, record
from rollback.state.freeze import EnvironmentState, Freeze, Unfinished, Withdrawn
from rollback.state.known_addresses import Cluster
from rollback.state.record import Header
from rollback.state.state_store import StateStore
from rollback.state.undo_plan import LEFT_OUT as LEFT_OUT_OF_UNDO
from rollback.system.bounded_call import each
from rollback.targets.base import Target
from rollback.targets.capabilities import Remembering
from rollback.workflow import cluster_identity
from rollback.workflow.run_request import RunRequest

log = logging.getLogger(__name__)


def begin(request: RunRequest, header: Header, store: StateStore) -> Freeze | None:
    """Before the first write: freeze the environment, and note that a run is under way.

    Returns:
        The freeze that was there before; None if there was none.

    Raises:
        Failed: the state cannot be kept; a deployment job could not know of this run.
        TargetError: likewise, where it is kept on the target.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    seconds = 0.0 if request.undoes else request.freeze_s
    frozen = freeze.make(header.by, header.reason, header.run, now, seconds) if seconds else None
    dump = str(request.dump.absolute())
    unfinished = Unfinished(header.run, header.by, platform.node(), dump, header.at)
    before = store.load().freeze
    store.change(lambda state: freeze.begun(state, unfinished, frozen))
    return before


def finish(
    request: RunRequest, header: Header, plan: Plan, execution: Execution, store: StateStore, before: Freeze | None
) -> None:
    """After a run: remember what was withdrawn, for `check`; without changes, the state as before it.

    Args:
        request: the run.
        header: of its record.
        plan: what was to be done.
        execution: what came of it.
        store: where the state is kept.
        before: the freeze before the run.
    """
    changed = {
        app_id: watch for app_id, watch in execution.forward.items() if app_id not in (execution.restored or {})
    }
    out = [
        Withdrawn(image, header.by, stamp(), header.reason, header.run)
        for watch in changed.values()
        for image in watch.change.app.images
    ]
    brought = [image for watch in changed.values() for image in watch.change.brings]

    whole = {app_id for app_id, watch in execution.forward.items() if watch.state is RolloutState.UP}
    whole |= {step.app.id for step in plan.steps if step.app and step.action is Action.SAME}

    def after(state: EnvironmentState) -> EnvironmentState:
        if not changed and (execution.restored is None or all_up(execution.restored)):
            return freeze.reverted(state, header.run, before)
        over = {header.run}
        if execution.clean:
            over |= _finished(state, whole)
            state = _tidied(state)
        if request.undoes and execution.clean and not _is_narrowed(plan):
            return freeze.ended(freeze.after_undo(state, request.undoes.header.run, out, brought), over)
        return freeze.ended(freeze.after_run(state, out, None, brought), over)

    try:
        store.change(after)
    except RollbackError as error:
        log.warning("`rollback check` keeps saying no for %s: %s", header.env, error.why or error.what)


def nothing_left(request: RunRequest, plan: Plan, target: Target, cluster: Cluster) -> None:
    """After a run or an undo that found nothing to do: what it would have put right is no longer unfinished."""
    undone = request.undoes.header.run if request.undoes and not _is_narrowed(plan) else ""
    whole = {step.app.id for step in plan.steps if step.app and step.action is Action.SAME}
    try:
        store = state_store(request, plan, target, cluster)
        found = store.load()
        over = {one.run for one in found.unfinished if one.run == undone} | _finished(found, whole)
        if undone and (undone in over or freeze.is_frozen_by(found, undone)):  # the freeze goes with the undo, too
            brought = [step.app.image for step in plan.steps if step.action is Action.SAME and step.app]
            store.change(lambda state: freeze.ended(freeze.after_undo(_tidied(state), undone, (), brought), over))
        elif over:
            store.change(lambda state: freeze.ended(_tidied(state), over))
    except RollbackError as error:
        log.warning("whether %s is frozen is not known: %s", plan.env.name, error.why or error.what)


def _is_narrowed(plan: Plan) -> bool:
    """Whether a plan leaves apps as they are because the user wants it so."""
    return any(step.action is Action.STAYS and LEFT_OUT_OF_UNDO in step.notes for step in plan.steps)


def _finished(state: EnvironmentState, whole: Collection[str]) -> set[str]:
    """Runs that were cut off and of which every app that they may have changed is known to be right by now.

    Args:
        state: what is kept of the environment.
        whole: ids of the apps that are.
    """
    return {cut.run for cut, sent in _cut_off(state) if sent <= set(whole)}


def _tidied(state: EnvironmentState) -> EnvironmentState:
    """The state without the freezes of runs that were cut off before their first write."""
    return freeze.lifted(state, {cut.run for cut, sent in _cut_off(state) if not sent})


def _cut_off(state: EnvironmentState) -> Iterator[tuple[Unfinished, Set[str]]]:
    """The runs of this machine that were cut off, with the apps that each may have changed."""
    for cut in state.unfinished:
        with suppress(BadInput):  # a record that cannot be read here says nothing: that run stays unfinished
            if cut.host == platform.node():
                yield cut, record.find(Path(cut.dump), cut.run).sent.keys()


def state_store(request: RunRequest, plan: Plan, target: Target, cluster: Cluster) -> StateStore:
    """Where the state of a plan's environment is kept.

    Raises:
        TargetError: there is no place for it on the target.
    """
    return cluster_identity.state_store(request.config, target, cluster, plan.env.name)


def remains(plan: Plan, parallel: int, execution: Execution, target: Target) -> tuple[str, ...]:
    """What has changed since the date and did not go back with the images, as far as the target remembers."""
    until = plan.until
    if until is None or not execution.clean or not hasattr(target, "drift"):
        return ()
    remembering = cast(Remembering, target)
    steps = [step for step in plan.steps if step.action is Action.CHANGE and step.app]
    unknown: dict[str, list[str]] = {}  # by reason, the services

    def look_up(step: Step) -> tuple[str, ...]:
        try:
            return remembering.drift(step.app.id if step.app else "", until)
        except TargetError as error:
            unknown.setdefault(error.why or error.what, []).append(step.service)
            return ()

    drifted = list(zip(steps, each(look_up, steps, workers=parallel), strict=True))
    for why, services in unknown.items():
        log.warning("%s: what did not go back is not known: %s", ", ".join(services), why)
    found = [f"{step.service}: {'; '.join(lines)}" for step, lines in drifted if lines]
    born = [step.service for step in plan.steps if step.match is Match.MISSING]
    return (*found, *(f"{service}: born since, stays as it is" for service in born))
