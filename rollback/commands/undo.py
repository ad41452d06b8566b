"""`rollback undo`: put back what a run changed, to what its record captured."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.commands.plan import command_lines
from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core.plan import OnFailure
from rollback.core.rollout_status import LOST_S
from rollback.errors import BadInput, Reason, Refused
from rollback.output.progress import Progress
from rollback.state import record, undo_choice
from rollback.state.record import Record
from rollback.state.undo_plan import UndoRules
from rollback.targets.base import Target
from rollback.workflow import context, known_environments, planning
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Access
from rollback.workflow.run_request import RunRequest, policy
from rollback.workflow.runner import carry_out

log = logging.getLogger(__name__)


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Put back what a run changed."""
    began = time.monotonic()
    config = context.load_settings(options["--config"], target=options["--target"])
    # An undo is the way back itself: there is nothing to which it could go back when an app does not come up.
    how = policy(config, on_failure=OnFailure.KEEP, timeout_s=option_values.timeout_s(options["--timeout"]))
    access = context.access(
        config,
        user=options["--user"],
        password=options["--pwd"],
        password_file=options["--pwd-file"],
        slack=options["--slack"],
        ask=not options["--yes"],
    )
    dump = option_values.folder_of_records(options["--dump"])
    env = _environment(options["--env"], config, dump, access) if options["--env"] else None
    run = options["--run"] or options["<id>"]
    past = _chosen(dump, run, env)
    rules = UndoRules(
        accepted=option_values.names(options["--accept-moved"]),
        only=option_values.names(options["--only"]),
        skip=option_values.names(options["--skip"]),
        unanswered=undo_choice.unanswered(past, datetime.now(timezone.utc), LOST_S),
    )
    owners = context.accepted_owners(config, option_values.names(options["--accept-owner"]))
    request = RunRequest(
        kind="undo",
        config=config,
        dump=dump,
        policy=how,
        slack=access.slack,
        by=context.user_name(options["--by"]),
        reason=options["--reason"] or "",
        incident=options["--incident"] or "",
        freeze_s=config.run.freeze_s,
        steal_lock=bool(options["--steal-lock"]),
        dry_run=bool(options["--dry-run"]),
        yes=bool(options["--yes"]),
        commands=command_lines(options),
        undoes=past,
        unanswered=rules.unanswered,
    )
    if past.header.kind == "undo" and not run:
        raise Refused([_undone_already(past, request)])
    target = context.target(config, access, past.header.env)
    try:
        target.login()  # first, since it may reveal the address that the record has
        _require_same_target(past, target)
        prepared = planning.prepare_undo(past, config, dump, rules, owners, target, request.commands)
        return carry_out(request, prepared, target, progress, began=began)
    finally:
        target.close()


def _environment(name: str, config: Settings, dump: Path, access: Access) -> str:
    """The deployment name of the environment whose run is undone.

    Raises:
        BadInput: it is not configured, and nothing uses it.
    """
    env = context.environment(name, config)
    recorded = {past.header.env for past in record.readable(dump)}
    if not config.knows(env.name) and env.name not in recorded and not known_environments.built(dump, env, config):
        known_environments.apps_of(env, config, access, known_environments.IN_THE_FOLDER, recorded)
    return env.name


def _chosen(dump: Path, run: str | None, env: str | None) -> Record:
    """The run that is undone: the named one, or the newest one that left something changed."""
    if run:
        found = record.find(dump, run)
        if env and found.header.env != env:
            raise BadInput(
                f"the run {run} is of {found.header.env}, not of {env}", hint="correct --env, or leave it out"
            )
        return found
    choice = undo_choice.choose(record.readable(dump), dump, env)
    for other in choice.passed_over:
        log.warning("passed over %s: its writes were all refused or put back", other.header.run)
    return choice.record


def _undone_already(past: Record, request: RunRequest) -> Reason:
    """Pressed twice, an undo must not bring back what was just undone."""
    return Reason(
        "the last thing that was done here is an undo",
        why=f"{past.header.run} undid {past.header.as_of}, and ended as "
        f"{past.outcome.get('verdict', 'nobody knows: it was cut off')}",
        hint=f"to go on with it: {request.commands.undo(past.header.as_of)}; "
        f"to take it back: {request.commands.undo(past.header.run)}",
    )


def _require_same_target(past: Record, target: Target) -> None:
    """Make sure that this is the cluster of a run; by its address, if the record is one of version 0.1.

    Raises:
        Refused: it is another one.
    """
    header, identity = past.header, target.identity() if past.header.identity else ""
    if header.identity == identity and (identity or header.target == target.name):
        return
    then, now = header.target, target.name
    if identity:
        then, now = f"{then} ({header.identity})", f"{now} ({identity})"
    raise Refused(
        [
            Reason(
                "this run was made on another target",
                why=f"then {then}, now {now}",
                hint="name that target with --target, or its address in the settings",
            )
        ]
    )
