"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from rollback.core import planfile
from rollback.core.plan import Action
from rollback.core.planfile import Approved
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.workflow import gather, prepare
from rollback.workflow.carry_out import carry_out
from rollback.workflow.gather import Given
from rollback.workflow.order import Order
from rollback.workflow.perform import policy
from rollback.workflow.prepare import Wanted
from rollback.workflow.result import Result


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
        plan = prepared.plan
        return carry_out(
            Order("run", plan, options, config, known.slack),
            prepared,
            target,
            progress,
            what=f"run of {plan.env.name} to {plan.as_of}",
            question=f"Change {plan.count(Action.CHANGE)} services of {plan.env.name}?",
            began=began,
        )
    finally:
        target.close()


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
