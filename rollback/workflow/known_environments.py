"""Whether there is an environment of a name: it is configured, or a history, a record or an app uses it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rollback.config.settings import Settings
from rollback.core.apps import App
from rollback.core.history import History
from rollback.core.matching import app_pattern
from rollback.core.plan import Environment
from rollback.errors import BadInput, Reason, Refused, TargetError
from rollback.state import record
from rollback.workflow import context
from rollback.workflow.context import Access

IN_THE_FOLDER = "neither a record nor a history in the dump folder"  # what an undo and a list of runs can go by
_MOST_APPS = 3  # are named as examples


def require_for_history(history: History, env: Environment, config: Settings, dump: Path, access: Access) -> None:
    """Make sure that a history can be of an environment; the target is queried only where nothing else knows it.

    Args:
        history: as it was read from the dump folder.
        env: the environment.
        config: the settings.
        dump: folder of the records.
        access: the login on the target.

    Raises:
        BadInput: nothing uses this environment, or the target does not serve it.
        Refused: only apps use it, so that the history has no images of it.
    """
    if config.knows(env.name) or _uses(history, env, config) or _recorded(dump, env):
        return
    ids = apps_of(env, config, access, "neither this history nor a record", [history.env])
    more = f" and {len(ids) - _MOST_APPS} more" if len(ids) > _MOST_APPS else ""
    found = f"{', '.join(ids[:_MOST_APPS])}{more}"
    its = f", which is of {history.env}" if history.env else ""
    raise Refused(
        [
            Reason(
                f"there are no images of {env.name} in this history{its}",
                why=f"{env.name} is not configured, and only apps use it: {found}",
                hint=f"add it to the settings, environments: {{{env.name}: <tag name>}}, and make a history of "
                f"{env.name} with `rollback get`",
            )
        ]
    )


def built(dump: Path, env: Environment, config: Settings) -> bool:
    """Whether the dump folder has a history of an environment; it may have none, or one that cannot be read."""
    with suppress(BadInput):
        return _uses(context.read_history(dump), env, config)
    return False


def _uses(history: History, env: Environment, config: Settings) -> bool:
    """Whether a history is of an environment, or has tags of it."""
    if history.env or history.tag_env:
        return env.name in {history.env, history.tag_env}
    tags = config.tags(env)
    return any(tags.fits(tag) for image in history.images for tag in image.tags)


def apps_of(
    env: Environment, config: Settings, access: Access, searched: str, others: Iterable[str] = ()
) -> tuple[str, ...]:
    """The ids of the apps that use an environment which is not configured; at least one.

    Args:
        env: the environment.
        config: the settings.
        access: the login on the target.
        searched: what else was searched for it, for the error, e.g. `neither this history nor a record`.
        others: names that are used without being configured.

    Raises:
        BadInput: no app is known to use it, or the target does not serve it, or its settings have mistakes.
    """
    target = context.target(config, access, env.name)
    try:
        target.login()
        found = _of(env, config, target.apps(env.name))
    except TargetError as error:
        doubt = f"{error.what}{f' ({error.why})' if error.why else ''}"
        raise context.unknown_environment(env, config, searched, others, doubt) from error
    finally:
        target.close()
    if not found:
        raise context.unknown_environment(env, config, f"{searched} nor an app", others)
    return found


def _of(env: Environment, config: Settings, apps: Iterable[App]) -> tuple[str, ...]:
    """Apps whose ids have the environment's name where the settings put it, or that are in its own place."""
    pattern = context.app_id_pattern(config)
    named = {one.replace("{env}", env.name) for ids in config.apps.values() for one in ids if "{env}" in one}
    fits = app_pattern(pattern, env.name)
    return tuple(
        sorted(app.id for app in apps if "{env}" not in pattern or fits.fullmatch(app.id) or app.id in named)
    )


def _recorded(dump: Path, env: Environment) -> bool:
    """Whether a run of an environment is recorded in a dump folder."""
    for path in record.files(dump):
        with suppress(BadInput):  # `history` names records that cannot be read
            if record.read(path).header.env == env.name:
                return True
    return False
