"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from rollback.core import plan_file
from rollback.core.plan import Action
from rollback.core.plan_file import Approved
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.workflow import context, planning
from rollback.workflow.carry_out import carry_out
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Given
from rollback.workflow.planning import PlanInputs
from rollback.workflow.run_request import RunRequest
from rollback.workflow.runner import policy


def main(options: Given, progress: Progress) -> CommandResult:
    """Put every service back to its image of the date, or to that of an approved plan."""
    began = time.monotonic()
    config = context.load_settings(options)
    policy(options, config)
    known = context.secrets(options, config)
    wanted: PlanInputs | Approved
    if options["--plan"]:
        wanted = _approved(options["--plan"])
        options = {**options, "--on-failure": wanted.on_failure, "--timeout": f"{wanted.timeout_s:g}"}
    else:
        wanted = planning.read(options, config, datetime.now(timezone.utc))
    target = context.target(config, options, known.password)
    try:
        prepared = planning.prepare(wanted, target=target, config=config, options=options)
        plan = prepared.plan
        return carry_out(
            RunRequest("run", plan, options, config, known.slack),
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
    return plan_file.loads(text, name)
