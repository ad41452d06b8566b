"""Which versions of an app name its present configuration.

Marathon gives an app a new version for every change, scaling included, so tasks of one configuration carry several.
The order of versions means nothing: after a deployment was rolled back, app, tasks and stored definition carry a
version that is older than the one before, and the next roll-back gives the same one to another configuration (seen on
Marathon 1.10; it is about the time at which the leader began). So configurations are compared by their content.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rollback.core.apps import Failure, Status
from rollback.targets.marathon import serialization

Configuration = tuple[str, str]
"""Image reference and fingerprint."""


class Configurations:
    """Remembers what each version of an app was seen to hold; may be used from several threads."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Configuration | None] = {}
        self._newest: dict[str, tuple[str, str]] = {}  # by app: its version, and the failure that it showed
        self._past_failures: dict[str, str] = {}  # by app: a failure that was there before its version changed
        self._lock = threading.Lock()

    def note(self, entry: Mapping[str, Any]) -> None:
        """Remember an app as it is now.

        Raises:
            TargetError: not an app.
        """
        app_id, configuration = str(entry.get("id")), _configuration(entry)
        failure, version = serialization.failure_key(entry), serialization.version(entry)
        with self._lock:
            for name in serialization.versions(entry):
                self._seen[app_id, name] = configuration
            before, shown = self._newest.get(app_id, (version, ""))
            if before != version and shown:
                self._past_failures[app_id] = shown
            self._newest[app_id] = (version, failure or shown)

    def learn(self, app_id: str, version: str, entry: Mapping[str, Any] | None) -> None:
        """Remember a stored definition; None where Marathon no longer has it.

        Raises:
            TargetError: not an app.
        """
        with self._lock:
            self._seen[app_id, version] = None if entry is None else _configuration({**entry, "id": app_id})

    def unknown(self, entry: Mapping[str, Any]) -> frozenset[str]:
        """The versions of an app's tasks of which nobody can say yet what they hold."""
        app_id = str(entry.get("id"))
        found = {str(task.get("version") or "") for task in entry.get("tasks") or ()} - {""}
        with self._lock:
            return frozenset(
                version
                for version in found - set(serialization.versions(entry))
                if (app_id, version) not in self._seen
            )

    def status(self, entry: Mapping[str, Any], queue: Iterable[Mapping[str, Any]] = ()) -> Status:
        """Judge how far an app is, by what its versions are known to hold; see `serialization.status`.

        Raises:
            TargetError: not an app.
        """
        seen = serialization.status(entry, queue, self._present(entry))
        return seen if self._is_new(seen.id, seen.failure) else replace(seen, failure=None)

    def failure(self, entry: Mapping[str, Any]) -> Failure | None:
        """The newest failure of an app's present configuration; see `serialization.failure`."""
        found = serialization.failure(entry, self._present(entry))
        return found if self._is_new(str(entry.get("id")), found) else None

    def _present(self, entry: Mapping[str, Any]) -> frozenset[str]:
        """The versions that name an app's present configuration, as far as they were seen."""
        app_id, configuration = str(entry.get("id")), _configuration(entry)
        with self._lock:
            same = {version for (app, version), held in self._seen.items() if app == app_id and held == configuration}
        return frozenset(same) | frozenset(serialization.versions(entry))

    def _is_new(self, app_id: str, failure: Failure | None) -> bool:
        """Whether a failure was not there before the app got its present version, which it may have had before."""
        with self._lock:
            return failure is None or self._past_failures.get(app_id) != failure.key


def _configuration(entry: Mapping[str, Any]) -> Configuration:
    app = serialization.app(entry)
    return app.image, app.fingerprint
