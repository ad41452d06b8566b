"""From a prepared plan to the result: show it, refuse or ask, perform, report; `run` and `undo` share it."""

from __future__ import annotations

import sys
import time

from rollback import notify, report
from rollback.commands import gather
from rollback.commands.order import Order
from rollback.commands.perform import perform, tell_nothing
from rollback.commands.plan import screen, shown
from rollback.commands.prepare import Prepared
from rollback.commands.result import Result, as_asked
from rollback.errors import Refused
from rollback.progress import Progress
from rollback.screens.surface import Surface
from rollback.targets.base import Target


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
