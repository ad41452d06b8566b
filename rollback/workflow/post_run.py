"""What follows a run: the freeze for deployment jobs, and what did not go back with the images."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import cast

from rollback.core.image_selection import Match
from rollback.core.plan import Action, Plan, Step
from rollback.errors import RollbackError, TargetError
from rollback.execution.executor import Execution
from rollback.output.progress import stamp
from rollback.state import freeze
from rollback.state.freeze import Withdrawn
from rollback.state.record import Header
from rollback.targets.base import Remembering, Target
from rollback.workflow import context
from rollback.workflow.run_request import RunRequest

log = logging.getLogger(__name__)


def remember(request: RunRequest, env: str, header: Header, execution: Execution, target: Target) -> None:
    """Freeze the environment, and remember what was taken out, for deployment jobs that ask."""
    stands = {
        app_id: watch for app_id, watch in execution.forward.items() if app_id not in (execution.restored or {})
    }
    if not stands:
        return
    out = [
        Withdrawn(watch.change.app.image, header.by, stamp(), header.reason, header.run) for watch in stands.values()
    ]
    brought = [watch.change.image for watch in stands.values()]
    now, seconds = datetime.now(timezone.utc).replace(microsecond=0), request.freeze_s
    frozen = freeze.make(header.by, header.reason, header.run, now, seconds) if seconds else None
    undone = request.undoes.header.run if request.undoes else ""
    try:
        store = context.state_store(request.config, target, env, list(stands))
        store.change(
            lambda state: (
                freeze.after_undo(state, undone, out, brought)
                if undone
                else freeze.after_run(state, out, frozen, brought)
            )
        )
    except RollbackError as error:
        log.warning("%s is not frozen: %s", env, error.why or error.what)


def remains(plan: Plan, parallel: int, execution: Execution, target: Target) -> tuple[str, ...]:
    """What has changed since the date and did not go back with the images, as far as the target remembers."""
    until = plan.until
    if until is None or not execution.clean or not hasattr(target, "drift"):
        return ()
    remembering = cast(Remembering, target)
    steps = [step for step in plan.steps if step.action is Action.CHANGE and step.app]

    def ask(step: Step) -> tuple[str, ...]:
        try:
            return remembering.drift(step.app.id if step.app else "", until)
        except TargetError as error:
            log.warning("%s: what did not go back is not known: %s", step.service, error.why or error.what)
            return ()

    with ThreadPoolExecutor(parallel) as pool:
        found = [
            f"{step.service}: {'; '.join(told)}"
            for step, told in zip(steps, pool.map(ask, steps), strict=True)
            if told
        ]
    born = [step.service for step in plan.steps if step.match is Match.MISSING]
    return (*found, *(f"{service}: born since, stays as it is" for service in born))
