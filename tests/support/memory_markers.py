"""Markers in memory."""

from __future__ import annotations

from collections.abc import Mapping

from rollback.errors import TargetError


class MemoryMarkers:
    """Satisfies `Markers`.

    Attributes:
        markers: by id, the labels.
        failing: by id, what every request for that marker comes to.
        reads: ids of the markers that were read, in order.
    """

    def __init__(self, *ids: str) -> None:
        self._ids = ids
        self.markers: dict[str, Mapping[str, str]] = {}
        self.failing: dict[str, TargetError] = {}
        self.reads: list[str] = []

    def marker_ids(self, name: str, env: str) -> tuple[str, ...]:
        return self._ids

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        self._fail(marker)
        if marker in self.markers:
            return False
        self.markers[marker] = dict(labels)
        return True

    def labels(self, marker: str) -> Mapping[str, str] | None:
        self.reads.append(marker)
        self._fail(marker)
        return self.markers.get(marker)

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        self._fail(marker)
        self.markers[marker] = dict(labels)

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        self._fail(marker)
        if marker not in self.markers or not only_if.items() <= self.markers[marker].items():
            return False
        del self.markers[marker]
        return True

    def _fail(self, marker: str) -> None:
        if marker in self.failing:
            raise self.failing[marker]
