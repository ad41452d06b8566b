"""`rollback plan`: what `run` would do, changing nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from rollback.core import planfile
from rollback.output.progress import Progress, stamp
from rollback.system.files import write_whole
from rollback.workflow import gather, prepare
from rollback.workflow.carry_out import shown
from rollback.workflow.gather import Given
from rollback.workflow.perform import policy
from rollback.workflow.result import Result


def main(options: Given, progress: Progress) -> Result:
    """Show the plan and every reason against it; with `--out`, write it to a file that `run --plan` takes."""
    config = gather.load_settings(options)
    policy(options, config)
    known = gather.secrets(options, config)
    wanted = prepare.read(options, config, datetime.now(timezone.utc))
    target = gather.target(config, options, known.password)
    try:
        prepared = prepare.prepare(wanted, target=target, config=config, options=options)
    finally:
        target.close()
    if options["--out"] and not prepared.reasons:
        how = policy(options, config)
        text = planfile.dumps(
            prepared.plan,
            registry=prepared.registry,
            made=stamp(),
            on_failure=how.on_failure.value,
            timeout_s=how.limits.timeout_s,
        )
        write_whole(Path(options["--out"]), text)
        progress.say(f"wrote {options['--out']}")
    return shown(options, config, prepared)
