"""The dates that a user can choose from at a terminal, numbered, each with what it would change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from rollback.core.plain_text import sanitize
from rollback.core.plan import Action, Plan, Step
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import short

_WIDEST = 80  # columns, where nothing says how wide the terminal is


def date_list(offers: Sequence[tuple[date, Plan]], surface: TerminalInfo) -> str:
    """A line per date.

    Args:
        offers: dates, each with the plan that leads there.
        surface: where it is shown; what does not fit is cut at its end.
    """
    width = (surface.width or _WIDEST) - 1
    lines = []
    for number, (day, plan) in enumerate(offers, start=1):
        changes = [_change(step, surface) for step in plan.steps if step.action is Action.CHANGE]
        stays = f"; {plan.count(Action.STAYS)} stay" if plan.count(Action.STAYS) else ""
        text = f"{len(changes)} to change{stays}: {', '.join(changes)}" if changes else f"nothing to change{stays}"
        lines.append(surface.fit(f"  {number:>2}  {day}  {text}", width))
    return "\n".join(lines) + "\n"


def _change(step: Step, surface: TerminalInfo) -> str:
    return sanitize(f"{step.service} {short(step.before, surface)} {surface.arrow} {short(step.after, surface)}")
