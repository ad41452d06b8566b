"""What several commands begin with: settings, the registry, the target, the history."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import platformdirs

from rollback import targets
from rollback.config import option_values, settings
from rollback.config.settings import Settings, SharedState
from rollback.core import history_file
from rollback.core.history import History
from rollback.core.plan import Environment, Rules
from rollback.errors import BadInput, Reason, Refused
from rollback.registry import client as registries
from rollback.secret import Secret
from rollback.state.state_store import FolderStateStore, StateStore, TargetStateStore, marker_id
from rollback.targets.base import Markers, Target, TargetOptions

Given = dict[str, Any]  # what docopt read


@dataclass(frozen=True)
class Secrets:
    """What a person may know and nobody else."""

    password: Secret
    slack: Secret


def load_settings(options: Given) -> Settings:
    """The settings, with what was given on the command line and in the environment on top."""
    return settings.load(
        options.get("--config"), os.environ, registry=options.get("--registry"), target=options.get("--target")
    )


def environment(options: Given, config: Settings) -> Environment:
    """The environment that `--env` names."""
    return config.environment(option_values.environment_name(options["--env"]))


def dump_folder(options: Given) -> Path:
    """The folder of rollback.json and of the records."""
    return Path(options["--dump"] or ".").expanduser()


def secrets(options: Given, config: Settings) -> Secrets:
    """The password and the webhook; from standard input they come a line each, in this order."""
    password = option_values.secret(
        what="the password",
        flag=options["--pwd"],
        file=options["--pwd-file"],
        variable=os.environ.get("ROLLBACK_PASSWORD"),
        fallback=config.login.password_file,
    )
    slack = option_values.secret(
        what="the webhook's address",
        flag=options.get("--slack"),
        file=None,
        variable=os.environ.get("ROLLBACK_SLACK"),
        fallback=config.slack.url_file,
    )
    return Secrets(password, slack)


def registry(config: Settings, options: Given, *, url: str = "", cached: bool = True) -> registries.Registry:
    """The registry that the settings name; asks nothing yet.

    Args:
        config: the settings.
        options: what was given.
        url: the one that the history names, for where the settings name none. Credentials that were given without
            a registry are never sent to it: a rollback.json must not be able to choose who gets them.
        cached: whether facts may come from the cache.

    Raises:
        BadInput: there is none.
    """
    chosen = config.registry
    user, password = os.environ.get("ROLLBACK_REGISTRY_USER", ""), os.environ.get("ROLLBACK_REGISTRY_PASSWORD", "")
    if not chosen.url:
        user = password = ""
    if not (chosen.url or url):
        raise BadInput(
            "no registry is named",
            hint="give --registry=https://registry.example.com, or set ROLLBACK_REGISTRY, or registry: {url: …} in "
            "the settings",
        )
    cache = platformdirs.user_cache_path("rollback") if cached and not options.get("--no-cache") else None
    return registries.connect(
        registries.RegistryOptions(
            url=chosen.url or url,
            user=user,
            password=Secret(password),
            ca_bundle=chosen.ca_bundle,
            client_cert=chosen.client_cert,
            client_key=chosen.client_key,
            insecure=chosen.insecure,
            connections=chosen.connections,
            platform=chosen.platform,
            cache=cache,
            immutable_tags=chosen.immutable_tags,
            tag_date=chosen.tag_date,
            flavour=chosen.flavour,
        )
    )


def target(config: Settings, options: Given, password: Secret) -> Target:
    """The target that the settings name; asks nothing yet."""
    user = options["--user"] or os.environ.get("ROLLBACK_USER", "") or config.login.user
    if password and not user:
        raise BadInput("there is a password and no user", hint="give --user=<u> too, or set ROLLBACK_USER")
    if user and not password:
        raise BadInput(
            f"there is a user, {user}, and no password",
            hint="give --pwd=- and pipe it in, or --pwd-file=<f>, or set ROLLBACK_PASSWORD",
        )
    chosen = TargetOptions(
        name=config.target,
        settings=config.target_section(),
        user=user,
        password=password,
        folder=config.folder,
    )
    wrong = [
        (config.lines.get(("targets", config.target, key), 0), f"targets.{config.target}.{key}: {what}")
        for key, what in targets.mistakes(chosen)
    ]
    if wrong:
        raise settings.wrong(config.source, wrong)
    return targets.connect(chosen)


def read_history(options: Given) -> History:
    """The history in the dump folder.

    Raises:
        BadInput: it is not there, cannot be read, or is not one.
    """
    path = dump_folder(options) / history_file.FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(
            f"{path} cannot be read",
            why=why or str(error),
            hint="make it with `rollback get`, or name its folder with --dump",
        ) from error
    return history_file.loads(text)


def rules(config: Settings, options: Given, registry_url: str) -> Rules:
    """How apps are found and images written."""
    return Rules(
        app_id=config.app_id,
        apps=config.apps,
        pin=config.run.pin,
        strict=bool(options.get("--strict")),
        host=urlsplit(registry_url).netloc.rpartition("@")[2],
        environments=frozenset(config.environments),
        only=option_values.names(options.get("--only")),
        skip=option_values.names(options.get("--skip")),
    )


def on_terminal() -> bool:
    """Whether a person sits there who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()  # None: it is closed


def consent(options: Given, question: str, *, needed: bool) -> None:
    """Ask a person, default No; `--yes` answers.

    Args:
        options: what was given.
        question: what is asked.
        needed: whether consent has to be given with `--yes` where there is no terminal.

    Raises:
        Refused: the answer is no, or there is nobody to ask.
    """
    if options.get("--yes"):
        return
    if not on_terminal():
        if needed:
            raise Refused([Reason("this needs your consent, and there is no terminal to ask on", hint="add --yes")])
        return
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused([Reason("not started: the answer was not yes", hint="nothing was changed")])


def state_folder() -> Path:
    """Where locks and freezes of this machine are kept."""
    return platformdirs.user_state_path("rollback")


def markers(reached: Target) -> Markers:
    """The target as a place for markers.

    Raises:
        BadInput: facts cannot be kept on it.
    """
    if not hasattr(reached, "place"):
        raise BadInput(f"{reached.name} cannot keep shared state", hint="set shared_state: folder in the settings")
    return cast(Markers, reached)


def shelf(config: Settings, reached: Target, env: str, app_ids: list[str]) -> StateStore:
    """Where an environment's state is kept.

    Args:
        config: the settings.
        reached: the target; asked for nothing unless state is shared.
        env: deployment name of the environment.
        app_ids: apps of the environment; only needed if state is shared.

    Raises:
        TargetError: there is no place for it on the target.
    """
    if config.shared_state is SharedState.FOLDER:
        return FolderStateStore(state_folder(), env, reached.name)
    return TargetStateStore(markers(reached), marker_id(app_ids, env, "rollback-freeze"))


@contextmanager
def kept(options: Given, config: Settings, env: str) -> Iterator[StateStore]:
    """Where an environment's state is kept, for a command that has no target open otherwise."""
    reached = target(config, options, secrets(options, config).password)
    try:
        app_ids = []
        if config.shared_state is SharedState.TARGET:
            reached.login()
            app_ids = [app.id for app in reached.apps()]
        yield shelf(config, reached, env, app_ids)
    finally:
        reached.close()


def who(options: Given) -> str:
    """Who does it: as given, else as the build server says, else the login name."""
    given = options.get("--by") or os.environ.get("BUILD_USER_ID")
    if given:
        return str(given)
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"user {os.getuid()}"
