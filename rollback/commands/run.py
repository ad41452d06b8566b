"""`rollback run`: history → selection → plan → deploy → record → report."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.commands.plan import plan_request
from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core import plan_file
from rollback.core.plan import OnFailure
from rollback.core.plan_file import Approved
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.system import files
from rollback.workflow import context, planning
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
            prepared = planning.prepare_approved(approved, config, request.dump, owners, target)
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
    wanted = plan_request(options, config)
    history = planning.read_history(wanted, datetime.now(timezone.utc))
    target = context.target(config, access, wanted.env.name)
    try:
        return carry_out(request, planning.prepare(wanted, history, target), target, progress, began=began)
    finally:
        target.close()


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
        undo_options=undo_options(options),
        undo_template=context.undo_template(),
    )


def undo_options(options: dict[str, Any]) -> tuple[str, ...]:
    """The options that an undo from the same place needs; never a secret."""
    words = [f"--dump={options['--dump']}"] if options["--dump"] != "." else []
    words += [f"{name}={options[name]}" for name in ("--config", "--target", "--accept-owner") if options[name]]
    if options["--user"]:
        words += [f"--user={options['--user']}", "--pwd=-"]
    return tuple(words)


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
