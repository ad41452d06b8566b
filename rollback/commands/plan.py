"""`rollback plan`: what `run` would do, changing nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from rollback.core import plan_file
from rollback.output.progress import Progress, stamp
from rollback.system.files import write_whole
from rollback.workflow import context, planning
from rollback.workflow.carry_out import shown
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Given
from rollback.workflow.runner import policy


def main(options: Given, progress: Progress) -> CommandResult:
    """Show the plan and every reason against it; with `--out`, write it to a file that `run --plan` takes."""
    config = context.load_settings(options)
    policy(options, config)
    known = context.secrets(options, config)
    wanted = planning.read(options, config, datetime.now(timezone.utc))
    target = context.target(config, options, known.password)
    try:
        prepared = planning.prepare(wanted, target=target, config=config, options=options)
    finally:
        target.close()
    if options["--out"] and not prepared.reasons:
        how = policy(options, config)
        text = plan_file.dumps(
            prepared.plan,
            registry=prepared.registry,
            made=stamp(),
            on_failure=how.on_failure.value,
            timeout_s=how.limits.timeout_s,
        )
        write_whole(Path(options["--out"]), text)
        progress.say(f"wrote {options['--out']}")
    return shown(options, config, prepared)
