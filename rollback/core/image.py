"""Images: when they were created, how they are named, and to which environment a tag belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timezone, tzinfo
from enum import Enum
from functools import lru_cache

from rollback.core.timestamps import Instant


class CreatedFrom(str, Enum):
    """Where an image's creation time was read."""

    CONFIG = "config"
    ANNOTATION = "annotation"
    LABEL = "label"
    TAG = "tag"
    DAY = "day"  # a rollback.json of the older form tells only the day


@dataclass(frozen=True)
class Image:
    """One image of one repository.

    Attributes:
        repo: path of the repository in its registry, e.g. `shop/billing`.
        tag: the tag that it was found under.
        created: when it was created.
        digest: `sha256:…` of the manifest that the tag names; empty if nobody has asked.
        created_from: where `created` was read.
    """

    repo: str
    tag: str
    created: Instant
    digest: str = ""
    created_from: CreatedFrom = CreatedFrom.CONFIG

    @property
    def order(self) -> tuple[Instant, str]:
        """Sort key: by time, ties by tag, so that the order never depends on who answered first."""
        return (self.created, self.tag)

    def day(self, zone: tzinfo = timezone.utc) -> date:
        """The release date: the day of `created` in `zone`."""
        return self.created.day(zone)


@dataclass(frozen=True)
class Skipped:
    """A tag that was looked at and left out, and why."""

    repo: str
    tag: str
    reason: str


def belongs(tag: str, environment: str, pattern: str = "{version}-{env}") -> bool:
    """Tell whether a tag is one of an environment's.

    The tag fits the pattern as a whole, or is the environment's name itself: with the usual pattern
    `1-master` and `master` are master's, `1-premaster` and `-master` are not.

    Args:
        tag: a tag.
        environment: the tag name of the environment, e.g. `master`.
        pattern: has `{env}`, and any other `{name}` for one or more characters.
    """
    if tag == environment:
        return True
    return bool(_tags_of(environment, pattern).fullmatch(tag))


@lru_cache(maxsize=8)  # asked once per tag, of which there can be a hundred thousand
def _tags_of(environment: str, pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", pattern)
    expression = "".join(
        re.escape(environment) if part == "{env}" else ".+" if part.startswith("{") else re.escape(part)
        for part in parts
    )
    return re.compile(expression)
