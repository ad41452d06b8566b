"""Which images an app was configured with, read from the versions that Marathon keeps of it.

Marathon keeps about the last fifty definitions of each app (`--zk_max_versions`), in no promised order, and none of
them says whether it ever ran. Two signs speak against it (seen on Marathon 1.10):

- A deployment that is rolled back gives its apps back their former definition under a stamp that is older than it:
  about the time at which the leader began, the same for every such deployment. What was stored under it is lost.
- A refused update leaves its definition behind.

So where an app's present version is not its newest, the present stamp is not the time at which it was configured, and
the newest version did not last. A definition that equals the next one may be such a stamp from an earlier time, and
what follows two equal ones may have been rolled back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollback.core.apps import App
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.system.bounded_call import each
from rollback.targets.marathon import serialization

Definition = Mapping[str, Any]


@dataclass(frozen=True)
class _Version:
    """One version of an app: its time, and its text as Marathon writes it."""

    since: Instant
    text: str


class ImageVersions:
    """Reads the versions of apps; may be used from several threads.

    Args:
        listed: returns the versions of an app, in any order.
        stored: returns the definition of a version; None where Marathon no longer has it.
        at_once: how many of these are called at a time.
    """

    def __init__(
        self,
        listed: Callable[[str], Sequence[str]],
        stored: Callable[[str, str], Definition | None],
        at_once: int,
    ) -> None:
        self._listed = listed
        self._stored = stored
        self._at_once = at_once
        self._present: dict[str, Definition] = {}
        self._left_behind: set[str] = set()  # stamps that a rolled back deployment is known to have left
        self._lock = threading.Lock()

    def note(self, entries: Iterable[Definition]) -> None:
        """Remember the apps as they are now, so that their present definitions are not read again."""
        with self._lock:
            self._present.update({str(entry.get("id")): entry for entry in entries})

    def require_trusted(self, app_id: str, version: str) -> None:
        """Make sure that a version is not known to hold what a rolled back deployment has stored under it.

        Raises:
            TargetError: it is.
        """
        with self._lock:
            left_behind = version in self._left_behind
        if left_behind:
            raise TargetError(
                f"the past of {app_id} is not known",
                why=f"a deployment was rolled back, and Marathon has stored what it brought back under {version}, "
                "over what was there",
                hint="compare its present configuration with what you know of that day",
            )

    def history(self, ids: Sequence[str], most: int) -> dict[str, tuple[ConfiguredImages, ...]]:
        """See `ImageMemory.image_history`. One call for each app, and one for each version that is looked at."""
        versions = dict(zip(ids, each(self._versions, ids, workers=self._at_once), strict=True))
        found = each(lambda app_id: self._newest(app_id, versions[app_id], most), ids, workers=self._at_once)
        return dict(zip(ids, found, strict=True))

    def at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """See `ImageMemory.image_at`. Two calls; one where the present definition was in force then."""
        versions = self._versions(app_id)
        place = sum(version.since <= moment for version in versions) - 1
        if place < 0:
            return None
        return self._configured(app_id, versions, place, self._app(app_id, versions[place].text))

    def _versions(self, app_id: str) -> tuple[_Version, ...]:
        """The versions of an app, oldest first."""
        texts = sorted({_Version(Instant.parse(text), text) for text in self._listed(app_id)}, key=lambda v: v.since)
        present = self._present_version(app_id)
        if texts and present and present != texts[-1].text:
            with self._lock:
                self._left_behind.add(present)
        return tuple(texts)

    def _present_version(self, app_id: str) -> str:
        with self._lock:
            return str(self._present.get(app_id, {}).get("version") or "")

    def _app(self, app_id: str, version: str) -> App | None:
        """An app as it was configured in a version; None where Marathon no longer has it."""
        with self._lock:
            present = self._present.get(app_id, {})
        entry = present if present.get("version") == version else self._stored(app_id, version)
        return None if entry is None else serialization.app({**entry, "id": app_id})

    def _newest(self, app_id: str, versions: Sequence[_Version], most: int) -> tuple[ConfiguredImages, ...]:
        """The newest versions, back to where `most` images are known with the time at which each was configured."""
        definitions: dict[int, App | None] = {}
        images = 0
        for place in range(len(versions) - 1, -1, -1):
            definitions[place] = self._app(app_id, versions[place].text)
            later = definitions.get(place + 1)
            if place + 1 not in definitions or _image(later) != _image(definitions[place]):
                images += 1
            if images > most:
                break
        found = []
        for place in sorted(definitions):
            one = self._configured(app_id, versions, place, definitions[place])
            twin = place + 1 in definitions and _equal(definitions[place], definitions[place + 1])
            follows = place >= 2 and _equal(definitions.get(place - 2), definitions.get(place - 1))
            new = place - 1 not in definitions or _image(definitions[place - 1]) != _image(definitions[place])
            doubtful = one.doubtful or (new and one.until is not None and (twin or follows))
            found.append(replace(one, doubtful=doubtful))
        return tuple(found)

    def _configured(self, app_id: str, versions: Sequence[_Version], place: int, app: App | None) -> ConfiguredImages:
        version, last = versions[place], place == len(versions) - 1
        present = self._present_version(app_id)
        with self._lock:
            left_behind = version.text in self._left_behind
        return ConfiguredImages(
            app_id,
            app.parts if app else (),
            version.since,
            None if last else versions[place + 1].since,
            versions[place - 1].since if place else None,
            doubtful=app is None or left_behind or (last and bool(present) and present != version.text),
        )


def _image(app: App | None) -> str:
    return app.image if app else ""


def _equal(one: App | None, other: App | None) -> bool:
    """Whether two definitions of one app are equal in all that is compared, the number of instances included."""
    if one is None or other is None:
        return False
    return (one.image, one.fingerprint, one.instances) == (other.image, other.fingerprint, other.instances)
