"""`rollback plan`: what `run` would do, changing nothing."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from rollback import planfile, report
from rollback.commands import gather, prepare
from rollback.commands.gather import Given
from rollback.commands.perform import policy
from rollback.commands.prepare import Prepared
from rollback.commands.result import Result, as_asked
from rollback.errors import Refused
from rollback.files import write_whole
from rollback.progress import Progress, stamp
from rollback.screens.surface import Surface
from rollback.settings import Settings


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


def shown(options: Given, config: Settings, prepared: Prepared) -> Result:
    """The plan as a result; the exit code says whether it could be run."""
    data = report.plan_json(prepared.plan, prepared.reasons)
    text = screen(options, config, prepared, Surface.of(sys.stdout))
    if not prepared.reasons:
        return as_asked(options, text, data)
    for reason in prepared.reasons:
        sys.stderr.write(f"rollback: {report.reason_text(reason)}\n")
    return as_asked(options, f"{text}\nREFUSED: {count(prepared)}\n", data, Refused.exit_code)


def screen(options: Given, config: Settings, prepared: Prepared, surface: Surface) -> str:
    """The plan as a person reads it."""
    how = policy(options, config)
    footer = prepare.policy_text(how.on_failure, how.limits.timeout_s) if prepared.plan.changes else ""
    return report.plan_text(prepared.plan, surface=surface, footer=footer)


def count(prepared: Prepared) -> str:
    """How many reasons there are."""
    number = len(prepared.reasons)
    return f"{number} reason{'s' if number > 1 else ''} not to run this plan"
