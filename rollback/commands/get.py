"""`rollback get`: registry → history → rollback.json."""

from __future__ import annotations

import logging
from datetime import datetime, timezone

from rollback import arguments, history, report
from rollback.commands import gather
from rollback.commands.gather import Given
from rollback.commands.result import Result, as_asked
from rollback.errors import BadInput
from rollback.files import write_whole
from rollback.image import Instant, belongs
from rollback.progress import Progress

log = logging.getLogger(__name__)


def main(options: Given, progress: Progress) -> Result:
    """Ask which images existed when, write them down, and show the dates."""
    repos = arguments.repos(options["--repo"])
    last = _count(options["--last"])
    config = gather.load_settings(options)
    env = gather.environment(options, config)
    registry = gather.registry(config, options)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        found = registry.survey(repos, lambda tag: belongs(tag, env.tag, config.tag_pattern), progress.count)
    finally:
        log.debug("requests: %s", registry.counts)
        registry.close()
    made = history.build(
        repos,
        found.images,
        found.skipped,
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
    path = gather.dump_folder(options) / history.FILE
    write_whole(path, history.dumps(made))
    progress.say(f"wrote {path}")
    return as_asked(options, report.history_text(made), report.history_json(made))


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000:
        return int(text)
    raise BadInput(f"--last: {text!r:.40} is not a count from 1 to 10000")
