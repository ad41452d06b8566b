"""`rollback thaw`: lift the freeze that a run has left behind."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from rollback.core.plain_text import sanitize
from rollback.core.timestamps import with_local
from rollback.errors import Interrupted
from rollback.output.progress import Progress
from rollback.state import freeze
from rollback.state.state_store import StateStore
from rollback.workflow import cluster_identity, context
from rollback.workflow.command_result import CommandResult

log = logging.getLogger(__name__)


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Lift the freeze; what was rolled back stays remembered."""
    config = context.load_settings(options["--config"], target=options["--target"])
    env = context.environment(options["--env"], config).name
    access = context.access(
        config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
    )
    with cluster_identity.opened_state_store(config, env, access) as (store, perhaps):
        if env not in config.environments and not store.exists():
            raise context.unknown_environment(config.environment(env), config, "no run that is known here")
        before = store.load()
        if before.freeze or before.unfinished:
            _change(store, env, options)
    for one in perhaps:
        log.warning("%s; a thaw by that address lifts it", one)
    lifted, cut_off = before.freeze, before.unfinished
    data = {"env": env, "thawed": asdict(lifted) if lifted else None, "unfinished": [asdict(one) for one in cut_off]}
    if not lifted and not cut_off:
        return CommandResult(f"NOTHING TO DO: {env} is not frozen\n", data)
    why = f" because {options['--reason']}" if options["--reason"] else ""
    progress.say(f"thawed by {context.user_name(options['--by'])}{why}")
    facts = []
    if lifted:
        facts.append(f"{env} is no longer frozen (it was since {with_local(lifted.since)}, by {lifted.by})")
    for cut in cut_off:
        facts.append(f"the run {cut.run} of {env} by {cut.by}, which has not ended, no longer blocks deployments")
    return CommandResult(f"DONE: {'; '.join(map(sanitize, facts))}\n", data)


def _change(store: StateStore, env: str, options: dict[str, Any]) -> None:
    """Lift it.

    Raises:
        Interrupted: a signal came before it was known to be lifted.
    """
    try:
        store.change(freeze.thawed)
    except KeyboardInterrupt:
        commands = context.command_lines(
            config=options["--config"], target=options["--target"], user=options["--user"]
        )
        raise Interrupted(
            f"interrupted: whether {env} is still frozen is not known", hint=commands.check(env)
        ) from None
