"""The date to which a run goes back, chosen by the user at a terminal."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timezone

from rollback.config.settings import Settings
from rollback.core import image_selection, preflight
from rollback.core import plan as plans
from rollback.core.history import History, zone
from rollback.core.image_selection import AsOf, parse_as_of
from rollback.core.plan import Environment
from rollback.errors import BadInput, Declined, Refused
from rollback.output.date_list import date_list
from rollback.output.terminal import TerminalInfo
from rollback.targets.base import Target
from rollback.workflow import context, planning, prompt

_BESIDES = 6  # lines of a screen that the question and its answer need


def choose(
    history: History,
    env: Environment,
    config: Settings,
    target: Target,
    *,
    only: frozenset[str] = frozenset(),
    skip: frozenset[str] = frozenset(),
) -> str:
    """Show the newest dates, each with what it would change now, and let the user choose.

    Args:
        history: what there was.
        env: the environment.
        config: the settings.
        target: what runs the services.
        only: services to which the run is narrowed; empty for all.
        skip: services that are left out.

    Returns:
        The date, or what the user typed instead of a number: the value of `--date`.

    Raises:
        BadInput: the history offers no date.
        Declined: the user chooses none.
        Refused: the history is of another environment, or the login is not accepted.
    """
    reasons = preflight.of_history(history, env, config.tags(env))
    if reasons:
        raise Refused(reasons)
    if not history.dates:
        raise BadInput("this history offers no date", hint="make another one with `rollback get`")
    planning.log_in(target)
    apps = target.apps(env.name)
    rules = context.rules(config, history.registry, only=only, skip=skip)
    surface = TerminalInfo.of(sys.stderr)
    days = history.dates[: max(surface.height - _BESIDES, 1)]
    offers = [
        (day, plans.build(image_selection.select(history, AsOf(str(day), day)), apps, env, target.name, rules))
        for day in days
    ]
    more = f" ({len(history.dates) - len(days)} older dates can be typed)" if len(days) < len(history.dates) else ""
    sys.stderr.write(f"{env.name} can go back to{more}:\n\n{date_list(offers, surface)}\n")

    def read(answer: str) -> str:
        if not answer:
            raise Declined
        if not re.fullmatch(r"\d{1,3}", answer, re.ASCII):
            return _offered(answer, history, config)
        if not 1 <= int(answer) <= len(days):
            raise BadInput(f"there is no number {answer}", hint=f"type 1 to {len(days)}, or a date")
        return str(days[int(answer) - 1])

    return prompt.value("Which one (a number or a date; Enter to stop)?", read)


def _offered(answer: str, history: History, config: Settings) -> str:
    """An answer that is no number: a date or a moment of the history, as `--date` takes it.

    Raises:
        BadInput: it is none.
    """
    now = datetime.now(timezone.utc)
    try:
        image_selection.select(history, parse_as_of(answer, now, zone(config.timezone), history.dates))
    except (BadInput, Refused) as error:
        raise BadInput(error.what.removeprefix("--date: "), hint=error.hint) from error
    return answer
