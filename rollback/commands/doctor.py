"""`rollback doctor`: what would keep a rollback from working, looked at one thing after another.

Changes nothing but for a file that is written and removed again where runs will be recorded.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rollback import __version__
from rollback.commands.plan import command_lines
from rollback.config import option_values, settings
from rollback.config.settings import Settings
from rollback.core import matching
from rollback.core.apps import App
from rollback.core.command_lines import CommandLines
from rollback.core.history import History
from rollback.core.plain_text import counted
from rollback.errors import BadInput, LoginRefused, NotInRegistry, RegistryError, RollbackError
from rollback.output.doctor_report import Finding, checkup_json, checkup_text
from rollback.output.progress import Progress
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import duration
from rollback.registry.client import Registry
from rollback.system import user_folders
from rollback.targets.base import Level
from rollback.workflow import cluster_identity, context, hooks
from rollback.workflow.command_result import CommandResult

_OLD = timedelta(hours=24)  # a history of yesterday lacks the release that broke things
_SKEW_S = 30.0  # seconds between two clocks that are let pass; the Date header itself is whole seconds
_FAILED = 1


@dataclass
class _CheckContext:
    """What is known so far; a check may need what an earlier one has found."""

    config_file: str | None
    registry: str | None
    target: str | None
    dump: Path
    user: str | None
    password: str | None
    password_file: str | None
    slack: str | None
    commands: CommandLines
    config: Settings = field(default_factory=Settings)
    history: History | None = None
    clocks: dict[str, float] = field(default_factory=dict)  # seconds that a server's clock is ahead of ours


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Look at everything, and say what to do about what is not well."""
    given = _CheckContext(
        config_file=options["--config"],
        registry=options["--registry"],
        target=options["--target"],
        dump=option_values.folder(options["--dump"]),
        user=options["--user"],
        password=options["--pwd"],
        password_file=options["--pwd-file"],
        slack=options["--slack"],
        commands=command_lines(options),
    )
    findings: list[Finding] = []
    for check in (_program, _settings, _hooks, _history, _registry, _target, _clock, _folders, _slack):
        progress.doing(f"looking at: {check.__name__.strip('_')}")
        findings += _guarded(check, given)
    code = _FAILED if any(finding.level is Level.FAIL for finding in findings) else 0
    return CommandResult(checkup_text(findings, TerminalInfo.of(sys.stdout)), checkup_json(findings), code)


def _guarded(check: Callable[[_CheckContext], Iterator[Finding]], given: _CheckContext) -> list[Finding]:
    """What a check finds; an error of ours ends this check and not the others."""
    findings = []
    try:
        for finding in check(given):
            findings.append(finding)
    except RollbackError as error:
        findings.append(_failed(check.__name__.strip("_"), error))
    return findings


def _failed(about: str, error: RollbackError) -> Finding:
    why = "; ".join(error.why.split("\n"))
    return Finding(
        about,
        Level.FAIL,
        f"{error.what}{f' ({why})' if why else ''}",
        error.hint or "see the troubleshooting in the README, or add --debug",
    )


def _program(given: _CheckContext) -> Iterator[Finding]:  # noqa: ARG001
    text = f"rollback {__version__}, Python {platform.python_version()} on {platform.system()}, {sys.executable}"
    yield Finding("program", Level.OK, text)


def _settings(given: _CheckContext) -> Iterator[Finding]:
    file = settings.find(given.config_file, os.environ)
    given.config = config = context.load_settings(given.config_file, registry=given.registry, target=given.target)
    if file is None:
        folder = user_folders.config_folder()
        yield Finding(
            "settings",
            Level.WARN,
            "no settings file was found: defaults",
            f"rollback init writes {settings.FILE} here{f'; it may also be in {folder}' if folder else ''}",
        )
    else:
        by = (
            "--config"
            if given.config_file
            else "ROLLBACK_CONFIG"
            if os.environ.get("ROLLBACK_CONFIG")
            else "found in the current folder"
            if file == Path(settings.FILE)
            else "found in the user's configuration folder"
        )
        yield Finding("settings", Level.OK, f"{file.absolute()} ({by})")
    variables = sorted(name for name in os.environ if name.startswith("ROLLBACK_"))
    if variables:
        yield Finding("settings", Level.OK, f"set in the environment, before the file: {', '.join(variables)}")
    names = ", ".join(f"{name} ({tag})" for name, tag in config.environments.items())
    yield Finding("settings", Level.OK, f"target {config.target}; environments {names}; days in {config.timezone}")


def _hooks(given: _CheckContext) -> Iterator[Finding]:
    chosen = given.config.hooks
    for reason in hooks.problems(chosen):
        yield Finding("hooks", Level.FAIL, f"{reason.what} ({reason.why})", reason.hint)
    named = [str(hook) for hook in (chosen.preflight, chosen.after) if hook]
    if named and not hooks.problems(chosen):
        yield Finding("hooks", Level.OK, f"{' and '.join(named)} can be run, and belong to nobody else")


def _history(given: _CheckContext) -> Iterator[Finding]:
    path = given.dump / "rollback.json"
    if not path.exists():
        yield Finding("history", Level.WARN, f"there is no {path} yet", given.commands.get("<repositories>", "<e>"))
        return
    given.history = history = context.read_history(given.dump)
    text = f"{path}: {counted(len(history.repos), 'service')}, {counted(len(history.dates), 'date')}"
    if history.dates:
        text += f" from {history.dates[-1]} to {history.dates[0]}"
    if history.env:
        text += f", of {history.env}"
    age = datetime.now(timezone.utc) - history.generated.time if history.generated else None
    if age and age > _OLD:
        text += f"; made {duration(age.total_seconds())} ago"
        yield Finding("history", Level.WARN, text, "make a new one with `rollback get` before you choose a date")
    else:
        yield Finding("history", Level.OK, text)


def _registry(given: _CheckContext) -> Iterator[Finding]:
    history = given.history
    client = context.registry(given.config, url=history.registry if history else "", cached=False)
    try:
        reached = _reached(client, given)
        yield reached
        if reached.level is Level.FAIL:
            return
        identity = client.identity
        newest = next(iter(history.images), None) if history else None
        if newest is None:
            yield Finding(
                "registry",
                Level.WARN,
                f"requested as {identity.user} ({identity.source}); no image to try it with",
                given.commands.get("<repositories>", "<e>"),
            )
            return
        try:
            client.digest(newest.repo, newest.tag)
        except NotInRegistry as error:
            yield Finding(
                "registry", Level.WARN, f"{newest.repo}:{newest.tag} is gone ({error.why or error.what})", error.hint
            )
            return
        yield Finding(
            "registry", Level.OK, f"{newest.repo} can be read as {identity.user} ({identity.source or 'no login'})"
        )
    finally:
        client.close()


def _reached(client: Registry, given: _CheckContext) -> Finding:
    """Whether the registry answers at all, and what its clock says."""
    began = datetime.now(timezone.utc)
    try:
        answer = client.reach()
    except RegistryError as error:
        return Finding(
            "registry",
            Level.FAIL,
            f"{error.what} ({error.why})",
            error.hint
            or "check the address, the network, the proxy (HTTPS_PROXY, NO_PROXY) and the CA bundle (ca_bundle)",
        )
    with contextlib.suppress(TypeError, ValueError):  # a clock that cannot be read is not looked at
        stamp = parsedate_to_datetime(answer.headers.get("Date", ""))
        given.clocks[_place(client.url)] = (stamp - began).total_seconds()
    route = f", {client.route}" if client.route else ""
    return Finding("registry", Level.OK, f"{_place(client.url)} answers ({answer.status}){route}")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _target(given: _CheckContext) -> Iterator[Finding]:
    config = given.config
    access = context.access(config, user=given.user, password=given.password, password_file=given.password_file)
    env = config.environment(given.history.env).name if given.history and given.history.env else ""
    target = context.target(config, access, env)
    login = f"as {access.user}" if access.user else "with the target's own login"
    try:
        for check in target.diagnose():
            if check.clock_ahead_s is not None:
                given.clocks[target.name] = check.clock_ahead_s
            yield Finding(check.about, check.level, check.found, check.next_step)
            if check.level is Level.FAIL:
                return
        try:
            target.login()
        except LoginRefused as error:
            yield _failed("target", error)
            return
        apps = target.apps(env)
        yield Finding("target", Level.OK, f"{target.name}: {counted(len(apps), 'app')} seen, {login}")
        if not apps and not env:
            text = "no app is seen; without a history it is not known which environment is meant"
            yield Finding("target", Level.WARN, text, given.commands.get("<repositories>", "<e>"))
        elif not apps:
            yield Finding("target", Level.WARN, "this user sees no app at all", "log in as somebody who may see them")
        elif given.history:
            yield _matched(given.history, apps, config)
        held = target.deployments()
        if held:
            ids = ", ".join(one.id for one in held[:3])
            yield Finding("target", Level.WARN, f"{len(held)} deployments run at the moment: {ids}", "wait for them")
    finally:
        target.close()


def _matched(history: History, apps: Sequence[App], config: Settings) -> Finding:
    """Whether each repository has an app, by the rules that `plan` uses."""
    env = config.environment(history.env).name if history.env else ""
    rules = context.rules(config, history.registry)
    found = [matching.find(repo, apps, env, rules) for repo in history.repos]
    lacking = [one.reason for one in found if one.reason]
    if lacking:
        more = f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        return Finding("target", Level.FAIL, f"{lacking[0].what} ({lacking[0].why}){more}", lacking[0].hint)
    left_out = [f"{other.app.id} ({other.reason})" for one in found for other in one.left_out]
    if left_out:
        text = f"these run a repository of the history and would not be changed: {', '.join(left_out[:6])}"
        return Finding("target", Level.WARN, text, "name them in the settings under apps:, or correct app_id")
    number = sum(len(one.apps) for one in found)
    return Finding(
        "target", Level.OK, f"each of {len(history.repos)} services has its apps in {env} ({number} in all)"
    )


def _clock(given: _CheckContext) -> Iterator[Finding]:
    """Tokens, certificates and `created` are all held against this machine's clock."""
    for place, ahead in given.clocks.items():
        if abs(ahead) > _SKEW_S:
            word = "behind" if ahead > 0 else "ahead of"
            yield Finding(
                "clock",
                Level.WARN,
                f"this machine's clock is {duration(abs(ahead))} {word} that of {place}",
                "set the clock (timedatectl set-ntp true): tokens and dates depend on it",
            )
    if given.clocks and all(abs(ahead) <= _SKEW_S for ahead in given.clocks.values()):
        yield Finding("clock", Level.OK, f"agrees with {', '.join(given.clocks)}")


def _folders(given: _CheckContext) -> Iterator[Finding]:
    yield _writable("records", given.dump / "runs", "choose another folder with --dump")
    try:
        state = user_folders.state_folder(given.config.state_folder)
        yield _writable("locks", state, "set XDG_STATE_HOME to a folder that you may write to")
        if cluster_identity.is_shared(given.config):
            yield Finding("locks", Level.OK, "locks and freezes are kept on the target, for every user and machine")
        else:
            yield Finding(
                "locks",
                Level.OK,
                "locks and freezes are known to this user on this machine only",
                "if there are more users or machines, set shared_state: target in the settings",
            )
    except BadInput as error:
        yield _failed("locks", error)
    cache = user_folders.cache_folder(given.config.cache_folder)
    if cache is None:
        hint = "set XDG_CACHE_HOME, or cache_folder: in the settings"
        yield Finding("cache", Level.WARN, "no folder is known for it", hint)
        return
    finding = _writable("cache", cache, "set XDG_CACHE_HOME, or use --no-cache")
    if finding.level is Level.OK:
        size = sum(path.stat().st_size for path in cache.glob("*") if path.is_file()) if cache.exists() else 0
        yield Finding("cache", Level.OK, f"{finding.found}, {size / 1024:.0f} KiB")
    else:  # without a cache everything works, only slower
        yield Finding("cache", Level.WARN, finding.found, finding.next)


def _writable(about: str, folder: Path, hint: str) -> Finding:
    """Try to write where a run will write; folders that are not there yet are looked at from above."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".rollback-doctor-"):
            pass
        free = os.statvfs(place)
    except OSError as error:
        return Finding(about, Level.FAIL, f"{folder} cannot be written ({error.strerror})", hint)
    megabytes = free.f_bavail * free.f_frsize // 2**20
    level = Level.WARN if megabytes < 64 else Level.OK
    return Finding(
        about, level, f"{folder} can be written, {megabytes} MiB free", hint if level is Level.WARN else ""
    )


def _slack(given: _CheckContext) -> Iterator[Finding]:
    try:
        webhook = context.access(given.config, slack=given.slack).slack
    except BadInput as error:
        yield _failed("slack", error)
        return
    if not webhook:
        yield Finding("slack", Level.OK, "no webhook is set: nothing will be posted")
        return
    host = urlsplit(webhook.reveal()).netloc.rpartition("@")[2]
    if not webhook.reveal().startswith("https://") or not host:
        yield Finding("slack", Level.WARN, "the webhook is no https address", "copy it again from Slack's app page")
    else:
        yield Finding("slack", Level.OK, f"a webhook of {host} is set (not tried: it would post)")
