"""`rollback check`: may a deployment job deploy now? Answered by the exit code, and in a sentence."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rollback.config import option_values
from rollback.core.command_lines import CommandLines
from rollback.errors import Failed, RollbackError, Undecided
from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState
from rollback.workflow import cluster_identity, context
from rollback.workflow.cluster_identity import UnknownCluster
from rollback.workflow.command_result import CommandResult

FREE, NO = 0, 1
_ELSEWHERE = "; what other users and other machines have done is not known here (shared_state: target shares it)"


def main(options: dict[str, Any], progress: Progress) -> CommandResult:  # noqa: ARG001
    """0: free; 1: frozen, or this very image was rolled back; 2: it cannot be determined."""
    try:
        return _answer(options)
    except RollbackError as error:
        raise Undecided(error) from error
    except Exception as error:
        # A check that crashes has not said no (1): whatever goes wrong is "cannot tell" (2).
        raise Undecided(Failed("a mistake in this program", why=f"{type(error).__name__}: {error}")) from error


def _answer(options: dict[str, Any]) -> CommandResult:
    image = option_values.image(options["--image"])
    config = context.load_settings(options["--config"], target=options["--target"])
    env = context.environment(options["--env"], config)
    access = context.access(
        config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
    )
    now = datetime.now(timezone.utc)
    shared = cluster_identity.is_shared(config)
    try:
        with cluster_identity.opened_state_store(config, env.name, access) as (store, perhaps):
            state, kept = store.load(), store.exists()
    except UnknownCluster as error:
        if not freeze.objections(error.former, image, now):
            raise
        state, kept, perhaps = error.former, True, ()
    if not kept and env.name not in config.environments:
        raise context.unknown_environment(env, config, "no run that is known here")
    commands = context.command_lines(config=options["--config"], target=options["--target"], user=options["--user"])
    reasons = freeze.objections(state, image, now, env=env.name, commands=commands)
    data = {
        "env": env.name,
        "free": not reasons,
        "objections": list(reasons),
        "shared": shared,
        **freeze.as_json(state),
    }
    if not reasons and perhaps:
        raise Failed(
            f"{env.name} may be frozen",
            why="; ".join(perhaps),
            hint="run `rollback check` once by the address that was used then, or remove the file if that was "
            "another cluster's",
        )
    if not reasons:
        return CommandResult(f"FREE: {env.name} may be deployed to{'' if shared else _ELSEWHERE}\n", data, FREE)
    lines = [f"NO: {env.name}: {why}\n" for why in freeze.objections(state, image, now)]
    lines.append(f"  next: {_next_step(commands, env.name, state, image, now)}\n")  # once, whatever stands against it
    return CommandResult("".join(lines), data, NO)


def _next_step(commands: CommandLines, env: str, state: EnvironmentState, image: str, now: datetime) -> str:
    of_any_image = freeze.objections(state, "", now)
    other_image = "deploy another image than this one"
    if not of_any_image:
        return other_image
    also = f"; then {other_image}" if len(freeze.objections(state, image, now)) > len(of_any_image) else ""
    if state.unfinished:
        cut = state.unfinished[0]
        undo = commands.undo(cut.run, cut.dump)
        return (
            f"wait until that run ends; if it was cut off: {undo}, or {commands.thaw(env)} if nothing needs to be "
            f"undone{also}"
        )
    return f"{commands.thaw(env)}, once it may be deployed to again{also}"
