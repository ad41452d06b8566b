"""Evidence for which images apps run whose tags move: what the target and the registry say."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import cast

from rollback.config.settings import Settings
from rollback.core import running_image
from rollback.core.apps import App
from rollback.core.creation_time import TagDate, date_images
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.history import History
from rollback.core.plan import Action, Plan
from rollback.core.running_image import TagNow
from rollback.core.timestamps import Instant
from rollback.errors import RegistryError, TargetError
from rollback.registry.client import Registry
from rollback.system.bounded_call import each
from rollback.targets.base import Target
from rollback.targets.capabilities import InstanceTimes, RunningDigests

log = logging.getLogger(__name__)

_AT_A_TIME = 8  # requests to the registry


def with_evidence(
    plan: Plan, history: History, config: Settings, registry: Registry, target: Target
) -> dict[str, App]:
    """The apps of a plan that name their image by a tag that moves, with what is known of the image they run.

    Without such apps nothing is requested beyond what the tags name that the history has.

    Args:
        plan: as it was built from the tags alone.
        history: the images; a tag that names another digest now than in it has moved.
        config: the settings.
        registry: the registry.
        target: the target, logged in.

    Returns:
        By id, the apps of which something was found out.
    """
    tags = config.tags(plan.env)
    known = {(image.repo, tag): image.digest for image in history.images for tag in image.tags if image.digest}
    repos = {
        step.app.id: (step.repo, step.app) for step in plan.steps if step.app and step.action is not Action.STAYS
    }
    suspects: dict[str, tuple[str, str, App]] = {}
    for app_id, (repo, app) in repos.items():
        found = running_image.tag_of(app)
        if found and (running_image.may_move(app, tags) or (repo, found.tag) in known):
            suspects[app_id] = (repo, found.tag or "latest", app)

    def look_up(suspect: tuple[str, str, App]) -> TagNow:
        repo, tag, app = suspect
        return _now(registry, repo, tag, known.get((repo, tag), ""), may_move=running_image.may_move(app, tags))

    named = dict(zip(suspects, each(look_up, suspects.values(), workers=_AT_A_TIME), strict=True))
    moving = [a for a in suspects if named[a].moved or running_image.may_move(suspects[a][2], tags)]
    if not moving:
        return {}
    starts = _starts(target, moving)
    digests = _digests(target, [suspects[app_id][2] for app_id in moving])
    found_out: dict[str, App] = {}
    for app_id in moving:
        repo, tag, app = suspects[app_id]
        now = named[app_id]
        if now.digest:
            created = _created(history, config, registry, repo, tag, now.digest, tags)
            now = TagNow(now.digest, created, now.moved)
        app = replace(app, running_digest=digests.get(app_id, app.running_digest))
        found_out[app_id] = running_image.with_evidence(app, tags, now, starts.get(app_id))
    return found_out


def _now(registry: Registry, repo: str, tag: str, before: str, *, may_move: bool) -> TagNow:
    try:
        digest = registry.digest(repo, tag)
    except RegistryError as error:
        if may_move:
            log.info("what %s:%s names now is unknown: %s", repo, tag, error.why or error.what)
        return TagNow()
    return TagNow(digest, moved=bool(before) and digest != before)


def _starts(target: Target, ids: list[str]) -> Mapping[str, Instant]:
    if not hasattr(target, "oldest_starts"):
        return {}
    try:
        return cast(InstanceTimes, target).oldest_starts(ids)
    except TargetError as error:
        log.warning("when instances were started is unknown: %s", error.why or error.what)
        return {}


def _digests(target: Target, apps: Sequence[App]) -> Mapping[str, str]:
    if not hasattr(target, "running_digests"):
        return {}
    try:
        return cast(RunningDigests, target).running_digests(apps)
    except TargetError as error:
        log.warning("which images instances run is unknown: %s", error.why or error.what)
        return {}


def _created(
    history: History,
    config: Settings,
    registry: Registry,
    repo: str,
    tag: str,
    digest: str,
    tags: EnvironmentTags,
) -> Instant | None:
    """When the image was created that a tag names now; None if nobody knows."""
    held = next((image for image in history.of(repo) if image.digest == digest), None)
    if held:
        return held.created
    tag_date = TagDate(config.registry.tag_date) if config.registry.tag_date else None
    try:
        found = registry.survey([repo], lambda one: one == tag)
    except RegistryError as error:
        log.info("when %s:%s was created is unknown: %s", repo, tag, error.why or error.what)
        return None
    images, _undated = date_images(found.resolved, tags, datetime.now(timezone.utc), tag_date)
    return images[0].created if images and images[0].digest == digest else None
