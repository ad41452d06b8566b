"""`rollback check`: may a deployment job deploy now? Answered by the exit code, and in a sentence."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rollback.config.settings import SharedState
from rollback.errors import BadInput, Failed, RollbackError, Undecided
from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.workflow import context
from rollback.workflow.command_result import CommandResult

FREE, NO = 0, 1
_ELSEWHERE = " (as far as this user of this machine knows: shared_state: target shares it with others)"


def main(options: dict[str, Any], progress: Progress) -> CommandResult:  # noqa: ARG001
    """0: free; 1: frozen, or this very image was rolled back; 2: it cannot be determined."""
    try:
        config = context.load_settings(options["--config"], target=options["--target"])
        env = context.environment(options["--env"], config).name
        configured = env in config.environments
        access = context.access(
            config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
        )
        with context.opened_state_store(config, env, access) as store:
            state = store.load()
            kept = store.exists()
        reasons = freeze.objections(state, options["--image"] or "", datetime.now(timezone.utc))
    except RollbackError as error:
        raise Undecided(error) from error
    except Exception as error:
        # A check that crashes has not said no (1): whatever goes wrong is "cannot tell" (2).
        raise Undecided(Failed("a mistake in this program", why=f"{type(error).__name__}: {error}")) from error
    if not kept and not configured:
        known = ", ".join(config.environments)
        raise Undecided(
            BadInput(f"there is no environment {env!r:.60}", why=f"configured are {known}, and nothing is kept of it")
        )
    if not kept and config.source is None:
        raise Undecided(
            BadInput(
                f"nothing is known of {env} here",
                why="there is no settings file, and no run of this user on this machine has left anything",
                hint="name the settings with --config, so that the target is the one that runs use",
            )
        )
    data = {"env": env, "free": not reasons, "objections": list(reasons), **freeze.as_json(state)}
    if not reasons:
        elsewhere = "" if config.shared_state is SharedState.TARGET else _ELSEWHERE
        return CommandResult(f"FREE: {env} may be deployed to{elsewhere}\n", data, FREE)
    return CommandResult("".join(f"NO: {env}: {why}\n" for why in reasons), data, NO)
