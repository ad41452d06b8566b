"""`rollback get`: registry → history → rollback.json."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.commands.run import undo_options
from rollback.config import option_values
from rollback.core import history, history_file, image_selection
from rollback.core.creation_time import TagDate, date_images
from rollback.core.history import History
from rollback.core.image_selection import AsOf, Selection
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Failed, Refused
from rollback.output import json_report, text_report
from rollback.output.progress import Progress
from rollback.output.terminal import TerminalInfo
from rollback.system import files
from rollback.system.files import write_whole
from rollback.workflow import context, timeline_file
from rollback.workflow.command_result import CommandResult

log = logging.getLogger(__name__)


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Ask which images existed when, write them down, and show the dates."""
    repos = option_values.repos(options["--repo"])
    last = option_values.count(options["--last"], "--last")
    dump = option_values.folder(options["--dump"])
    config = context.load_settings(options["--config"], registry=options["--registry"], target=options["--target"])
    as_of = context.as_of(options["--date"], config, dump) if options["--date"] else None
    env = context.environment(options["--env"], config)
    tags = config.tags(env)
    tag_date = TagDate(config.registry.tag_date) if config.registry.tag_date else None
    registry = context.registry(config, cached=not options["--no-cache"])
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        found = registry.survey(repos, tags.fits, progress.count, tags.near_miss)
    finally:
        log.debug("requests: %s", registry.counts)
        registry.close()
    images, undated = date_images(found.resolved, tags, now, tag_date)
    made = history.build(
        repos,
        images,
        (*found.skipped, *undated),
        last=last,
        env=env.name,
        tag_env=env.tag,
        registry=registry.url,
        generated=Instant(now),
        timezone=config.timezone,
    )
    if not config.knows(env.name) and not found.resolved:
        raise context.unknown_environment(env, config, "no tag of these repositories")
    for repo in made.repos:
        for line in made.left_out(repo):
            log.warning("%s", line)
    if not made.images:
        raise _no_image(made)
    for repo in made.repos:
        if not made.of(repo):
            log.warning("%s has no image of %s: it can only stay as it is", repo, env.name)
    path = dump / history_file.FILE
    _warn_of_fewer(dump, made)
    write_whole(path, history_file.dumps(made))
    progress.say(f"wrote {path}")
    if options["--html"]:
        running = timeline_file.running(made, env, config, progress)
        page = files.expand_user(options["--html"])
        past = timeline_file.past_runs(dump)
        timeline_file.write(page, progress, made, past, running, run_options=undo_options(options))
    chosen = _chosen(made, as_of)
    return CommandResult(
        text_report.history_text(made, TerminalInfo.of(sys.stdout), chosen), json_report.history_json(made)
    )


def _no_image(made: History) -> Failed:
    """The error where there is no date to go back to; the history in the dump folder stays."""
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
