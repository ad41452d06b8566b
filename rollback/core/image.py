"""Images: when they were created, how they are named, and to which environment a tag belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone, tzinfo
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from rollback.errors import BadInput

# RFC 3339 as Go, Python and shell builders write it; a space instead of the T is allowed by its section 5.6.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# The grammar of an image name: https://pkg.go.dev/github.com/distribution/reference
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Instant(NamedTuple):
    """A point in time to the nanosecond; compares by time.

    Attributes:
        time: an aware UTC datetime, to the microsecond.
        nano: the nanoseconds below that microsecond, 0 to 999. Two images of one build can differ only here.
    """

    time: datetime
    nano: int = 0

    @classmethod
    def parse(cls, text: str) -> Instant:
        """Read an RFC 3339 stamp with an offset and any number of fraction digits.

        Python 3.10 reads neither `Z` nor nine digits, hence the pattern.

        Raises:
            ValueError: not such a stamp, or not a possible time.
        """
        found = _STAMP.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a time with a zone, such as 2026-11-20T17:31:05Z")
        day, clock, fraction, zone = found.groups()
        digits = f"{fraction or '0':0<9}"
        offset = "+00:00" if zone in "Zz" else zone
        try:
            time = datetime.fromisoformat(f"{day}T{clock}.{digits[:6]}{offset}").astimezone(timezone.utc)
        except OverflowError as error:  # 0001-01-01T00:00:00+14:00 has no UTC form
            raise ValueError(f"{text!r} is outside the calendar") from error
        return cls(time, int(digits[6:9]))

    def day(self, zone: tzinfo = timezone.utc) -> date:
        """The day that it is in `zone`; a day beyond either end of the calendar is the calendar's last one there."""
        try:
            return self.time.astimezone(zone).date()
        except OverflowError:
            return self.time.date()

    def __str__(self) -> str:
        """RFC 3339 with Z, with no more digits than it needs."""
        text = self.time.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        digits = f"{self.time.microsecond:06}{self.nano:03}".rstrip("0")
        return f"{text}.{digits}Z" if digits else f"{text}Z"


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


@dataclass(frozen=True)
class Reference:
    """An image reference, `host:port/path:tag@digest`, taken apart.

    Attributes:
        host: the registry's host and port; empty where the reference names none.
        path: the repository.
        tag: empty where there is none.
        digest: `sha256:…`; empty where there is none.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take a reference apart by the rules that Docker uses.

        The first part is a host if it holds a dot or a colon or is `localhost`; everything else is a path.

        Raises:
            BadInput: not an image reference.
        """
        name, at, digest = text.partition("@")
        head, slash, rest = name.partition("/")
        host, path = (head, rest) if slash and ("." in head or ":" in head or head == "localhost") else ("", name)
        path, colon, tag = path.partition(":")
        sound = (
            _PATH.fullmatch(path)
            and (not host or _HOST.fullmatch(host))
            and (not colon or _TAG.fullmatch(tag))
            and (not at or _DIGEST.fullmatch(digest))
        )
        if not sound:
            raise BadInput(f"{text!r} is not an image reference", why="expected host/repository:tag@sha256:…")
        return cls(host, path, tag, digest)

    def __str__(self) -> str:
        host = f"{self.host}/" if self.host else ""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{host}{self.path}{tag}{digest}"

    def at(self, tag: str, digest: str = "") -> Reference:
        """The same repository on the same host, with another tag and digest."""
        return replace(self, tag=tag, digest=digest)


def is_repo(text: str) -> bool:
    """Tell whether `text` is a repository's path, such as `shop/billing`."""
    return bool(_PATH.fullmatch(text)) and len(text) <= 255


def is_tag(text: str) -> bool:
    """Tell whether a registry could have a tag of this name (at most 128 characters)."""
    return bool(_TAG.fullmatch(text))


def is_digest(text: str) -> bool:
    """Tell whether `text` is a whole digest."""
    return bool(_DIGEST.fullmatch(text))


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
