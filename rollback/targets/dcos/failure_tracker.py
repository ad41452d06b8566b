"""Which apps to query for their failures.

Only `app show` shows a failed task, and it costs a process per app. A task that failed leaves traces in what is
queried anyway: it is gone at the next look, and Marathon backs off before it starts another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rollback.core.apps import Failure, Status


@dataclass(frozen=True)
class _LastStatus:
    """What was known of an app at the last look."""

    version: str
    tasks: frozenset[str]
    failure: Failure | None = None


class FailureTracker:
    """Remembers one look for the next; may be used from several threads."""

    def __init__(self) -> None:
        self._seen: dict[str, _LastStatus] = {}
        self._lock = threading.Lock()

    def apps_with_recent_failures(self, looks: Iterable[Status]) -> list[str]:
        """The apps that have lost a task of their present version, or back off, since the last look.

        Args:
            looks: each app's status.
        """
        found = []
        with self._lock:
            for status in looks:
                now = status.live
                before = self._seen.get(status.id)
                if before is None or before.version != status.version:
                    before = _LastStatus(status.version, frozenset())
                if before.tasks - now or status.waiting.startswith("back-off"):
                    found.append(status.id)
                self._seen[status.id] = replace(before, tasks=now)
        return found

    def with_known_failure(self, status: Status, failure: Failure | None) -> Status:
        """Add the newest failure that is known of the app's present version.

        Args:
            status: a look at the app.
            failure: the answer of just now; None if nothing was queried, or if there is none.
        """
        with self._lock:
            seen = self._seen.get(status.id)
            if seen is None or seen.version != status.version:
                return replace(status, failure=failure)
            known = replace(seen, failure=failure or seen.failure)
            self._seen[status.id] = known
        return replace(status, failure=known.failure)
