"""What the containers of an image do; the stand-in kubelet reads it, tests write it.

A rollback changes only images, so the image must decide what happens to a container. Each namespace has a table of
its own, a file that tests can change at any time: containers that already run notice it, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class ImageBehavior:
    """What the containers of one image do. All durations are in seconds.

    Attributes:
        pull_error: why the image cannot be pulled, in the words of the container runtime; empty if it can be.
        config_error: why the container cannot be configured (`CreateContainerConfigError`); empty if it can be.
        ready_after_s: from the start of a container until it is ready; None: never.
        exits_after_s: from the start of a container until it exits, each time; None: it stays.
        exit_code: what it exits with; an init container with 0 has done its work.
        exit_reason: `Error`, `OOMKilled` or `Completed`.
        terminates_after_s: from the deletion of a pod until its containers have ended.
        digest: what the image's tag resolves to, `sha256:…`; empty for one derived from the reference.
    """

    pull_error: str = ""
    config_error: str = ""
    ready_after_s: float | None = 0.2
    exits_after_s: float | None = None
    exit_code: int = 1
    exit_reason: str = "Error"
    terminates_after_s: float = 0.0
    digest: str = ""

    def with_digest(self, digest: str) -> ImageBehavior:
        """The same behavior of another image."""
        return replace(self, digest=digest)


ANY = "*"  # as an image in a table: all that are not in it

HEALTHY = ImageBehavior()
CRASHES = ImageBehavior(exits_after_s=0.2, ready_after_s=0.0)  # ready for a moment, as without a readiness probe
UNPULLABLE = ImageBehavior(pull_error="not found")
MISCONFIGURED = ImageBehavior(config_error='secret "settings" not found')
NEVER_READY = ImageBehavior(ready_after_s=None)


def dies(after_s: float) -> ImageBehavior:
    """Ready at first, then killed for using too much memory, again after each restart."""
    return ImageBehavior(exits_after_s=after_s, exit_code=137, exit_reason="OOMKilled")


def slow(ready_after_s: float) -> ImageBehavior:
    """Takes its time to become ready."""
    return ImageBehavior(ready_after_s=ready_after_s)


def lingers(terminates_after_s: float) -> ImageBehavior:
    """Healthy, and slow to end."""
    return ImageBehavior(terminates_after_s=terminates_after_s)


class BehaviorTable:
    """The behaviors of images in all namespaces, as files in a folder: one writer per namespace, one reader.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[tuple[int, int], Mapping[str, ImageBehavior]]] = {}

    def write(self, namespace: str, behaviors: Mapping[str, ImageBehavior]) -> None:
        """Replace the table of a namespace; keys are image references.

        A key without a digest is also meant where a pod's image has one: `repo:tag` for `repo:tag@sha256:…`.
        """
        temporary = self._folder / f".{namespace}.{os.getpid()}"
        temporary.write_text(json.dumps({image: asdict(behavior) for image, behavior in behaviors.items()}))
        temporary.replace(self._folder / f"{namespace}.json")

    def find(self, namespace: str, image: str) -> ImageBehavior:
        """The behavior of an image: of its whole reference, without its digest, without its tag, or of `ANY`."""
        table = self._load(namespace)
        name, _, digest = image.partition("@")
        repository = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
        for key in (image, name, f"{repository}@{digest}", ANY):
            if key in table:
                return table[key]
        return HEALTHY

    def _load(self, namespace: str) -> Mapping[str, ImageBehavior]:
        file = self._folder / f"{namespace}.json"
        try:
            info = file.stat()
            version = (info.st_mtime_ns, info.st_ino)  # a new file may have the old one's time
            if namespace not in self._read or self._read[namespace][0] != version:
                table = {image: ImageBehavior(**fields) for image, fields in json.loads(file.read_text()).items()}
                self._read[namespace] = (version, table)
        except FileNotFoundError:
            return {}
        return self._read[namespace][1]
