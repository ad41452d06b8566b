"""What the target remembers of the images of each app, and what the registry still has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from rollback.config.settings import Settings
from rollback.core import deployed, matching
from rollback.core.creation_time import ResolvedTag
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image import DeployedImage, Image
from rollback.core.plan import Environment
from rollback.errors import NotInRegistry, TargetError
from rollback.registry.client import Registry
from rollback.system.bounded_call import each
from rollback.targets.base import Target
from rollback.targets.capabilities import ImageMemory
from rollback.workflow import context
from rollback.workflow.context import Access

_AT_A_TIME = 8  # requests to the registry


@dataclass(frozen=True)
class TargetMemory:
    """What the target remembers.

    Attributes:
        deployed: per app and repository, what it was configured with; digests only where its references have them.
        warnings: what cannot be known.
    """

    deployed: tuple[DeployedImage, ...] = ()
    warnings: tuple[str, ...] = ()

    def has(self, repo: str, tag: str) -> bool:
        """Whether an app ran an image under this tag."""
        return any((entry.repo, entry.tag) == (repo, tag) for entry in self.deployed)


def remembered(
    config: Settings, login: Access, env: Environment, repos: Sequence[str], registry_url: str, last: int
) -> TargetMemory:
    """Query the target for what the apps of some repositories were configured with.

    Args:
        config: the settings.
        login: for the target.
        env: the environment.
        repos: the repositories.
        registry_url: URL of the registry.
        last: how many of the newest images of each app count.

    Raises:
        TargetError: the target cannot be queried, or remembers nothing.
        BadInput: its settings or the login cannot be used.
    """
    target = context.target(config, login, env.name)
    try:
        target.login()
        apps = target.apps(env.name)
        rules = context.rules(config, registry_url)
        found = [matching.find(repo, apps, env.name, rules) for repo in repos]
        ids = sorted({app.id for one in found for app in one.apps})
        history = _memory(target).image_history(ids, last) if ids else {}
    finally:
        target.close()
    entries = [
        entry
        for one in found
        for app in one.apps
        for entry in deployed.of_repo(one.repo, history.get(app.id, ()), config.run.timeout_s)
    ]
    warnings = [
        f"{one.repo}: what ran is not known, and when its images were built decides: {one.reason.what}"
        for one in found
        if one.reason
    ]
    return TargetMemory(tuple(entries), tuple(warnings))


def _memory(target: Target) -> ImageMemory:
    if not hasattr(target, "image_history"):
        raise TargetError(
            f"{target.name} does not remember which images ran",
            why="this kind of target keeps no earlier configurations that can be read",
            hint="use --basis=built",
        )
    return cast(ImageMemory, target)


def in_registry(
    memory: TargetMemory,
    resolved: Iterable[ResolvedTag],
    dated: Iterable[Image],
    registry: Registry,
    tags: EnvironmentTags,
) -> tuple[tuple[DeployedImage, ...], tuple[Image, ...]]:
    """Find in the registry what ran.

    Args:
        memory: what the target remembers.
        resolved: what the tags in the registry name, those that ran included.
        dated: the images of the environment whose creation time is known.
        registry: the registry.
        tags: the tags of the environment.

    Returns:
        The entries with their digests, and the images that the registry still has.

    Raises:
        RegistryError: it cannot be queried.
    """
    tagged = {(one.repo, one.tag): one.digest for one in resolved}
    known = {(image.repo, image.digest): image for image in dated}
    names: dict[tuple[str, str], list[str]] = {}
    for (repo, tag), digest in sorted(tagged.items()):
        names.setdefault((repo, digest), []).append(tag)
    created = {key: image.created for key, image in known.items()}
    entries = deployed.with_digests(memory.deployed, tagged, created, tags.moves)
    pinned = {(one.repo, one.digest) for one in entries if one.digest} - set(names)

    def there(key: tuple[str, str]) -> bool:
        try:
            registry.complete(*key)
        except NotInRegistry:
            return False
        return True

    gone = {key for key, found in zip(pinned, each(there, pinned, workers=_AT_A_TIME), strict=True) if not found}
    present = [replace(one, digest="") if (one.repo, one.digest) in gone else one for one in entries]
    return entries, deployed.images(present, known, names)


def gone(entries: Iterable[DeployedImage], ran: Iterable[Image]) -> Mapping[str, tuple[str, ...]]:
    """By repository, the tags or digests that ran and that the registry no longer has.

    Args:
        entries: what the target remembers, with digests.
        ran: the images that the registry has.
    """
    held = {(image.repo, image.digest) for image in ran}
    missing: dict[str, dict[str, None]] = {}
    for entry in entries:
        if not entry.digest or (entry.repo, entry.digest) not in held:
            missing.setdefault(entry.repo, {})[entry.tag or entry.digest[:19] or "an image without a tag"] = None
    return {repo: tuple(names) for repo, names in missing.items()}
