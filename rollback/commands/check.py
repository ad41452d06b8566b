"""`rollback check`: may a deployment job deploy now? Answered by the exit code, and in a sentence."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rollback.errors import RollbackError, Undecided
from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.workflow import context
from rollback.workflow.command_result import CommandResult

FREE, NO = 0, 1


def main(options: dict[str, Any], progress: Progress) -> CommandResult:  # noqa: ARG001
    """0: free; 1: frozen, or this very image was rolled back; 2: it cannot be told."""
    try:
        config = context.load_settings(options["--config"], target=options["--target"])
        env = context.environment(options["--env"], config).name
        access = context.access(
            config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
        )
        with context.opened_state_store(config, env, access) as store:
            state = store.load()
        told = freeze.objections(state, options["--image"] or "", datetime.now(timezone.utc))
    except RollbackError as error:
        raise Undecided(error) from error
    data = {"env": env, "free": not told, "objections": list(told), **freeze.as_json(state)}
    if not told:
        return CommandResult(f"FREE: {env} may be deployed to\n", data, FREE)
    return CommandResult("".join(f"NO: {env}: {why}\n" for why in told), data, NO)
