"""How many HTTP requests were made, of which kind: what `--debug` shows, and what the tests hold us to."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, fields
from enum import Enum


class RequestKind(str, Enum):
    """What a request was for."""

    LIST = "lists"
    MANIFEST = "manifests"
    HEAD = "heads"
    CONFIG = "configs"
    TOKEN = "tokens"  # noqa: S105  (a word, not a password)
    OTHER = "others"


@dataclass(frozen=True)
class RequestCounts:
    """Requests sent, by kind.

    Attributes:
        lists: pages of tags.
        manifests: GETs of manifests, by tag and by digest.
        heads: HEADs of manifests and configs.
        configs: GETs of image configs.
        tokens: requests to token servers.
        others: registries' own APIs.
        redirects: requests to where a redirect led, counted beside the kinds above.
        repeats: requests that were sent again after a fault or a 401; counted among the kinds above, too.
        unchanged: how many of `manifests` were answered by "not modified".
        connections: connections opened.
    """

    lists: int = 0
    manifests: int = 0
    heads: int = 0
    configs: int = 0
    tokens: int = 0
    others: int = 0
    redirects: int = 0
    repeats: int = 0
    unchanged: int = 0
    connections: int = 0

    @property
    def requests(self) -> int:
        """All requests."""
        return self.lists + self.manifests + self.heads + self.configs + self.tokens + self.others + self.redirects

    def __str__(self) -> str:
        parts = [f"{value} {name}" for name, value in asdict(self).items() if value]
        return f"{self.requests} requests" + (f": {', '.join(parts)}" if parts else "")


class RequestCounter:
    """Counts as it goes; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = dict.fromkeys((field.name for field in fields(RequestCounts)), 0)

    def add(self, name: str) -> None:
        """Count one more of `name`, a field of `RequestCounts`."""
        with self._lock:
            self._numbers[name] += 1

    def take(self) -> RequestCounts:
        """The numbers so far."""
        with self._lock:
            return RequestCounts(**self._numbers)
