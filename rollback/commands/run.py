"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import sys
import time

from rollback import report
from rollback.commands import gather, prepare
from rollback.commands.gather import Given
from rollback.commands.perform import Order, perform, policy, tell_nothing
from rollback.commands.plan import screen, shown
from rollback.commands.result import Result, as_asked
from rollback.errors import Refused
from rollback.progress import Progress


def main(options: Given, progress: Progress) -> Result:
    """Put every service back to its image of the date."""
    began = time.monotonic()
    config = gather.load_settings(options)
    policy(options, config)
    known = gather.secrets(options, config)
    history, env, as_of = prepare.read(options, config)
    target = gather.target(config, options, known.password)
    try:
        prepared = prepare.prepare(history, env, as_of, target=target, config=config, options=options)
        if options["--dry-run"]:
            return shown(options, config, prepared)
        sys.stderr.write(screen(options, config, prepared) + "\n")
        if prepared.reasons:
            raise Refused(prepared.reasons)
        order = Order("run", prepared.plan, options, config, known.slack)
        if prepared.plan.changes:
            gather.consent(options, f"Change {len(prepared.plan.changes)} services of {env.name}?", needed=False)
            ended = perform(order, target, progress)
        else:
            ended = tell_nothing(order, time.monotonic() - began)
    finally:
        target.close()
    return as_asked(options, report.outcome_text(ended, arrow=report.arrow()), report.outcome_json(ended), ended.code)
