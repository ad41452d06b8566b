"""What several commands begin with: settings, the registry, the target, the history."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from rollback import targets
from rollback.config import option_values, settings
from rollback.config.settings import Settings
from rollback.core import history_file
from rollback.core.command_lines import CommandLines
from rollback.core.history import History, zone
from rollback.core.image import Basis
from rollback.core.image_selection import AsOf, parse_as_of
from rollback.core.matching import Rules
from rollback.core.plain_text import sanitize
from rollback.core.plan import Environment
from rollback.errors import BadInput
from rollback.registry import client as registries
from rollback.secret import Secret
from rollback.system import files, user_folders
from rollback.system.network import http_url
from rollback.targets.base import Target, TargetOptions
from rollback.workflow import prompt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Access:
    """With which login the target is used, and where Slack messages go.

    Attributes:
        user: login name on the target; empty to use what the target's own configuration holds.
        password: its password; empty likewise.
        slack: address of the webhook; empty to post nothing.
        option: whether user or password were given as options.
        ask: whether to prompt for a missing password at a terminal.
    """

    user: str
    password: Secret
    slack: Secret
    option: bool = False
    ask: bool = True


def load_settings(
    file: str | None, *, registry: str | None = None, target: str | None = None, basis: Basis | None = None
) -> Settings:
    """Read the settings, with the command line's and the environment's values on top.

    Args:
        file: the settings file; None to look for it.
        registry: URL of the registry, as given on the command line.
        target: name of the target, likewise.
        basis: what dates rest on, likewise.

    Raises:
        BadInput: the file cannot be read or has mistakes, or there is no such target.
    """
    config = settings.load(file, os.environ, registry=registry, target=target, basis=basis)
    known = sorted({*config.targets, *targets.kinds()})
    if config.target not in known:
        raise BadInput(
            f"there is no target called {config.target!r:.60}",
            hint=f"use one of: {', '.join(known)}; or add it to the settings under targets:",
        )
    return config


def environment(name: str, config: Settings) -> Environment:
    """The environment of either name.

    Raises:
        BadInput: it cannot be the name of one.
    """
    return config.environment(option_values.environment_name(name))


def unknown_environment(
    env: Environment, config: Settings, where: str, others: Iterable[str] = (), apps_unknown: str = ""
) -> BadInput:
    """The error for an environment that is not configured and that nothing uses.

    Args:
        env: the environment.
        config: the settings.
        where: what was searched for it, e.g. `no tag of these repositories`.
        others: names that are used without being configured.
        apps_unknown: why the apps could not be searched, too; empty if they were, or need not be.
    """
    known = [f"{name} (tags: {tag})" if name != tag else name for name, tag in config.environments.items()]
    doubt = f" (whether an app does is not known: {apps_unknown})" if apps_unknown else ""
    known += sorted({name for name in others if name} - {*config.environments, *config.environments.values()})
    return BadInput(
        f"there is no environment {env.name!r}",
        why=f"it is not configured, and {where} uses it{doubt}; known are {', '.join(known)}",
        hint="correct --env, or add it to the settings: environments: {<deployment name>: <tag name>}",
    )


def as_of(text: str, config: Settings, dump: Path) -> AsOf:
    """The date or time that `--date` names.

    Raises:
        BadInput: it is none; the error names dates of the history in the dump folder, if there is one.
    """
    offered: tuple[date, ...] = ()
    with suppress(BadInput):  # a history that cannot be read is named where it is needed
        offered = read_history(dump).dates
    return parse_as_of(text, datetime.now(timezone.utc), zone(config.timezone), offered)


def access(
    config: Settings,
    *,
    user: str | None = None,
    password: str | None = None,
    password_file: str | None = None,
    slack: str | None = None,
    ask: bool = True,
) -> Access:
    """Find the login and the webhook: option, environment variable, settings.

    From standard input (`-`) they are read one line each, the password first. `ask` says whether a missing password
    may be prompted for at a terminal.

    Raises:
        BadInput: a file cannot be read, standard input has nothing, or the webhook's address is none.
    """
    found = Access(
        user or option_values.from_variable("ROLLBACK_USER", os.environ) or config.login.user,
        option_values.secret(
            what="the password",
            flag=password,
            file=password_file,
            variable="ROLLBACK_PASSWORD",
            environ=os.environ,
            fallback=config.login.password_file,
        ),
        option_values.secret(
            what="the webhook's address",
            flag=slack,
            file=None,
            variable="ROLLBACK_SLACK",
            environ=os.environ,
            fallback=config.slack.url_file,
        ),
        option=bool(user or password or password_file),
        ask=ask,
    )
    if found.slack:
        try:
            http_url(found.slack.reveal())
        except ValueError as error:  # the address itself is a secret
            raise BadInput(
                "the webhook's address cannot be used",
                why=str(error),
                hint="copy it from Slack's app page: --slack=https://hooks.slack.com/services/…",
            ) from error
    return found


def registry(config: Settings, *, url: str = "", cached: bool = True) -> registries.Registry:
    """The registry that the settings name; sends no request yet.

    Args:
        config: the settings.
        url: the one that the history names, for where the settings name none. Credentials that were given without
            a registry are never sent to it: a rollback.json must not be able to choose who gets them.
        cached: whether facts may come from the cache.

    Raises:
        BadInput: there is none.
    """
    chosen = config.registry
    user = option_values.from_variable("ROLLBACK_REGISTRY_USER", os.environ)
    password = option_values.from_variable("ROLLBACK_REGISTRY_PASSWORD", os.environ)
    if not chosen.url:
        user = password = ""
    if not (chosen.url or url):
        raise BadInput(
            "no registry is named",
            hint="give --registry=https://registry.example.com, or set ROLLBACK_REGISTRY, or registry: {url: …} in "
            "the settings",
        )
    cache = user_folders.cache_folder(config.cache_folder) if cached else None
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
            flavour=chosen.flavour,
            deadline_s=chosen.deadline_s,
        )
    )


def target(config: Settings, login: Access, env: str = "") -> Target:
    """The target that the settings name; sends no request yet.

    Args:
        config: the settings.
        login: the user and the password, for a target that takes them.
        env: deployment name of the environment; empty where it is not known.

    Raises:
        BadInput: its settings have mistakes, it does not serve the environment, or a user comes without a password,
            or a password without a user.
    """
    user, password = _login(config, login)
    section = targets.complete(config.target, config.target_section(), os.environ)
    chosen = TargetOptions(
        name=config.target,
        settings=section,
        environments=frozenset(config.environments),
        user=user,
        password=password,
        folder=config.folder,
        env=env,
        distrust=config.distrust,
    )
    pattern = str(section.get("app_id") or config.app_id)
    wrong = [_located(config, key, what) for key, what in targets.mistakes(chosen, pattern)]
    if wrong:
        raise settings.wrong(config.source, wrong)
    return targets.connect(chosen)


def _login(config: Settings, login: Access) -> tuple[str, Secret]:
    """The user and the password for the chosen target; empty for one that logs in by itself."""
    user, password = login.user, login.password
    if not targets.kind(config.target, config.target_section()).has_login:
        if login.option:
            raise BadInput(
                f"the target {config.target} takes no user and no password",
                why="it logs in by itself",
                hint="leave out --user, --pwd and --pwd-file",
            )
        if user or password:
            log.warning("the user and the password are ignored: the target %s logs in by itself", config.target)
        return "", Secret()
    if password and not user:
        raise BadInput("there is a password and no user", hint="give --user=<u> too, or set ROLLBACK_USER")
    if user and not password and login.ask and prompt.on_terminal():
        password = prompt.password(user, config.target)
    if user and not password:
        raise BadInput(
            f"there is a user, {user}, and no password",
            hint="give --pwd=- and pipe it in, or --pwd-file=<f>, or set ROLLBACK_PASSWORD",
        )
    return user, password


def _located(config: Settings, key: str, what: str) -> tuple[int, str]:
    """A mistake in the target's section with its line; `app_id` may also be at the top level."""
    if key == "app_id" and "app_id" not in config.target_section():
        return config.lines.get(("app_id",), 0), f"app_id: {what}"
    return config.lines.get(("targets", config.target, key), 0), f"targets.{config.target}.{key}: {what}"


def app_id_pattern(config: Settings) -> str:
    """The pattern of app ids: of the target's own section, else of the settings, else of its kind.

    Raises:
        BadInput: there is no such kind of target.
    """
    section = config.target_section()
    return str(section.get("app_id") or config.app_id or targets.kind(config.target, section).app_id)


def read_history(dump: Path) -> History:
    """Read the history in a dump folder.

    Raises:
        BadInput: it is not there, cannot be read, or is not one.
    """
    path = dump / history_file.FILE
    try:
        text = files.read_text(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read",
            why=files.why(error),
            hint="make it with `rollback get`, or name its folder with --dump",
        ) from error
    return history_file.loads(text)


def rules(
    config: Settings,
    registry_url: str,
    *,
    only: frozenset[str] = frozenset(),
    skip: frozenset[str] = frozenset(),
    strict: bool = False,
) -> Rules:
    """How apps are found and images written."""
    return Rules(
        app_id=app_id_pattern(config),
        apps=config.apps,
        pin=config.run.pin,
        strict=strict,
        host=urlsplit(registry_url).netloc.rpartition("@")[2],
        environments=frozenset(config.environments),
        only=only,
        skip=skip,
    )


def accepted_owners(config: Settings, names: frozenset[str]) -> frozenset[str]:
    """Names of owners that are accepted although they put their own image back.

    Args:
        config: the settings; a kind of target whose apps have owners has a key for it.
        names: those of the command line.
    """
    return names | frozenset(config.target_section().get("accept_owners", ()))


def parallel(config: Settings) -> int:
    """How many apps are deployed at a time, where one write carries one app."""
    return config.run.parallel or targets.kind(config.target, config.target_section()).parallel


def command_lines(
    *,
    dump: str = ".",
    config: str | None = None,
    target: str | None = None,
    registry: str | None = None,
    owners: str | None = None,
    user: str | None = None,
) -> CommandLines:
    """What users are shown to type next, in the place that this command was started from.

    Whoever starts this program for them may have left another way to undo in the environment.

    Args:
        dump: the options of this command, as they were given; None for one that was not.
        config: likewise.
        target: likewise.
        registry: likewise.
        owners: likewise.
        user: likewise.
    """
    template = sanitize(os.environ.get("ROLLBACK_UNDO_HINT", ""))
    return CommandLines(dump, config or "", target or "", registry or "", owners or "", user or "", template)


def user_name(given: str | None) -> str:
    """Who does it: as given, else as the build server says, else the login name."""
    named = given or os.environ.get("BUILD_USER_ID")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"user {os.getuid()}"
