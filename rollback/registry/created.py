"""When was an image created: the first of several witnesses that can be believed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from rollback.core.image import CreatedFrom
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

# Builders that leave the real time out write 1970, 1980 or the year 1 (Bazel, jib, nix, buildpacks, cosign).
EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)
SLACK = timedelta(days=1)  # how far a build machine's clock may be ahead
_PARTS = ("year", "month", "day", "hour", "minute", "second")


class Undated(ValueError):
    """No witness of an image's time can be believed; the text says why."""


@dataclass(frozen=True)
class TimeEvidence:
    """Everything that was found about an image's time, as texts; empty where there is nothing.

    Attributes:
        config: `created` of the image's config.
        annotations: the manifest's, then the index's.
        labels: the config's, best first. Images inherit labels from their base, so these come late.
    """

    config: str = ""
    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class TagDate:
    """Reads a date out of a tag, by the user's own pattern.

    The pattern is a regular expression with a group `date` (8, 12 or 14 digits and any separators, or RFC 3339),
    or with the groups `year`, `month`, `day` and as many of `hour`, `minute`, `second` as there are. UTC.
    """

    def __init__(self, pattern: str) -> None:
        """Take the pattern.

        Raises:
            BadInput: not a regular expression, or without the groups.
        """
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise BadInput(f"the pattern {pattern!r} for dates in tags cannot be read", why=str(error)) from error
        groups = set(self._pattern.groupindex)
        if "date" not in groups and not groups.issuperset(_PARTS[:3]):
            raise BadInput(
                f"the pattern {pattern!r} for dates in tags has no date",
                why="it needs a group named date, or the groups year, month and day",
                hint=r"for instance (?P<date>\d{8}-\d{4})-.*",
            )

    def read(self, tag: str) -> Instant | None:
        """The date in a tag; None if there is none, or none that the calendar knows."""
        found = self._pattern.search(tag)
        if not found:
            return None
        groups = found.groupdict(default="")
        try:
            return _instant(groups)
        except ValueError:
            return None


def date(
    evidence: TimeEvidence, tag: str, now: datetime, tag_date: TagDate | None = None
) -> tuple[Instant, CreatedFrom]:
    """Find when an image was created, and which witness said so.

    Args:
        evidence: what was found.
        tag: the tag, for `tag_date`.
        now: the present time; a stamp more than a day later is not believed.
        tag_date: how to read a date out of the tag, if the user wants that.

    Raises:
        Undated: none of the witnesses can be believed.
    """
    doubts: list[str] = []
    witnesses = [(CreatedFrom.CONFIG, "created", evidence.config)]
    witnesses += [(CreatedFrom.ANNOTATION, "the annotation", text) for text in evidence.annotations]
    witnesses += [(CreatedFrom.LABEL, "the label", text) for text in evidence.labels]
    for source, name, text in witnesses:
        if not text:
            continue
        try:
            return plausible(Instant.parse(text), now), source
        except ValueError as error:
            doubts.append(f"{name} is {text[:40]!r}: {error}" if isinstance(error, Undated) else f"{name}: {error}")
    read = tag_date.read(tag) if tag_date else None
    if read:
        try:
            return plausible(read, now), CreatedFrom.TAG
        except Undated as error:
            doubts.append(f"the tag: {error}")
    elif tag_date:
        doubts.append("the tag holds no date")
    raise Undated("undated: " + ("; ".join(doubts) or "nothing tells when it was created"))


def plausible(instant: Instant, now: datetime) -> Instant:
    """Return the instant if it can be an image's.

    Raises:
        Undated: before 1990, or more than a day after `now`.
    """
    if instant.time < EARLIEST:
        raise Undated("before 1990, so a placeholder")
    if instant.time > now + SLACK:
        raise Undated("in the future")
    return instant


def _instant(groups: dict[str, str]) -> Instant:
    text = groups.get("date", "")
    if not text:
        return _utc([int(groups.get(part) or 0) for part in _PARTS])
    try:
        return Instant.parse(text)
    except ValueError:
        digits = re.sub(r"\D", "", text)
        if len(digits) not in {8, 12, 14}:
            raise
        pairs = [digits[:4], *(digits[at : at + 2] for at in range(4, 14, 2))]
        return _utc([int(pair or 0) for pair in pairs])


def _utc(parts: list[int]) -> Instant:
    year, month, day, hour, minute, second = parts
    return Instant(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc))
