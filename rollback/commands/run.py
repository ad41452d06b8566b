"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.commands.plan import command_lines, plan_request
from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core import history_file, plan_file
from rollback.core.history import History
from rollback.core.plan import OnFailure
from rollback.core.plan_file import Approved
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.system import files
from rollback.workflow import context, date_choice, known_environments, planning, prompt
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Access
from rollback.workflow.run_request import RunRequest, policy
from rollback.workflow.runner import carry_out


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Change every service to its image of the date, or to that of an approved plan."""
    began = time.monotonic()
    config = context.load_settings(options["--config"], registry=options["--registry"], target=options["--target"])
    access = context.access(
        config,
        user=options["--user"],
        password=options["--pwd"],
        password_file=options["--pwd-file"],
        slack=options["--slack"],
        ask=not options["--yes"],
    )
    if options["--plan"]:
        approved = _approved(options["--plan"])
        request = _request(options, config, access, OnFailure(approved.on_failure), approved.timeout_s)
        target = context.target(config, access, approved.plan.env.name)
        try:
            owners = context.accepted_owners(config, option_values.names(options["--accept-owner"]))
            prepared = planning.prepare_approved(approved, config, request.dump, owners, target, request.commands)
            return carry_out(request, prepared, target, progress, began=began)
        finally:
            target.close()
    request = _request(
        options,
        config,
        access,
        option_values.on_failure(options["--on-failure"]),
        option_values.timeout_s(options["--timeout"]),
    )
    if not options["--date"]:
        return _with_chosen_date(options, config, access, request, progress)
    wanted = plan_request(options, config)
    history = planning.read_history(wanted, datetime.now(timezone.utc), access)
    target = context.target(config, access, wanted.env.name)
    try:
        return carry_out(request, planning.prepare(wanted, history, target), target, progress, began=began)
    finally:
        target.close()


def _with_chosen_date(
    options: dict[str, Any], config: Settings, access: Access, request: RunRequest, progress: Progress
) -> CommandResult:
    """Let the user choose the date first; the time that this takes is not the run's.

    Raises:
        BadInput: there is no terminal for the question, or no history to choose from.
    """
    if request.yes or not prompt.on_terminal():
        raise BadInput(
            "--date is missing",
            why="write --date=<d>: a date that `rollback get` showed"
            + ("" if request.yes else ", or use a terminal"),
            hint="rollback run --help",
        )
    env = context.environment(options["--env"], config)
    history = _history(options, config, request.dump, progress)
    known_environments.require_for_history(history, env, config, request.dump, access)
    target = context.target(config, access, env.name)
    try:
        only, skip = option_values.names(options["--only"]), option_values.names(options["--skip"])
        day = date_choice.choose(history, env, config, target, only=only, skip=skip)
        began = time.monotonic()
        wanted = plan_request({**options, "--date": day}, config)
        history = planning.read_history(wanted, datetime.now(timezone.utc), access)
        return carry_out(request, planning.prepare(wanted, history, target), target, progress, began=began)
    finally:
        target.close()


def _history(options: dict[str, Any], config: Settings, dump: Path, progress: Progress) -> History:
    """The history of the dump folder; made where there is none and the settings name the repositories."""
    if not os.path.lexists(dump / history_file.FILE):
        if not config.repos:
            raise BadInput(
                "--date is missing, and there is no history to choose one from",
                why=f"{dump / history_file.FILE} is not there, and the settings name no repositories (repos:)",
                hint=command_lines(options).get("<r>", options["--env"]),
            )
        from rollback.commands import get

        get.main({**get.DEFAULTS, **options}, progress)
    return context.read_history(dump)


def _request(
    options: dict[str, Any],
    config: Settings,
    access: Access,
    on_failure: OnFailure | None,
    timeout_s: float | None,
) -> RunRequest:
    freeze = options["--freeze"]
    freeze_s = option_values.duration(freeze, "--freeze") if freeze else config.run.freeze_s
    return RunRequest(
        kind="run",
        config=config,
        dump=option_values.folder(options["--dump"]),
        policy=policy(config, on_failure=on_failure, timeout_s=timeout_s),
        slack=access.slack,
        by=context.user_name(options["--by"]),
        reason=options["--reason"] or "",
        incident=options["--incident"] or "",
        freeze_s=0.0 if options["--no-freeze"] else freeze_s,
        steal_lock=bool(options["--steal-lock"]),
        dry_run=bool(options["--dry-run"]),
        yes=bool(options["--yes"]),
        commands=command_lines(options),
    )


def _approved(name: str) -> Approved:
    try:
        text = files.read_text(Path(name))
    except OSError as error:
        raise BadInput(
            f"the plan {name} cannot be read",
            why=files.why(error),
            hint="make it with `rollback plan --out`",
        ) from error
    return plan_file.loads(text, name)
