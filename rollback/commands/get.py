"""`rollback get`: registry → history → rollback.json."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from rollback.commands.plan import command_lines
from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core import history, history_file, image_selection
from rollback.core.creation_time import TagDate, date_images
from rollback.core.history import History
from rollback.core.image import Basis
from rollback.core.image_selection import AsOf, Selection
from rollback.core.plan import Environment
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Failed, Refused, RollbackError
from rollback.output import json_report, text_report
from rollback.output.progress import Progress
from rollback.output.terminal import TerminalInfo
from rollback.registry.client import Registry
from rollback.system.files import write_whole
from rollback.workflow import context, deployed_images, timeline_file
from rollback.workflow.command_result import CommandResult
from rollback.workflow.context import Access
from rollback.workflow.deployed_images import TargetMemory

log = logging.getLogger(__name__)

# What docopt gives for the options that `run`, which makes a history where there is none, does not have.
DEFAULTS = {"--repo": None, "--last": "10", "--basis": None, "--html": None, "--no-cache": False}


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Ask which images existed when, write them down, and show the dates."""
    last = option_values.count(options["--last"], "--last")
    dump = option_values.folder(options["--dump"])
    page = option_values.new_file(options["--html"], "--html") if options["--html"] else None
    config = context.load_settings(
        options["--config"],
        registry=options["--registry"],
        target=options["--target"],
        basis=option_values.basis(options["--basis"]),
    )
    repos = _repos(options["--repo"], config)
    as_of = context.as_of(options["--date"], config, dump) if options["--date"] else None
    env = context.environment(options["--env"], config)
    registry = context.registry(config, cached=not options["--no-cache"])

    @cache  # a password that comes from standard input can be read only once
    def login() -> Access:
        return context.access(
            config, user=options["--user"], password=options["--pwd"], password_file=options["--pwd-file"]
        )

    try:
        made = _history(repos, env, config, registry, login, last, progress)
    finally:
        log.debug("requests: %s", registry.counts)
        registry.close()
    for repo in made.repos:
        for line in made.left_out(repo):
            log.warning("%s", line)
    if not made.dates:
        raise _no_image(made)
    for repo in made.repos:
        if not made.of(repo) and not any(entry.repo == repo for entry in made.deployed):
            log.warning("%s has no image of %s: it can only stay as it is", repo, env.name)
    path = dump / history_file.FILE
    _warn_of_fewer(dump, made)
    write_whole(path, history_file.dumps(made))
    progress.say(f"wrote {path}")
    if page:
        running = timeline_file.running(made, env, config, login, progress)
        past = timeline_file.past_runs(dump)
        commands = command_lines(options)
        timeline_file.write(page, progress, made, past, running, commands=commands)
    chosen = _chosen(made, as_of)
    return CommandResult(
        text_report.history_text(made, TerminalInfo.of(sys.stdout), chosen), json_report.history_json(made)
    )


def _history(
    repos: Sequence[str],
    env: Environment,
    config: Settings,
    registry: Registry,
    login: Callable[[], Access],
    last: int,
    progress: Progress,
) -> History:
    """Query the registry, and the target where dates rest on what ran.

    Raises:
        BadInput: nothing uses this environment.
        Failed: the target cannot be queried, and nothing else may decide.
        RegistryError: the registry cannot be queried.
    """
    tags = config.tags(env)
    memory = _memory(repos, env, config, registry.url, login, last)
    ran_tags = {entry.tag for entry in memory.deployed if entry.tag}
    now = datetime.now(timezone.utc).replace(microsecond=0)
    found = registry.survey(repos, lambda tag: tags.fits(tag) or tag in ran_tags, progress.count, tags.near_miss)
    own = [one for one in found.resolved if tags.fits(one.tag)]
    if not config.knows(env.name) and not own:
        raise context.unknown_environment(env, config, "no tag of these repositories")
    tag_date = TagDate(config.registry.tag_date) if config.registry.tag_date else None
    images, undated = date_images(own, tags, now, tag_date)
    wanted = [one for one in found.resolved if tags.fits(one.tag) or memory.has(one.repo, one.tag)]
    entries, ran = deployed_images.in_registry(memory, wanted, images, registry, tags)
    for repo, names in deployed_images.gone(entries, ran).items():
        log.warning("%s: it ran, and is gone from the registry: %s", repo, ", ".join(names))
    return history.build(
        repos,
        images,
        (*(one for one in found.skipped if tags.fits(one.tag) or not memory.has(one.repo, one.tag)), *undated),
        last=last,
        env=env.name,
        tag_env=env.tag,
        registry=registry.url,
        generated=Instant(now),
        timezone=config.timezone,
        basis=config.basis,
        deployed=entries,
        ran=ran,
    )


def _memory(
    repos: Sequence[str],
    env: Environment,
    config: Settings,
    registry_url: str,
    login: Callable[[], Access],
    last: int,
) -> TargetMemory:
    """What the target remembers; nothing where dates rest on when images were built.

    Raises:
        Failed: it cannot be queried, and nothing else may decide.
    """
    if config.basis is Basis.BUILT:
        return TargetMemory()
    try:
        memory = deployed_images.remembered(config, login(), env, repos, registry_url, last)
    except RollbackError as error:
        if config.basis is Basis.AUTO:
            log.warning("what ran is not known, and when images were built decides: %s", _said(error))
            return TargetMemory()
        if isinstance(error, BadInput):
            raise
        raise Failed(
            f"what ran is not known: {error.what}",
            why=error.why,
            hint=f"{error.hint or 'check the target'}; nothing was written; "
            "--basis=auto goes on without what the target remembers",
        ) from error
    for line in memory.warnings:
        log.warning("%s", line)
    return memory


def _said(error: RollbackError) -> str:
    return f"{error.what} ({error.why})" if error.why else error.what


def _repos(option: str | None, config: Settings) -> tuple[str, ...]:
    """The repositories: those of the option, else those of the settings."""
    if option is None and config.repos:
        return config.repos
    if option is None:
        raise BadInput(
            "--repo is missing",
            why="the settings name no repositories either (repos:)",
            hint="write --repo=shop/billing,shop/cart, or repos: [shop/billing, shop/cart] in the settings",
        )
    return option_values.repos(option)


def _no_image(made: History) -> Failed:
    """The error where there is no date to go back to; the history in the dump folder stays."""
    if made.basis is Basis.DEPLOYED:
        return Failed(
            f"the target remembers no deployment of these repositories in {made.env}, and so there is no date",
            why="\n".join(f"{repo}: {made.remembered_text(repo)}" for repo in made.repos),
            hint="nothing was written; --basis=auto adds the dates on which images were built",
        )
    return Failed(
        f"there is no image of {made.env} with a usable time, and so no date to go back to",
        why="\n".join(f"{repo}: {made.without_image(repo)}" for repo in made.repos),
        hint="nothing was written; correct --repo or --env, or set registry.tag_date if the tags hold dates",
    )


def _warn_of_fewer(dump: Path, made: History) -> None:
    """Say which repositories of the file that is replaced are not in the new one."""
    try:
        old = context.read_history(dump)
    except BadInput:
        return  # none yet, or nothing that could be lost
    gone = [repo for repo in old.repos if repo not in made.repos]
    if gone and old.env in {"", made.env}:
        log.warning(
            "%s had %s, too, and no longer has: add to --repo what should go back",
            dump / history_file.FILE,
            ", ".join(gone),
        )


def _chosen(made: History, as_of: AsOf | None) -> Selection | None:
    """What a date would select; a date that is not offered is said to be so, and spoils nothing."""
    if as_of is None:
        return None
    try:
        return image_selection.select(made, as_of)
    except Refused as error:
        log.warning("%s: %s", error.what, error.why)
        return None
