"""From a prepared plan to its outcome, for `run` and `undo`: consent, lock, record, execution, report."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from rollback.core.apps import App, Change, Status
from rollback.core.plan import Action, Plan
from rollback.core.plan_file import moved
from rollback.errors import Partly, Reason, RecordError, Refused, RollbackError
from rollback.execution import outcome as outcomes
from rollback.execution.executor import Execution, execute, put_back
from rollback.execution.outcome import Outcome
from rollback.execution.policy import Clock
from rollback.output import incident_report, json_report, slack_client, text_report
from rollback.output.progress import Progress, stamp
from rollback.output.terminal import TerminalInfo
from rollback.state import record, undo_plan
from rollback.state.journal import Journal
from rollback.state.known_addresses import Cluster
from rollback.state.lock import FileLock, Lock, MarkerLock
from rollback.state.record import Captured, Header
from rollback.system.files import write_whole
from rollback.targets.base import Target
from rollback.workflow import cluster_identity, consent, hooks
from rollback.workflow.command_result import CommandResult
from rollback.workflow.planning import PreparedPlan
from rollback.workflow.post_run import begin, finish, nothing_left, remains, state_store
from rollback.workflow.run_request import RunRequest
from rollback.workflow.signals import stoppable

log = logging.getLogger(__name__)

PAGE = "report.md"
Result = TypeVar("Result")
_LONGEST_S = 600.0  # for what has limits of its own, and is only waited for until somebody wants to stop


def carry_out(
    request: RunRequest, prepared: PreparedPlan, target: Target, progress: Progress, *, began: float
) -> CommandResult:
    """Carry out a prepared plan if nothing and nobody is against it.

    Args:
        request: what to run.
        prepared: the plan, and every reason against it.
        target: where.
        progress: shows what happens meanwhile.
        began: when the command began, in seconds of the monotonic clock.

    Raises:
        Refused: there are reasons against it, or the user says no.
    """
    if request.dry_run:
        return plan_result(prepared, request)
    try:
        ended = _carry_out(request, _with_warnings(prepared, request), target, progress, began)
    except RollbackError as error:
        hooks.after(request, prepared.plan, json_report.failure_json(error))
        raise
    hooks.after(request, prepared.plan, json_report.outcome_json(ended))
    text = text_report.outcome_text(ended, surface=TerminalInfo.of(sys.stdout), operator=target.operator)
    return CommandResult(text, json_report.outcome_json(ended), ended.code)


def _carry_out(
    request: RunRequest, prepared: PreparedPlan, target: Target, progress: Progress, began: float
) -> Outcome:
    plan = prepared.plan
    screen = text_report.plan_text(plan, surface=TerminalInfo.of(sys.stderr), footer=_footer(plan, request))
    sys.stderr.write(screen + "\n")
    reasons = _all_reasons(prepared, request)
    if reasons:
        slack_client.refused(request.slack, _title(request, plan), reasons)
        raise Refused(reasons)
    if not plan.changes:
        return _report_nothing_to_do(request, plan, target, time.monotonic() - began)
    consent.require(_question(request, plan), given=request.yes, needed=request.undoes is not None)
    return perform(request, plan, target, progress)


def _all_reasons(prepared: PreparedPlan, request: RunRequest) -> tuple[Reason, ...]:
    """The reasons against a plan: ours, or, where there are none, those of the user's hook."""
    if prepared.reasons or not prepared.plan.changes:
        return prepared.reasons
    return hooks.preflight(request, prepared.plan)


def plan_result(prepared: PreparedPlan, request: RunRequest) -> CommandResult:
    """The plan as a result; the exit code says whether it could be run."""
    prepared = _with_warnings(prepared, request)
    plan, reasons = prepared.plan, _all_reasons(prepared, request)
    text = text_report.plan_text(plan, surface=TerminalInfo.of(sys.stdout), footer=_footer(plan, request))
    data = json_report.plan_json(plan, reasons)
    if not reasons:
        return CommandResult(text, data)
    remarks = "".join(f"rollback: {text_report.reason_text(reason)}\n" for reason in reasons)
    number = f"{len(reasons)} reason{'s' if len(reasons) > 1 else ''} not to run this plan"
    return CommandResult(f"{text}\nREFUSED: {number}\n", data, Refused.exit_code, remarks)


def _with_warnings(prepared: PreparedPlan, request: RunRequest) -> PreparedPlan:
    """The plan with a warning if the durations that its apps announce do not fit into the run's deadline."""
    plan, deadline_s = prepared.plan, request.policy.deadline_s
    announced_s = sum(change.app.announced_s for change in plan.changes)
    warning = (
        f"the apps announce {announced_s:g} s for starting and draining, and the run ends after {deadline_s:g} s"
    )
    if announced_s <= deadline_s or warning in plan.warnings:
        return prepared
    return replace(prepared, plan=replace(plan, warnings=(*plan.warnings, warning)))


def perform(request: RunRequest, plan: Plan, target: Target, progress: Progress) -> Outcome:
    """Carry out a plan that has changes, and report how it ended.

    Raises:
        Refused: another run holds the environment's lock, or an app was changed since the plan was made.
        RecordError: the record cannot be written; nothing was changed.
        Partly: it broke off after the first write.
    """
    began = time.monotonic()
    cluster = cluster_identity.identify(request.config, target)
    header = _header(request, plan, cluster)
    undo = request.undo_line(header.run)
    locks: list[Lock] = []
    wrote: list[Journal] = []  # a signal that comes after the first write does not end the program without a report
    with stoppable(locks, wrote) as clock, _locked(request, plan, target, cluster, header, locks):
        captured = _until_stopped(clock, lambda: _captured(plan, target))
        store = state_store(request, plan, target, cluster)
        journal = Journal(request.dump, header, captured, stamp)
        wrote.append(journal)
        before = begin(request, header, store)
        try:
            _announce(request, plan, header, progress)
            changes = [replace(change, run=header.run) for change in plan.changes]
            execution = _execute(request, plan, changes, target, clock, journal, captured, progress)
            ended = outcomes.conclude(
                plan,
                execution,
                on_failure=request.policy.on_failure,
                took_s=time.monotonic() - began,
                run=header.run,
                undo=undo,
            )
            known = _at_the_end(
                clock,
                execution,
                lambda: remains(plan, request.policy.parallel, execution, target),
                "what did not go back is not known",
            )
            ended = replace(ended, remains=known or ())
            _close(journal, ended, execution)
        except RecordError:  # raised before the first write is sent, and never after it
            finish(request, header, plan, Execution(), store, before)
            raise
        except Exception as error:
            if not journal.began_writing:
                finish(request, header, plan, Execution(), store, before)
                raise
            raise Partly(
                f"the {request.kind} {header.run} broke off, and some services may be changed",
                why=f"a mistake in this program: {type(error).__name__}: {error}",
                hint=f"look with `rollback history --run={header.run}`, then put back what it changed: {undo}",
            ) from error
        finally:
            journal.close()
        _write_page(journal.path, request.dump, progress)
        # A signal meanwhile does not make the outcome untrue, so this is still under `stoppable`.
        _at_the_end(
            clock,
            execution,
            lambda: finish(request, header, plan, execution, store, before),
            f"`rollback check` may keep saying no for {plan.env.name}",
        )
        _at_the_end(
            clock,
            execution,
            lambda: slack_client.ended(request.slack, _title(request, plan), ended, header),
            "the Slack message may not have been sent",
        )
    return ended


def _until_stopped(clock: Clock, function: Callable[[], Result]) -> Result:
    """Do something before the first write that a signal ends.

    Raises:
        KeyboardInterrupt: there was one.
    """
    try:
        return clock.call(function, _LONGEST_S)
    except TimeoutError:
        raise KeyboardInterrupt from None


def _at_the_end(clock: Clock, execution: Execution, function: Callable[[], Result], otherwise: str) -> Result | None:
    """Do something once the outcome is known; a signal that comes meanwhile ends it, one that came before does not.

    Args:
        clock: hears signals.
        execution: what came of the run.
        function: what is done.
        otherwise: what a warning says if it was not done; then the result is None.
    """
    if execution.interrupted:
        return function()
    try:
        return clock.call(function, _LONGEST_S)
    except TimeoutError:
        log.warning("interrupted: %s", otherwise)
        return None


def _execute(
    request: RunRequest,
    plan: Plan,
    changes: Sequence[Change],
    target: Target,
    clock: Clock,
    journal: Journal,
    captured: list[Captured],
    progress: Progress,
) -> Execution:
    if request.undoes is None:
        ready = {before.app.id: before.ready for before in captured}
        return execute(
            changes,
            target,
            policy=request.policy,
            clock=clock,
            journal=journal,
            was_ready=ready,
            look=progress.look,
        )
    past = request.undoes
    return put_back(
        changes,
        target,
        ours={change.app.id: past.sent[change.app.id] | {change.app.image} for change in changes},
        policy=request.policy,
        clock=clock,
        journal=journal,
        was_ready={app_id: before.ready for app_id, before in past.captured.items()},
        look=progress.look,
        is_ours=lambda held: undo_plan.is_of(past, plan, held),
        late={app_id: clock.now() + seconds for app_id, seconds in request.unanswered.items()},
        before={app_id: before.app.image for app_id, before in past.captured.items()},
    )


@contextmanager
def _locked(
    request: RunRequest, plan: Plan, target: Target, cluster: Cluster, header: Header, locks: list[Lock]
) -> Iterator[None]:
    env, holder, steal = plan.env.name, _holder(header), request.steal_lock
    folder = cluster_identity.folder(request.config)
    try:
        for key in cluster.keys:  # the identity keeps out every other run, an address one of version 0.1
            locks.append(FileLock(folder, env, key, holder, steal=steal))
        if cluster_identity.is_shared(request.config):
            markers = cluster_identity.markers(target)
            ids = [change.app.id for change in plan.changes] or [step.app.id for step in plan.steps if step.app]
            marker = markers.marker_id("rollback-lock", env, ids)
            locks.append(MarkerLock(markers, marker, env, holder, steal=steal))
        yield
    finally:
        for lock in reversed(locks):
            lock.release()


def _report_nothing_to_do(request: RunRequest, plan: Plan, target: Target, took_s: float) -> Outcome:
    """The outcome of a plan without changes.

    Raises:
        Refused: another run holds the environment's lock, so that nobody knows what it comes to.
    """
    cluster = cluster_identity.identify(request.config, target)
    with _locked(replace(request, steal_lock=False), plan, target, cluster, _header(request, plan, cluster), []):
        pass
    nothing_left(request, plan, target, cluster)
    ids = [step.app.id for step in plan.steps if step.action is Action.SAME and step.app]
    ended = outcomes.nothing_to_do(plan, took_s, target.status(ids), record.begun(request.dump))
    slack_client.ended(request.slack, _title(request, plan), ended)
    return ended


def _captured(plan: Plan, target: Target) -> list[Captured]:
    """What runs right now, unless it is not what the plan was made for: the user may have read it for a while.

    Raises:
        Refused: somebody has changed an app since.
    """
    steps = [step for step in plan.steps if step.action is Action.CHANGE and step.app]
    statuses = target.status([step.app.id for step in steps if step.app])
    reasons = [
        reason
        for step in steps
        if step.app
        for reason in moved(step, _as_seen(step.app, statuses.get(step.app.id)), step.app.fingerprint)
    ]
    if reasons:
        raise Refused(reasons)
    return [Captured(step.app, _is_up(statuses.get(step.app.id)), step.captured) for step in steps if step.app]


def _as_seen(app: App, status: Status | None) -> Status | None:
    return replace(status, image=status.image_of(app)) if status else None


def _is_up(status: Status | None) -> bool:
    return status is not None and status.ready >= status.instances


def _write_page(path: Path, folder: Path, progress: Progress) -> None:
    """The page for the incident, beside rollback.json; the record itself is what counts."""
    page = folder / PAGE
    try:
        write_whole(page, incident_report.markdown(record.read(path)), mode=0o600)
        progress.say(f"wrote {page}: this run as Markdown, for the incident")
    except RollbackError as error:
        log.warning("%s: %s", error.what, error.why)


def _close(journal: Journal, ended: Outcome, execution: Execution) -> None:
    try:
        journal.ended(
            **json_report.outcome_json(ended),
            versions={app_id: watch.version for app_id, watch in execution.forward.items()},
        )
    except RecordError as error:
        log.warning("%s: %s", error.what, error.why)


def _announce(request: RunRequest, plan: Plan, header: Header, progress: Progress) -> None:
    progress.say(f"{request.kind} {header.run}: {len(plan.changes)} to change on {plan.target}")
    slack_client.started(request.slack, header, plan)
    progress.begin(plan)


def _title(request: RunRequest, plan: Plan) -> str:
    return f"run of {plan.env.name} to {plan.as_of}" if request.undoes is None else f"undo of {plan.as_of}"


def _question(request: RunRequest, plan: Plan) -> str:
    if request.undoes is None:
        return f"Change {plan.count(Action.CHANGE)} services of {plan.env.name} to their images as of {plan.as_of}?"
    past = request.undoes.header
    return f"Put {len(plan.changes)} services of {past.env} back to before the run of {past.at[:10]} ({past.run})?"


def _footer(plan: Plan, request: RunRequest) -> str:
    how = request.policy
    return text_report.policy_text(how.on_failure, how.limits.timeout_s) if plan.changes else ""


def _header(request: RunRequest, plan: Plan, cluster: Cluster) -> Header:
    return Header(
        run=record.new_run(datetime.now(timezone.utc), plan.env.name),
        kind=request.kind,
        env=plan.env.name,
        target=plan.target,
        identity=cluster.identity,
        as_of=plan.as_of,
        by=request.by,
        at=stamp(),
        on_failure=request.policy.on_failure.value,
        reason=request.reason,
        incident=request.incident,
        link=os.environ.get("BUILD_URL", ""),
        place=f"{platform.node()}, process {os.getpid()}",
        steps=tuple(json_report.step_json(step) for step in plan.steps),
    )


def _holder(header: Header) -> Mapping[str, str]:
    return {
        "run": header.run,
        "by": header.by,
        "host": platform.node(),
        "pid": str(os.getpid()),
        "since": header.at,
        "link": header.link,
    }
