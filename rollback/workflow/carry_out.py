"""From a prepared plan to the result: show it, refuse or ask, perform, report; `run` and `undo` share it."""

from __future__ import annotations

import sys
import time

from rollback.config.settings import Settings
from rollback.errors import Refused
from rollback.output import notify, report
from rollback.output.progress import Progress
from rollback.output.surface import Surface
from rollback.targets.base import Target
from rollback.workflow import gather, prepare
from rollback.workflow.gather import Given
from rollback.workflow.order import Order
from rollback.workflow.perform import perform, policy, tell_nothing
from rollback.workflow.prepare import Prepared
from rollback.workflow.result import Result, as_asked


def carry_out(
    order: Order, prepared: Prepared, target: Target, progress: Progress, *, what: str, question: str, began: float
) -> Result:
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
    sys.stderr.write(screen(options, order.config, prepared, Surface.of(sys.stderr)) + "\n")
    if prepared.reasons:
        notify.refused(order.slack, what, prepared.reasons)
        raise Refused(prepared.reasons)
    if order.plan.changes:
        gather.consent(options, question, needed=order.undoes is not None)
        ended = perform(order, target, progress)
    else:
        ended = tell_nothing(order, target, time.monotonic() - began)
    text = report.outcome_text(ended, surface=Surface.of(sys.stdout))
    return as_asked(options, text, report.outcome_json(ended), ended.code)


def shown(options: Given, config: Settings, prepared: Prepared) -> Result:
    """The plan as a result; the exit code says whether it could be run."""
    data = report.plan_json(prepared.plan, prepared.reasons)
    text = screen(options, config, prepared, Surface.of(sys.stdout))
    if not prepared.reasons:
        return as_asked(options, text, data)
    for reason in prepared.reasons:
        sys.stderr.write(f"rollback: {report.reason_text(reason)}\n")
    return as_asked(options, f"{text}\nREFUSED: {count(prepared)}\n", data, Refused.exit_code)


def screen(options: Given, config: Settings, prepared: Prepared, surface: Surface) -> str:
    """The plan as a person reads it."""
    how = policy(options, config)
    footer = prepare.policy_text(how.on_failure, how.limits.timeout_s) if prepared.plan.changes else ""
    return report.plan_text(prepared.plan, surface=surface, footer=footer)


def count(prepared: Prepared) -> str:
    """How many reasons there are."""
    number = len(prepared.reasons)
    return f"{number} reason{'s' if number > 1 else ''} not to run this plan"
