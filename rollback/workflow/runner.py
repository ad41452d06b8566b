"""From a prepared plan to its outcome, for `run` and `undo`: consent, lock, record, execution, report."""

from __future__ import annotations

import logging
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from rollback.core.apps import App, Change, Status
from rollback.core.plain_text import counted
from rollback.core.plan import Action, Plan
from rollback.core.plan_file import moved
from rollback.core.timestamps import with_local
from rollback.errors import Partly, Reason, RecordError, Refused, RollbackError
from rollback.execution import outcome as outcomes
from rollback.execution.executor import Execution, execute, put_back
from rollback.execution.outcome import Outcome
from rollback.execution.policy import Clock
from rollback.output import incident_report, json_report, slack_client, text_report
from rollback.output.error_text import reason_text
from rollback.output.progress import Progress, stamp
from rollback.output.terminal import TerminalInfo
from rollback.state import record, undo_plan
from rollback.state.journal import Journal
from rollback.state.known_addresses import Cluster
from rollback.state.lock import Lock
from rollback.state.record import Captured, Header
from rollback.system.files import write_whole
from rollback.targets.base import Target
from rollback.workflow import cluster_identity, consent, hooks
from rollback.workflow.command_result import CommandResult
from rollback.workflow.planning import PreparedPlan
from rollback.workflow.post_run import begin, finish, nothing_left, remains, state_store
from rollback.workflow.run_lock import locked
from rollback.workflow.run_request import RunRequest
from rollback.workflow.signals import stoppable, unless_stopped, until_stopped

log = logging.getLogger(__name__)

PAGE = "report.md"


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
        return _report_nothing_to_do(request, plan, target, began)
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
    surface = TerminalInfo.of(sys.stderr)
    remarks = "".join(reason_text(reason, surface) for reason in reasons)
    number = f"{counted(len(reasons), 'reason')} not to run this plan"
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
        KeyboardInterrupt: a signal came before there was a record; nothing was changed.
    """
    began = time.monotonic()
    cluster = cluster_identity.identify(request.config, target)
    header = _header(request, plan, cluster)
    undo = request.commands.undo(header.run)
    locks: list[Lock] = []
    journals: list[Journal] = []  # a signal after the first write does not end the program without a report
    with (
        stoppable(locks, journals, request.commands.history(header.run), undo) as clock,
        locked(request, plan, target, cluster, header, locks, clock),
    ):
        captured = until_stopped(clock, lambda: _captured(plan, target))
        store = until_stopped(clock, lambda: state_store(request, plan, target, cluster))
        journals.append(Journal(request.dump, header, captured, stamp))
        with closing(journals[0]) as journal:
            try:
                before = until_stopped(clock, lambda: begin(request, header, store))
            except KeyboardInterrupt:
                log.warning(
                    "that this run began may be noted for %s: if `rollback check` names it: %s", plan.env.name, undo
                )
                stopped = Execution(interrupted=True)
                ended = _concluded(request, plan, stopped, began, header)
                _close(journal, ended, stopped)
                return ended
            except RollbackError as error:
                failed = Execution(stopped_because=f"{error.what}: {error.why}" if error.why else error.what)
                _close(journal, _concluded(request, plan, failed, began, header), failed)
                raise

            def in_order(execution: Execution) -> None:
                unless_stopped(
                    clock,
                    lambda: finish(request, header, plan, execution, store, before),
                    f"`rollback check` may keep saying no for {plan.env.name}: {undo}",
                )

            try:
                _announce(request, plan, header, progress, clock)
                changes = [replace(change, run=header.run) for change in plan.changes]
                execution = _execute(request, plan, changes, target, clock, journal, captured, progress)
                ended = _concluded(request, plan, execution, began, header)
                known = unless_stopped(
                    clock,
                    lambda: remains(plan, request.policy.parallel, execution, target),
                    "what did not go back is not known",
                )
                ended = replace(ended, remains=known or ())
                _close(journal, ended, execution)
            except RecordError:  # raised before the first write is sent, and never after it
                in_order(Execution())
                raise
            except Exception as error:
                if not journal.began_writing:
                    in_order(Execution())
                    raise
                raise Partly(
                    f"the {request.kind} {header.run} broke off, and some services may be changed",
                    why=f"a mistake in this program: {type(error).__name__}: {error}",
                    hint=f"look with {request.commands.history(header.run)}, then put back what it changed: {undo}",
                ) from error
        _write_page(journal.path, request.dump, progress)
        # A signal meanwhile does not make the outcome untrue, so this is still under `stoppable`.
        in_order(execution)
        unless_stopped(
            clock,
            lambda: slack_client.ended(request.slack, _title(request, plan), ended, header),
            "the Slack message may not have been sent",
        )
    return ended


def _concluded(request: RunRequest, plan: Plan, execution: Execution, began: float, header: Header) -> Outcome:
    return outcomes.conclude(
        plan,
        execution,
        on_failure=request.policy.on_failure,
        took_s=time.monotonic() - began,
        run=header.run,
        undo=request.commands.undo(header.run),
    )


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
    beside = [step.app for step in plan.steps if step.app and step.action is not Action.CHANGE]
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
            beside=beside,
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
        beside=beside,
    )


def _report_nothing_to_do(request: RunRequest, plan: Plan, target: Target, began: float) -> Outcome:
    """The outcome of a plan without changes.

    Raises:
        Refused: another run holds the environment's lock, so that nobody knows what it comes to.
        KeyboardInterrupt: there was a signal.
    """
    cluster = cluster_identity.identify(request.config, target)
    locks: list[Lock] = []
    with stoppable(locks) as clock:
        header = _header(request, plan, cluster)
        with locked(replace(request, steal_lock=False), plan, target, cluster, header, locks, clock):
            pass
        until_stopped(clock, lambda: nothing_left(request, plan, target, cluster))
        ids = [step.app.id for step in plan.steps if step.action is Action.SAME and step.app]
        last = until_stopped(clock, lambda: target.status(ids))
        begun = record.begun(request.dump, request.commands)
        ended = outcomes.nothing_to_do(plan, time.monotonic() - began, last, begun)
        unless_stopped(
            clock,
            lambda: slack_client.ended(request.slack, _title(request, plan), ended),
            "the Slack message may not have been sent",
        )
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


def _announce(request: RunRequest, plan: Plan, header: Header, progress: Progress, clock: Clock) -> None:
    progress.say(f"{request.kind} {header.run}: {len(plan.changes)} to change on {plan.target}")
    unless_stopped(
        clock,
        lambda: slack_client.started(request.slack, header, plan),
        "the Slack message may not have been sent",
    )
    progress.begin(plan)


def _title(request: RunRequest, plan: Plan) -> str:
    return f"run of {plan.env.name} to {plan.as_of}" if request.undoes is None else f"undo of {plan.as_of}"


def _question(request: RunRequest, plan: Plan) -> str:
    if request.undoes is None:
        count = plan.count(Action.CHANGE)
        whose = "its image" if count == 1 else "their images"
        return f"Change {counted(count, 'service')} of {plan.env.name} to {whose} as of {plan.as_of}?"
    past = request.undoes.header
    services = counted(len(plan.changes), "service")
    return f"Put {services} of {past.env} back to before the run of {with_local(past.at)}, {past.run}?"


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
