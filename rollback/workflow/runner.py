"""From a plan to its outcome: lock, record, execute, report, tell; `run` and `undo` share it."""

from __future__ import annotations

import logging
import os
import platform
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from rollback.config.settings import Settings, SharedState
from rollback.core.apps import App, Status
from rollback.core.plan import Action, OnFailure, Plan
from rollback.core.plan_file import moved
from rollback.core.rollout_status import Limits
from rollback.errors import BadInput, Partly, RecordError, Refused, RollbackError
from rollback.execution import outcome as outcomes
from rollback.execution.executor import Execution, execute, put_back
from rollback.execution.outcome import Outcome
from rollback.execution.policy import Clock, Policy
from rollback.output import incident_report, report, slack_client
from rollback.output.progress import Progress, stamp
from rollback.state import record, undo_plan
from rollback.state.journal import Journal
from rollback.state.lock import FileLock, Lock, MarkerLock
from rollback.state.record import Captured, Header
from rollback.state.state_store import marker_id
from rollback.system.files import write_whole
from rollback.targets.base import Target
from rollback.workflow import context
from rollback.workflow.context import Given
from rollback.workflow.post_run import freeze_s, remains, remember
from rollback.workflow.run_request import RunRequest
from rollback.workflow.signals import stoppable

log = logging.getLogger(__name__)

PAGE = "report.md"


def policy(options: Given, config: Settings) -> Policy:
    """How a run goes about it: flags before settings.

    Raises:
        BadInput: `--on-failure` or `--timeout` has no such value.
    """
    chosen = config.run.on_failure
    if options.get("--on-failure"):
        try:
            chosen = OnFailure(options["--on-failure"])
        except ValueError:
            raise BadInput(
                f"--on-failure: {options['--on-failure']!r:.40} is not one",
                hint=f"use one of: {', '.join(choice.value for choice in OnFailure)}",
            ) from None
    return Policy(
        Limits(_timeout(options, config), config.run.settle_s), config.run.parallel, chosen, config.run.poll_s
    )


def _timeout(options: Given, config: Settings) -> float:
    text = options.get("--timeout")
    if not text:
        return config.run.timeout_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 1 <= seconds <= 86_400:
        raise BadInput(
            f"--timeout: {text!r:.40} is not a number of seconds from 1 to 86400", hint="write --timeout=600"
        )
    return seconds


def perform(order: RunRequest, target: Target, progress: Progress) -> Outcome:
    """Do it, and tell how it ended.

    Raises:
        Refused: somebody else rolls this environment back at the moment.
        RecordError: the record cannot be written; nothing was changed.
        Partly: it broke off after the first write.
    """
    began = time.monotonic()
    plan, options = order.plan, order.options
    how = policy(options, order.config)
    freeze_s(order)
    header = _header(order, how.on_failure)
    undo = _undo_command(order, header.run)
    with _locked(order, target, header) as locks, stoppable(locks) as clock:
        captured = _captured(plan, target)
        journal = Journal(context.dump_folder(options), header, captured, stamp)
        try:
            _announce(order, header, progress)
            execution = _execute(order, target, how, clock, journal, captured, progress)
            ended = outcomes.conclude(
                plan,
                execution,
                on_failure=how.on_failure,
                took_s=time.monotonic() - began,
                run=header.run,
                undo=undo,
            )
            ended = replace(ended, remains=remains(order, execution, target))
            _close(journal, ended, execution)
        except RecordError:  # told before the first write is sent, and never after it
            raise
        except Exception as error:
            if not journal.began_writing:
                raise
            raise Partly(
                f"the {order.kind} {header.run} broke off, and some services may be changed",
                why=f"a mistake in this program: {type(error).__name__}: {error}",
                hint=f"look with `rollback history --run={header.run}`, then put back what it changed: {undo}",
            ) from error
        finally:
            journal.close()
        _write_page(journal.path, context.dump_folder(options))
        remember(order, header, execution, target)
        slack_client.ended(
            order.slack, _what(order), ended, header
        )  # a signal meanwhile does not make the outcome untrue
    return ended


def _execute(
    order: RunRequest,
    target: Target,
    how: Policy,
    clock: Clock,
    journal: Journal,
    captured: list[Captured],
    progress: Progress,
) -> Execution:
    changes = order.plan.changes
    if order.undoes is None:
        ready = {before.app.id: before.ready for before in captured}
        return execute(changes, target, policy=how, clock=clock, journal=journal, was_ready=ready, look=progress.look)
    past = order.undoes
    return put_back(
        changes,
        target,
        ours={change.app.id: past.sent[change.app.id] | {change.app.image} for change in changes},
        policy=how,
        clock=clock,
        journal=journal,
        was_ready={app_id: before.ready for app_id, before in past.captured.items()},
        look=progress.look,
        is_ours=lambda held: undo_plan.is_of(past, order.plan, held),
    )


@contextmanager
def _locked(order: RunRequest, target: Target, header: Header) -> Iterator[list[Lock]]:
    env, holder, steal = order.plan.env.name, _holder(header), bool(order.options["--steal-lock"])
    locks: list[Lock] = [FileLock(context.state_folder(), env, target.name, holder, steal=steal)]
    try:
        if order.config.shared_state is SharedState.TARGET:
            marker = marker_id([change.app.id for change in order.plan.changes], env, "rollback-lock")
            locks.append(MarkerLock(context.markers(target), marker, env, holder, steal=steal))
        yield locks
    finally:
        for lock in reversed(locks):
            lock.release()


def report_nothing_to_do(order: RunRequest, target: Target, took_s: float) -> Outcome:
    """The outcome of a plan without changes.

    Raises:
        Refused: somebody else rolls this environment back at the moment, so that nobody knows what it comes to.
    """
    holder = _holder(_header(order, policy(order.options, order.config).on_failure))
    FileLock(context.state_folder(), order.plan.env.name, target.name, holder).release()
    ended = outcomes.nothing_to_do(order.plan, took_s)
    slack_client.ended(order.slack, _what(order), ended)
    return ended


def _captured(plan: Plan, target: Target) -> list[Captured]:
    """What runs right now, unless it is not what the plan was made for: a person may have read it for a while.

    Raises:
        Refused: somebody has changed an app since.
    """
    steps = [step for step in plan.steps if step.action is Action.CHANGE and step.app]
    statuses = target.status([step.app.id for step in steps if step.app])
    reasons = [
        reason for step in steps if step.app for reason in moved(step, _as_seen(step.app, statuses.get(step.app.id)))
    ]
    if reasons:
        raise Refused(reasons)
    return [Captured(step.app, _is_up(statuses.get(step.app.id)), step.captured) for step in steps if step.app]


def _as_seen(app: App, status: Status | None) -> App | None:
    return replace(app, image=status.image, version=status.version) if status else None


def _is_up(status: Status | None) -> bool:
    return status is not None and status.ready >= status.instances


def _write_page(path: Path, folder: Path) -> None:
    """The page for the incident, beside rollback.json; the record itself is what counts."""
    try:
        write_whole(folder / PAGE, incident_report.markdown(record.read(path)))
    except RollbackError as error:
        log.warning("%s: %s", error.what, error.why)


def _close(journal: Journal, ended: Outcome, execution: Execution) -> None:
    try:
        journal.ended(
            **report.outcome_json(ended),
            versions={app_id: watch.version for app_id, watch in execution.forward.items()},
        )
    except RecordError as error:
        log.warning("%s: %s", error.what, error.why)


def _announce(order: RunRequest, header: Header, progress: Progress) -> None:
    progress.say(f"{order.kind} {header.run}: {len(order.plan.changes)} to change on {order.plan.target}")
    slack_client.started(order.slack, header, order.plan)
    progress.begin(order.plan)


def _what(order: RunRequest) -> str:
    plan = order.plan
    return f"{order.kind} of {plan.env.name} to {plan.as_of}" if order.kind == "run" else f"undo of {plan.as_of}"


def _header(order: RunRequest, on_failure: OnFailure) -> Header:
    now = datetime.now(timezone.utc)
    options = order.options
    return Header(
        run=record.new_run(now, order.plan.env.name),
        kind=order.kind,
        env=order.plan.env.name,
        target=order.plan.target,
        as_of=order.plan.as_of,
        by=context.who(options),
        at=stamp(),
        on_failure=on_failure.value,
        reason=options.get("--reason") or "",
        incident=options.get("--incident") or "",
        link=os.environ.get("BUILD_URL", ""),
        place=f"{platform.node()}, process {os.getpid()}",
        steps=tuple(report.step_json(step) for step in order.plan.steps),
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


def _undo_command(order: RunRequest, run: str) -> str:
    """The command that undoes this run, from the same place; never with a secret."""
    options = order.options
    words = ["rollback", "undo", f"--run={run}"]
    for name in ("--dump", "--config", "--target"):
        value = options.get(name)
        if value and not (name == "--dump" and value == "."):
            words.append(f"{name}={value}")
    if options.get("--user"):
        words += [f"--user={options['--user']}", "--pwd=-"]
    return shlex.join(words)
