"""What apps were configured with, as their target remembers it, and which images that names. Pure.

A configuration that a target lists need not have run: a refused update leaves one behind, and so does a deployment
that was rolled back. Where there is a sign of that, the moment is uncertain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rollback.core.apps import Container
from rollback.core.image import Basis, CreatedFrom, DeployedImage, Image
from rollback.core.image_reference import Reference
from rollback.core.matching import same_repo
from rollback.core.timestamps import Instant
from rollback.errors import BadInput


@dataclass(frozen=True)
class ConfiguredImages:
    """One configuration of an app.

    Attributes:
        app: id of the app.
        containers: its containers with their images; empty where it ran none, or the target no longer has it.
        since: when it was configured so.
        until: when it was configured otherwise; None if it still is.
        before: when the configuration before it was made; None if the target remembers none.
        doubtful: whether the target has a sign that it never ran, or not at that time.
    """

    app: str
    containers: tuple[Container, ...]
    since: Instant
    until: Instant | None = None
    before: Instant | None = None
    doubtful: bool = False

    def certain(self, timeout_s: float) -> bool:
        """Whether it is known to have run from `since` on.

        A configuration that another one follows, or that follows another one, while that was still being deployed
        may have been refused or rolled back; the present one is known to run.

        Args:
            timeout_s: how long a deployment may take, in seconds.
        """
        if self.doubtful:
            return False
        if self.until is None:
            return True
        gaps = [_seconds(self.since, self.until)] + ([_seconds(self.before, self.since)] if self.before else [])
        return min(gaps) >= timeout_s


def _seconds(one: Instant, other: Instant) -> float:
    return (other.time - one.time).total_seconds()


def of_repo(repo: str, configured: Iterable[ConfiguredImages], timeout_s: float) -> tuple[DeployedImage, ...]:
    """What the configurations of one app say about the images of a repository, oldest first.

    Configurations that follow each other with the same image are one entry: whether the later one ever ran does not
    matter then.

    Args:
        repo: the repository.
        configured: of one app, oldest first.
        timeout_s: how long a deployment may take, in seconds.
    """
    found: list[DeployedImage] = []
    for one in configured:
        references = _references(one, repo)
        if not references:
            continue
        image = references.pop()
        certain = not references and one.certain(timeout_s)
        entry = DeployedImage(one.app, repo, image.tag, image.digest, one.since, one.until, certain)
        last = found[-1] if found else None
        same = last and (last.until, last.tag, last.digest) == (entry.since, entry.tag, entry.digest)
        if last and same and (last.certain or not certain):
            found[-1] = replace(last, until=entry.until)
        else:
            found.append(entry)
    return tuple(found)


def _references(one: ConfiguredImages, repo: str) -> set[Reference]:
    found = set()
    for part in one.containers:
        try:
            reference = Reference.parse(part.image)
        except BadInput:
            continue
        if same_repo(reference, repo):
            found.add(reference)
    return found


def with_digests(
    deployed: Iterable[DeployedImage],
    tagged: Mapping[tuple[str, str], str],
    created: Mapping[tuple[str, str], Instant],
    moves: Callable[[str], bool],
) -> tuple[DeployedImage, ...]:
    """Find the digests of images that were configured by a tag alone, as far as the tag proves them.

    Args:
        deployed: what the target remembers.
        tagged: by repository and tag, the digest that the registry has for it.
        created: by repository and digest, when the image was created, where that is known.
        moves: whether a tag is of the kind that moves.

    Returns:
        The same entries; uncertain where the tag may have named another image then: it moves, or what it names now
        was created after the app was configured with it.
    """
    found = []
    for entry in deployed:
        if not entry.digest:
            digest = tagged.get((entry.repo, entry.tag), "")
            since = created.get((entry.repo, digest))
            other = not entry.tag or moves(entry.tag) or (since is not None and since > entry.since)
            entry = replace(entry, digest=digest, certain=entry.certain and not other)
        found.append(entry)
    return tuple(found)


def images(
    deployed: Iterable[DeployedImage],
    known: Mapping[tuple[str, str], Image],
    tags: Mapping[tuple[str, str], Sequence[str]],
) -> tuple[Image, ...]:
    """The images that ran and are still in the registry, each once.

    Args:
        deployed: with the digests that the registry still has; empty for others.
        known: by repository and digest, the images whose creation time is known.
        tags: by repository and digest, the tags that name it now.
    """
    first: dict[tuple[str, str], DeployedImage] = {}
    for entry in sorted(deployed, key=lambda entry: entry.since):
        if entry.digest:
            first.setdefault((entry.repo, entry.digest), entry)
    found = []
    for key, entry in first.items():
        if key in known:
            found.append(known[key])
            continue
        names = tuple(tags.get(key, ())) or (entry.tag,)
        if names[0]:
            shown = entry.tag if entry.tag in names else names[0]
            found.append(
                Image(entry.repo, shown, entry.since, entry.digest, CreatedFrom.DEPLOYED, names, basis=Basis.DEPLOYED)
            )
    return tuple(found)


def by_app(deployed: Iterable[DeployedImage], repo: str) -> dict[str, list[DeployedImage]]:
    """The entries of one repository by app, oldest first."""
    found: dict[str, list[DeployedImage]] = defaultdict(list)
    for entry in sorted(deployed, key=lambda entry: entry.since):
        if entry.repo == repo:
            found[entry.app].append(entry)
    return dict(found)


def at(entries: Sequence[DeployedImage], moment: Instant) -> DeployedImage | None:
    """The entry of one app that counts at a moment; None if there is none.

    Args:
        entries: oldest first.
        moment: the moment.
    """
    entry = next((one for one in reversed(entries) if one.since <= moment), None)
    return None if entry is None or (entry.until is not None and entry.until <= moment) else entry
