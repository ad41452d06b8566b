"""Which image an app runs exactly, where its tag alone does not say. Pure.

A tag that moves names one image when an app is started and another one later. Writing it back would bring the other
one, so what an app runs has to be known by digest, from evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollback.core.apps import App
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image_reference import Reference
from rollback.core.timestamps import Instant
from rollback.errors import BadInput


@dataclass(frozen=True)
class TagNow:
    """What a tag names in the registry now.

    Attributes:
        digest: the digest; empty if the registry did not say.
        created: when that image was created; None if unknown.
        moved: whether the tag was seen with another digest before.
    """

    digest: str = ""
    created: Instant | None = None
    moved: bool = False


def tag_of(app: App) -> Reference | None:
    """The reference of an app that names its image by a tag alone; None if it has a digest, or no image."""
    try:
        found = Reference.parse(app.image)
    except BadInput:
        return None
    return None if found.digest else found


def may_move(app: App, tags: EnvironmentTags) -> bool:
    """Whether an app's image is named by a tag alone that moves by its kind; no tag at all means `latest`."""
    found = tag_of(app)
    return found is not None and (not found.tag or tags.moves(found.tag))


def with_evidence(app: App, tags: EnvironmentTags, now: TagNow, oldest_start: Instant | None) -> App:
    """Find out which image an app runs whose reference does not say it exactly.

    The evidence, in this order: what its running instances report; the digest that the registry has for the tag, but
    only if that image was created before the oldest instance was started.

    Args:
        app: as the target has it.
        tags: the tags of the environment.
        now: what its tag names now.
        oldest_start: when the oldest of its running instances was started; None if unknown.

    Returns:
        The app with `exact_image`, or marked as `inexact`; unchanged if its reference is exact.
    """
    found = tag_of(app)
    if found is None or not (now.moved or may_move(app, tags)):
        return app
    digest = app.running_digest
    if not digest and now.created and oldest_start and now.created < oldest_start:
        digest = now.digest
    if not digest:
        return replace(app, inexact=True)
    return replace(app, exact_image=str(found.at(found.tag, digest)))
