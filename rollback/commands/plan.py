"""`rollback plan`: what `run` would do, changing nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core import plan_file
from rollback.core.command_lines import CommandLines
from rollback.output.progress import Progress, stamp
from rollback.system.files import write_whole
from rollback.workflow import context, planning
from rollback.workflow.command_result import CommandResult
from rollback.workflow.run_request import PlanRequest, RunRequest, policy
from rollback.workflow.runner import plan_result


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Show the plan and every reason against it; with `--out`, write it to a file that `run --plan` takes."""
    config = context.load_settings(options["--config"], registry=options["--registry"], target=options["--target"])
    how = policy(
        config,
        on_failure=option_values.on_failure(options["--on-failure"]),
        timeout_s=option_values.timeout_s(options["--timeout"]),
    )
    access = context.access(
        config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
    )
    wanted = plan_request(options, config)
    out = option_values.new_file(options["--out"], "--out") if options["--out"] else None
    history = planning.read_history(wanted, datetime.now(timezone.utc), access)
    target = context.target(config, access, wanted.env.name)
    try:
        prepared = planning.prepare(wanted, history, target)
        identity = target.identity() if out and not prepared.reasons else ""
    finally:
        target.close()
    result = plan_result(prepared, RunRequest("plan", config, wanted.dump, how, access.slack, "", dry_run=True))
    if out and result.code == 0:
        text = plan_file.dumps(
            prepared.plan,
            identity=identity,
            registry=prepared.registry,
            made=stamp(),
            on_failure=how.on_failure.value,
            timeout_s=how.limits.timeout_s,
        )
        write_whole(out, text)
        progress.say(f"wrote {out}; to carry it out: {wanted.commands.run_plan(options['--out'])}")
    return result


def plan_request(options: dict[str, Any], config: Settings) -> PlanRequest:
    """What `plan` and `run` read of a date and its environment.

    Raises:
        BadInput: a value cannot be read.
    """
    age = options["--max-age"]
    dump = option_values.folder(options["--dump"])
    return PlanRequest(
        config=config,
        dump=dump,
        env=context.environment(options["--env"], config),
        as_of=context.as_of(options["--date"], config, dump),
        max_age_s=option_values.duration(age, "--max-age") if age else config.run.max_age_s,
        only=option_values.names(options["--only"]),
        skip=option_values.names(options["--skip"]),
        strict=bool(options["--strict"]),
        accepted_owners=context.accepted_owners(config, option_values.names(options["--accept-owner"])),
        commands=command_lines(options),
    )


def command_lines(options: dict[str, Any]) -> CommandLines:
    """What users of `get`, `plan`, `run`, `undo` and `doctor` are shown to type next; not all have all of these."""
    return context.command_lines(
        dump=options["--dump"],
        config=options["--config"],
        target=options["--target"],
        registry=options.get("--registry"),
        owners=options.get("--accept-owner"),
        user=options["--user"],
    )
