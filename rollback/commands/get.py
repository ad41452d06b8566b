"""`rollback get`: registry → history → rollback.json."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone
from typing import Any

from rollback.commands.run import undo_options
from rollback.config import option_values
from rollback.core import history, history_file, image_selection
from rollback.core.creation_time import TagDate, date_images
from rollback.core.history import History
from rollback.core.image_selection import AsOf, Selection
from rollback.core.timestamps import Instant
from rollback.errors import Refused
from rollback.output import report
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
    as_of = image_selection.parse_as_of(options["--date"]) if options["--date"] else None
    dump = option_values.folder(options["--dump"])
    config = context.load_settings(options["--config"], registry=options["--registry"], target=options["--target"])
    env = context.environment(options["--env"], config)
    tags = config.tags(env)
    tag_date = TagDate(config.registry.tag_date) if config.registry.tag_date else None
    registry = context.registry(config, cached=not options["--no-cache"])
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        found = registry.survey(repos, tags.fits, progress.count)
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
    for skip in made.skipped:
        log.warning("%s:%s is left out: %s", skip.repo, skip.tag, skip.reason)
    for repo in made.repos:
        if not made.of(repo):
            log.warning("%s has no image of %s: it can only stay as it is", repo, env.name)
    path = dump / history_file.FILE
    write_whole(path, history_file.dumps(made))
    progress.say(f"wrote {path}")
    if options["--html"]:
        running = timeline_file.running(made, env, config, progress)
        page = files.expand_user(options["--html"])
        past = timeline_file.past_runs(dump)
        timeline_file.write(page, progress, made, past, running, run_options=undo_options(options))
    chosen = _chosen(made, as_of)
    return CommandResult(report.history_text(made, TerminalInfo.of(sys.stdout), chosen), report.history_json(made))


def _chosen(made: History, as_of: AsOf | None) -> Selection | None:
    """What a date would select; a date that is not offered is said to be so, and spoils nothing."""
    if as_of is None:
        return None
    try:
        return image_selection.select(made, as_of)
    except Refused as error:
        log.warning("%s: %s", error.what, error.why)
        return None
