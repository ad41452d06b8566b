"""From a prepared plan to the result: show it, refuse or ask, perform, report; `run` and `undo` share it."""

from __future__ import annotations

import sys
import time

from rollback.config.settings import Settings
from rollback.errors import Refused
from rollback.output import report, slack_client
from rollback.output.progress import Progress
from rollback.output.terminal import TerminalInfo
from rollback.targets.base import Target
from rollback.workflow import context, planning
from rollback.workflow.command_result import CommandResult, as_asked
from rollback.workflow.context import Given
from rollback.workflow.planning import PreparedPlan
from rollback.workflow.run_request import RunRequest
from rollback.workflow.runner import perform, policy, report_nothing_to_do


def carry_out(
    order: RunRequest,
    prepared: PreparedPlan,
    target: Target,
    progress: Progress,
    *,
    what: str,
    question: str,
    began: float,
) -> CommandResult:
    """Do what was prepared, if nothing and nobody stands against it.

    Args:
        order: what is to be performed.
        prepared: its plan, and every reason against it.
        target: where.
        progress: told meanwhile.
        what: what it is, for whoever is told that it was refused: `run of prod to 2026-11-20`.
        question: what a person on a terminal is asked.
        began: when the command began, in seconds of the monotonic clock.

    Raises:
        Refused: there are reasons against it, or a person says no.
    """
    options = order.options
    if options["--dry-run"]:
        return shown(options, order.config, prepared)
    sys.stderr.write(screen(options, order.config, prepared, TerminalInfo.of(sys.stderr)) + "\n")
    if prepared.reasons:
        slack_client.refused(order.slack, what, prepared.reasons)
        raise Refused(prepared.reasons)
    if order.plan.changes:
        context.consent(options, question, needed=order.undoes is not None)
        ended = perform(order, target, progress)
    else:
        ended = report_nothing_to_do(order, target, time.monotonic() - began)
    text = report.outcome_text(ended, surface=TerminalInfo.of(sys.stdout))
    return as_asked(options, text, report.outcome_json(ended), ended.code)


def shown(options: Given, config: Settings, prepared: PreparedPlan) -> CommandResult:
    """The plan as a result; the exit code says whether it could be run."""
    data = report.plan_json(prepared.plan, prepared.reasons)
    text = screen(options, config, prepared, TerminalInfo.of(sys.stdout))
    if not prepared.reasons:
        return as_asked(options, text, data)
    for reason in prepared.reasons:
        sys.stderr.write(f"rollback: {report.reason_text(reason)}\n")
    return as_asked(options, f"{text}\nREFUSED: {count(prepared)}\n", data, Refused.exit_code)


def screen(options: Given, config: Settings, prepared: PreparedPlan, surface: TerminalInfo) -> str:
    """The plan as a person reads it."""
    how = policy(options, config)
    footer = planning.policy_text(how.on_failure, how.limits.timeout_s) if prepared.plan.changes else ""
    return report.plan_text(prepared.plan, surface=surface, footer=footer)


def count(prepared: PreparedPlan) -> str:
    """How many reasons there are."""
    number = len(prepared.reasons)
    return f"{number} reason{'s' if number > 1 else ''} not to run this plan"
