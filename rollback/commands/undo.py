"""`rollback undo`: put back what a run changed, to what its record captured."""

from __future__ import annotations

import time

from rollback.config import option_values
from rollback.core import preflight
from rollback.errors import Reason, Refused
from rollback.output.progress import Progress
from rollback.state import record, undo_plan
from rollback.state.record import Record
from rollback.workflow import context
from rollback.workflow.carry_out import carry_out
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Given
from rollback.workflow.planning import PreparedPlan
from rollback.workflow.run_request import RunRequest
from rollback.workflow.runner import policy


def main(options: Given, progress: Progress) -> CommandResult:
    """Put back what a run changed."""
    began = time.monotonic()
    config = context.load_settings(options)
    policy(options, config)
    known = context.secrets(options, config)
    env = context.environment(options, config).name if options["--env"] else None
    past = record.find(context.dump_folder(options), options["--run"], env)
    if past.header.kind == "undo" and not options["--run"]:
        raise Refused([_undone_already(past)])
    accepted = option_values.names(options["--accept-moved"])
    target = context.target(config, options, known.password)
    try:
        target.login()  # first, since it may tell the address that the record has
        if target.name != past.header.target:
            raise Refused([_elsewhere(past.header.target, target.name)])
        made = undo_plan.build(past, target.apps(), config.environment(past.header.env), accepted)
        foreign = [held for held in target.deployments() if not undo_plan.is_of(past, made, held)]
        reasons = (*made.reasons, *preflight.of_locks(made, foreign, record.begun(context.dump_folder(options))))
        prepared = PreparedPlan(made, reasons)
        return carry_out(
            RunRequest("undo", made, options, config, known.slack, past),
            prepared,
            target,
            progress,
            what=f"undo of {past.header.run}",
            question=f"Put {len(made.changes)} services back?",
            began=began,
        )
    finally:
        target.close()


def _undone_already(past: Record) -> Reason:
    """Pressed twice, an undo must not bring back what was just taken back."""
    return Reason(
        "the last thing that was done here is an undo",
        why=f"{past.header.run} undid {past.header.as_of}, and ended as "
        f"{past.outcome.get('verdict', 'nobody knows: it was cut off')}",
        hint=f"to go on with it: rollback undo --run={past.header.as_of}; "
        f"to take it back: rollback undo --run={past.header.run}",
    )


def _elsewhere(then: str, now: str) -> Reason:
    return Reason(
        "this run was made on another target",
        why=f"then {then}, now {now}",
        hint="name that target with --target, or its address in the settings",
    )
