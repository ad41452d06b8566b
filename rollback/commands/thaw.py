"""`rollback thaw`: lift the freeze that a run has left behind."""

from __future__ import annotations

from typing import Any

from rollback.core.plain_text import sanitize
from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.workflow import context
from rollback.workflow.command_result import CommandResult


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Lift the freeze; what was rolled back stays remembered."""
    config = context.load_settings(options["--config"], target=options["--target"])
    env = context.environment(options["--env"], config).name
    access = context.access(
        config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
    )
    with context.opened_state_store(config, env, access) as store:
        before = store.load().freeze
        store.change(freeze.thawed)
    if before is None:
        return CommandResult(f"NOTHING TO DO: {env} is not frozen\n", {"env": env, "thawed": None})
    why = f" because {options['--reason']}" if options["--reason"] else ""
    progress.say(f"thawed by {context.user_name(options['--by'])}{why}")
    return CommandResult(
        f"DONE: {env} is no longer frozen (it was since {sanitize(before.since)}, by {sanitize(before.by)})\n",
        {"env": env, "thawed": freeze.as_json(freeze.EnvironmentState(before))["freeze"]},
    )
