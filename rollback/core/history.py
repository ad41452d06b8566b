"""What existed when: the images of each repository, and the dates that can be offered. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timezone, tzinfo
from zoneinfo import ZoneInfo

from rollback.core.creation_time import undated_text
from rollback.core.image import Basis, DeployedImage, Image, Skipped
from rollback.core.plain_text import counted
from rollback.core.timestamps import Instant
from rollback.errors import BadInput

_MOST_TAGS = 2  # named in a line about many


@dataclass(frozen=True)
class History:
    """The images of one environment, and the dates to which the fleet can go back.

    Attributes:
        repos: every requested repository, in that order.
        images: newest first; per repository the newest `last` without a gap, and older ones that complete a date.
        dates: the dates offered, newest first.
        env: deployment name of the environment; empty in a file of the older form, like all that follow.
        tag_env: its tag name.
        registry: the registry's URL.
        generated: when the registry was queried.
        timezone: IANA name of the zone whose days the dates are.
        last: how many of the newest images of each repository are held without a gap; 0: nobody knows.
        skipped: tags of the environment that are not offered, and why.
        basis: what the dates rest on.
        deployed: what the target remembers of each app; empty if it was not queried.
    """

    repos: tuple[str, ...]
    images: tuple[Image, ...]
    dates: tuple[date, ...]
    env: str = ""
    tag_env: str = ""
    registry: str = ""
    generated: Instant | None = None
    timezone: str = "UTC"
    last: int = 0
    skipped: tuple[Skipped, ...] = ()
    basis: Basis = Basis.BUILT
    deployed: tuple[DeployedImage, ...] = ()

    @property
    def zone(self) -> tzinfo:
        """The zone of the dates."""
        return zone(self.timezone)

    def of(self, repo: str) -> tuple[Image, ...]:
        """The images of one repository that were found by when they were built, newest first."""
        return tuple(image for image in self.images if image.repo == repo and image.basis is Basis.BUILT)

    def ran(self, entry: DeployedImage) -> Image | None:
        """The image of an entry of `deployed`; None if the registry no longer has it, or its digest is unknown."""
        return _ran(entry, {(image.repo, image.digest): image for image in self.images})

    def undated(self, repo: str) -> str:
        """What is wrong with the images of a repository whose time is unknown; empty if there are none."""
        return undated_text(self.skipped, repo, len(self.of(repo)))

    def left_out(self, repo: str) -> tuple[str, ...]:
        """What of a repository is not offered, and why: a line for all undated images, and one for each reason."""
        reasons: dict[str, list[str]] = {}
        for skip in self.skipped:
            if skip.repo == repo and not skip.undated:
                reasons.setdefault(skip.reason, []).append(skip.tag)
        undated = self.undated(repo)
        missing = [
            f"{repo}:{tags[0]} is left out: {reason}"
            if len(tags) == 1
            else f"{repo}: {len(tags)} tags are left out ({', '.join(tags[:_MOST_TAGS])}, …): {reason}"
            for reason, tags in reasons.items()
        ]
        return (
            *((f"{repo}: {undated}; set `registry.tag_date` if its tags hold dates",) if undated else ()),
            *missing,
        )

    def without_image(self, repo: str) -> str:
        """Why a repository has no image at all."""
        if self.undated(repo):
            return self.undated(repo)
        reasons = [skip.reason for skip in self.skipped if skip.repo == repo]
        if not reasons:
            return f"it has no tag of {self.env or 'this environment'}"
        return f"it has {counted(len(reasons), 'tag')}, and none is offered: {reasons[0]}"

    def remembered_text(self, repo: str) -> str:
        """Why no deployment of a repository gives a date."""
        if any(entry.repo == repo for entry in self.deployed):
            return "what its apps were configured with is uncertain, or gone from the registry"
        return "no app of it was found, or the target remembers none of its images"

    def reach(self, repo: str) -> Instant | None:
        """How far back every image of a repository is held; None if all of them are, or nobody knows."""
        newest: dict[str, Instant] = {}
        for image in self.of(repo):
            newest.setdefault(image.build, image.created)
        return list(newest.values())[self.last - 1] if 0 < self.last <= len(newest) else None

    def by_day(self) -> dict[date, dict[str, Image]]:
        """What each date offered brought: per repository, in the order of `repos`, the newest image of that day.

        On the deployed basis that is the newest that any app got that day; its `basis` says so.
        """
        newest: dict[tuple[date, str], Image] = {}
        if self.basis is not Basis.BUILT:
            known = {(image.repo, image.digest): image for image in self.images}
            for entry in sorted(self.deployed, key=lambda entry: entry.since, reverse=True):
                image = _ran(entry, known) if entry.certain else None
                if image:
                    newest.setdefault((entry.since.day(self.zone), entry.repo), image)
        if self.basis is not Basis.DEPLOYED:
            for image in self.images:
                if image.basis is Basis.BUILT:
                    newest.setdefault((image.day(self.zone), image.repo), image)
        return {day: {repo: newest[day, repo] for repo in self.repos if (day, repo) in newest} for day in self.dates}


def _ran(entry: DeployedImage, known: Mapping[tuple[str, str], Image]) -> Image | None:
    image = known.get((entry.repo, entry.digest)) if entry.digest else None
    return replace(image, basis=Basis.DEPLOYED) if image else None


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        BadInput: there is none of that name on this machine.
    """
    if name == "UTC":  # needs no time zone database, which small images lack
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(
            f"there is no time zone called {name!r:.60}",
            why=f"{error!s:.200}",
            hint="use a name such as Europe/Berlin or UTC",
        ) from error


def build(
    repos: Sequence[str],
    images: Iterable[Image],
    skipped: Iterable[Skipped] = (),
    *,
    last: int = 10,
    env: str = "",
    tag_env: str = "",
    registry: str = "",
    generated: Instant | None = None,
    timezone: str = "UTC",
    basis: Basis = Basis.BUILT,
    deployed: Iterable[DeployedImage] = (),
    ran: Iterable[Image] = (),
) -> History:
    """Decide what is kept of all that the registry holds.

    Kept are the newest `last` builds of each repository, by time. Their days are the dates offered; for every
    date offered, each repository also keeps the image that it had then, however old it is. Of several images with
    one time all are kept or none, so that nothing looks like the newest because its equal was left out.

    On the deployed basis the dates are those on which an app is known to have got an image, on `auto` both kinds.

    Args:
        repos: the repositories, each once.
        images: every dated image of the environment, in any order.
        skipped: what was left out, and why.
        last: how many per repository, at least 1.
        env: deployment name of the environment.
        tag_env: tag name of the environment.
        registry: URL of the registry.
        generated: when it was queried.
        timezone: IANA name of the zone whose days count.
        basis: what the dates rest on.
        deployed: what the target remembers.
        ran: the images that it names, as far as the registry has them.
    """
    days = zone(timezone)
    oldest_first: dict[str, list[Image]] = {repo: [] for repo in repos}
    for image in images:
        oldest_first[image.repo].append(image)
    for of_repo in oldest_first.values():
        of_repo.sort(key=lambda image: image.order)
    kept = {repo: _newest_builds(of_repo, last) for repo, of_repo in oldest_first.items()}
    remembered = tuple(sorted(deployed, key=lambda entry: (entry.app, entry.since, entry.repo)))
    offered = {image.day(days) for newest in kept.values() for image in newest}
    if basis is not Basis.BUILT:
        deployments = {entry.since.day(days) for entry in remembered if entry.certain}
        offered = deployments if basis is Basis.DEPLOYED else offered | deployments
    dates = sorted(offered, reverse=True)
    for repo, of_repo in oldest_first.items():
        released = [image.day(days) for image in of_repo]
        for day in dates:
            until = bisect_right(released, day)
            created = of_repo[until - 1].created if until else None
            while until and of_repo[until - 1].created == created:
                until -= 1
                kept[repo].add(of_repo[until])
    held = [image for images_of_repo in kept.values() for image in images_of_repo]
    digests = {(image.repo, image.digest) for image in held}
    held += [replace(one, basis=Basis.DEPLOYED) for one in ran if (one.repo, one.digest) not in digests]
    return History(
        repos=tuple(repos),
        images=newest_first(held),
        dates=tuple(dates),
        env=env,
        tag_env=tag_env,
        registry=registry,
        generated=generated,
        timezone=timezone,
        last=last,
        skipped=tuple(sorted(skipped, key=lambda skip: (skip.repo, skip.tag))),
        basis=basis,
        deployed=remembered,
    )


def _newest_builds(oldest_first: Sequence[Image], count: int) -> set[Image]:
    """The images of the newest `count` builds, and those that are as old as the last of them."""
    kept: set[Image] = set()
    builds: set[str] = set()
    boundary: Instant | None = None
    for image in reversed(oldest_first):
        if len(builds) >= count and image.build not in builds and image.created != boundary:
            break
        if len(builds) < count:
            boundary = image.created
        builds.add(image.build)
        kept.add(image)
    return kept


def newest_first(images: Iterable[Image]) -> tuple[Image, ...]:
    """Sort images by time, newest first; ties by tag, then by repository."""
    by_repo = sorted(images, key=lambda image: image.repo)
    return tuple(sorted(by_repo, key=lambda image: image.order, reverse=True))
