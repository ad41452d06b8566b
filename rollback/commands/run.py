"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from rollback import notify, planfile, report
from rollback.commands import gather, prepare
from rollback.commands.gather import Given
from rollback.commands.order import Order
from rollback.commands.perform import perform, policy, tell_nothing
from rollback.commands.plan import screen, shown
from rollback.commands.prepare import Wanted
from rollback.commands.result import Result, as_asked
from rollback.errors import BadInput, Refused
from rollback.plan import Action
from rollback.planfile import Approved
from rollback.progress import Progress
from rollback.screens.surface import Surface


def main(options: Given, progress: Progress) -> Result:
    """Put every service back to its image of the date, or to that of an approved plan."""
    began = time.monotonic()
    config = gather.load_settings(options)
    policy(options, config)
    known = gather.secrets(options, config)
    wanted: Wanted | Approved
    if options["--plan"]:
        wanted = _approved(options["--plan"])
        options = {**options, "--on-failure": wanted.on_failure, "--timeout": f"{wanted.timeout_s:g}"}
    else:
        wanted = prepare.read(options, config, datetime.now(timezone.utc))
    target = gather.target(config, options, known.password)
    try:
        prepared = prepare.prepare(wanted, target=target, config=config, options=options)
        if options["--dry-run"]:
            return shown(options, config, prepared)
        sys.stderr.write(screen(options, config, prepared, Surface.of(sys.stderr)) + "\n")
        plan = prepared.plan
        if prepared.reasons:
            notify.refused(known.slack, f"run of {plan.env.name} to {plan.as_of}", prepared.reasons)
            raise Refused(prepared.reasons)
        order = Order("run", plan, options, config, known.slack)
        if plan.changes:
            gather.consent(options, f"Change {plan.count(Action.CHANGE)} services of {plan.env.name}?", needed=False)
            ended = perform(order, target, progress)
        else:
            ended = tell_nothing(order, target, time.monotonic() - began)
    finally:
        target.close()
    text = report.outcome_text(ended, surface=Surface.of(sys.stdout))
    return as_asked(options, text, report.outcome_json(ended), ended.code)


def _approved(name: str) -> Approved:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"the plan {name} cannot be read",
            why=getattr(error, "strerror", None) or str(error),
            hint="make it with `rollback plan --out`",
        ) from error
    return planfile.loads(text, name)
