"""`rollback thaw`: lift the freeze that a run has left behind."""

from __future__ import annotations

from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.workflow import context
from rollback.workflow.command_result import CommandResult, as_asked
from rollback.workflow.context import Given


def main(options: Given, progress: Progress) -> CommandResult:
    """Lift the freeze; what was rolled back stays remembered."""
    config = context.load_settings(options)
    env = context.environment(options, config).name
    with context.kept(options, config, env) as shelf:
        before = shelf.load().freeze
        shelf.change(freeze.thawed)
    if before is None:
        return as_asked(options, f"NOTHING TO DO: {env} is not frozen\n", {"env": env, "thawed": None})
    why = f" because {options['--reason']}" if options["--reason"] else ""
    progress.say(f"thawed by {context.who(options)}{why}")
    return as_asked(
        options,
        f"DONE: {env} is no longer frozen (it was since {before.since}, by {before.by})\n",
        {"env": env, "thawed": freeze.as_json(freeze.EnvironmentState(before))["freeze"]},
    )
