"""When images were created: the best evidence of each that can be believed, seen beside all the others. Pure.

A time that several builds share is not the time of any of them: builders that leave the real time out write a fixed
one, and labels are inherited from the base image. So one image's time cannot be judged without its neighbors.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image import CreatedFrom, Image, Skipped
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

# Builders that leave the real time out write 1970, 1980 or the year 1 (Bazel, jib, nix, buildpacks, cosign).
EARLIEST = datetime(1990, 1, 1, tzinfo=timezone.utc)
SLACK = timedelta(days=1)  # how far a build machine's clock may be ahead
SHARED_BY = 3  # builds from which on a common time is nobody's
_PARTS = ("year", "month", "day", "hour", "minute", "second")


class Undated(ValueError):
    """A time cannot be believed; the text says why."""


@dataclass(frozen=True)
class TimeEvidence:
    """Everything that was found about an image's time, as texts; empty where there is nothing.

    Attributes:
        config: `created` of the image's config.
        annotations: the manifest's, then the index's.
        labels: the config's, best first. Images inherit labels from their base, so these come late.
        history: `created` of the newest entry of the config's `history`; often the base image's.
    """

    config: str = ""
    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    history: str = ""


@dataclass(frozen=True)
class ResolvedTag:
    """What a tag names.

    Attributes:
        repo: its repository.
        tag: the tag.
        digest: of the manifest that it names.
        config: digest of the image's config; empty if unknown.
        evidence: what was found about its time.
    """

    repo: str
    tag: str
    digest: str
    config: str
    evidence: TimeEvidence

    @property
    def build(self) -> str:
        """What two of them share if they are the same build."""
        return self.config or self.digest


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


def date_images(
    resolved: Iterable[ResolvedTag], tags: EnvironmentTags, now: datetime, tag_date: TagDate | None = None
) -> tuple[list[Image], list[Skipped]]:
    """Turn what the tags of one environment name into images, each with its time.

    Neither the order of the tags nor how many name an image matters. Times are compared between the builds of one
    repository (by config digest): one that three or more share is no evidence. The newest entry of the history is
    used only if it differs for every build of the repository, of which there have to be two at least; otherwise it
    is the base image's.

    Args:
        resolved: what each tag names.
        tags: the environment's.
        now: the present time; a stamp more than a day later is not believed.
        tag_date: how to read a date out of a tag, if the user wants that.

    Returns:
        The images with a time, and an entry for each image that has none, with the reasons.
    """
    by_repo: dict[str, dict[str, list[ResolvedTag]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(resolved, key=lambda one: (not one.config, one.tag)):  # first what was read, not just listed
        by_repo[one.repo][one.digest].append(one)
    images: list[Image] = []
    undated: list[Skipped] = []
    for repo, by_digest in by_repo.items():
        neighbors = _Neighbors([group[0] for group in by_digest.values()])
        for digest, group in by_digest.items():
            names = tuple(sorted(one.tag for one in group))
            shown = tags.best(names)
            try:
                created, source = _date(group[0], names, now, neighbors, tag_date)
            except Undated as error:
                undated.append(Skipped(repo, shown, f"undated: {error}", undated=True))
                continue
            images.append(Image(repo, shown, created, digest, source, names, group[0].config))
    return images, undated


def undated_text(skipped: Iterable[Skipped], repo: str, dated: int) -> str:
    """What is wrong with the undated images of a repository, in one line; empty if there are none.

    Args:
        skipped: of the whole history.
        repo: the repository.
        dated: how many images of it have a time.
    """
    reasons = [one.reason.removeprefix("undated: ") for one in skipped if one.repo == repo and one.undated]
    if not reasons:
        return ""
    distinct = sorted(set(reasons), key=lambda reason: (-reasons.count(reason), reason))
    detail = distinct[0] + (f", and {len(distinct) - 1} other reasons" if len(distinct) > 1 else "")
    if dated:
        return f"{len(reasons)} of {len(reasons) + dated} images have no usable time ({detail})"
    count = f"{len(reasons)} image{'s' if len(reasons) > 1 else ''}"
    return f"{count}, none with a usable time ({detail})"


class _Neighbors:
    """The evidence of all builds of one repository: how many of them share a time."""

    def __init__(self, images: Iterable[ResolvedTag]) -> None:
        self._sharing: dict[tuple[CreatedFrom, Instant], set[str]] = defaultdict(set)
        histories: dict[str, Instant | None] = {}
        for one in images:
            for source, _name, text in _texts(one.evidence):
                instant = _parsed(text)
                if instant:
                    self._sharing[source, instant].add(one.build)
            histories[one.build] = _parsed(one.evidence.history)
        known = [instant for instant in histories.values() if instant]
        self.histories_differ = len(histories) > 1 and len(known) == len(set(known)) == len(histories)

    def sharing(self, source: CreatedFrom, instant: Instant) -> int:
        """How many builds have this time from this source."""
        return len(self._sharing[source, instant])


def _texts(evidence: TimeEvidence) -> list[tuple[CreatedFrom, str, str]]:
    """Everything that is said about a time, best first: source, name, text."""
    said = [(CreatedFrom.CONFIG, "created", evidence.config)]
    said += [(CreatedFrom.ANNOTATION, "the annotation", text) for text in evidence.annotations]
    said += [(CreatedFrom.LABEL, "the label", text) for text in evidence.labels]
    said.append((CreatedFrom.HISTORY, "the history", evidence.history))
    return [entry for entry in said if entry[2]]


def _parsed(text: str) -> Instant | None:
    try:
        return Instant.parse(text)
    except ValueError:
        return None


def _date(
    image: ResolvedTag, tags: Iterable[str], now: datetime, neighbors: _Neighbors, tag_date: TagDate | None
) -> tuple[Instant, CreatedFrom]:
    """The best evidence of an image's time.

    Raises:
        Undated: none can be believed.
    """
    doubts: list[str] = []
    for source, name, text in _texts(image.evidence):
        try:
            instant = plausible(Instant.parse(text), now)
            if source is CreatedFrom.HISTORY and not neighbors.histories_differ:
                raise Undated("not different for every build, so perhaps the base image's")
            sharing = neighbors.sharing(source, instant)
            if sharing >= SHARED_BY:
                raise Undated(f"shared by {sharing} builds, so not its own")
        except Undated as error:
            doubts.append(f"{name} is {_shown(text)}: {error}")
        except ValueError as error:
            doubts.append(f"{name}: {error}")
        else:
            return instant, source
    if tag_date:
        read = [instant for instant in map(tag_date.read, tags) if instant]
        try:
            if read:
                return plausible(min(read), now), CreatedFrom.TAG  # a later tag of the same image did not build it
            doubts.append("the tag holds no date")
        except Undated as error:
            doubts.append(f"the tag: {error}")
    raise Undated("; ".join(doubts) or "nothing says when it was created")


def _shown(text: str) -> str:
    """A time as a reason shows it: of a placeholder the day is enough."""
    instant = _parsed(text)
    return str(instant.day()) if instant and instant.time < EARLIEST else repr(text[:40])


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


def _instant(groups: Mapping[str, str]) -> Instant:
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
