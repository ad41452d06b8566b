"""`rollback plan`: what `run` would do, changing nothing."""

from __future__ import annotations

import sys

from rollback import report
from rollback.commands import gather, prepare
from rollback.commands.gather import Given
from rollback.commands.perform import policy
from rollback.commands.prepare import Prepared
from rollback.commands.result import Result, as_asked
from rollback.errors import Refused
from rollback.progress import Progress
from rollback.settings import Settings


def main(options: Given, progress: Progress) -> Result:  # noqa: ARG001
    """Show the plan and every reason against it."""
    config = gather.load_settings(options)
    known = gather.secrets(options, config)
    history, env, as_of = prepare.read(options, config)
    target = gather.target(config, options, known.password)
    try:
        prepared = prepare.prepare(history, env, as_of, target=target, config=config, options=options)
    finally:
        target.close()
    return shown(options, config, prepared)


def shown(options: Given, config: Settings, prepared: Prepared) -> Result:
    """The plan as a result; the exit code says whether it could be run."""
    data = report.plan_json(prepared.plan, prepared.reasons)
    text = screen(options, config, prepared)
    if not prepared.reasons:
        return as_asked(options, text, data)
    for reason in prepared.reasons:
        sys.stderr.write(f"rollback: {report.reason_text(reason)}\n")
    return as_asked(options, f"{text}\nREFUSED: {count(prepared)}\n", data, Refused.exit_code)


def screen(options: Given, config: Settings, prepared: Prepared) -> str:
    """The plan as a person reads it."""
    how = policy(options, config)
    footer = prepare.policy_text(how.on_failure, how.limits.timeout_s) if prepared.plan.changes else ""
    return report.plan_text(prepared.plan, arrow=report.arrow(), footer=footer)


def count(prepared: Prepared) -> str:
    """How many reasons there are."""
    number = len(prepared.reasons)
    return f"{number} reason{'s' if number > 1 else ''} not to run this plan"
