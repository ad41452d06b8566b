"""Where an environment's state is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from rollback.errors import Failed, TargetError
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState, Withdrawn
from rollback.state.state_store import FolderStateStore, StateStore, TargetStateStore
from rollback.targets.marathon import placeholder_app

STATE = EnvironmentState(None, (Withdrawn("a/b:1", "alice", "2026-11-22T04:00:00Z", "", "r1"),))


class Wall:
    """Markers in memory."""

    def __init__(self) -> None:
        self.markers: dict[str, Mapping[str, str]] = {}

    def marker_id(self, name: str, env: str, app_ids: Collection[str]) -> str:
        return placeholder_app.beside(name, env, app_ids)

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        return self.markers.setdefault(marker, dict(labels)) == labels

    def labels(self, marker: str) -> Mapping[str, str] | None:
        return self.markers.get(marker)

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        self.markers[marker] = labels

    def remove(self, marker: str) -> None:
        self.markers.pop(marker, None)


@pytest.fixture(params=["folder", "target"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return (
        FolderStateStore(tmp_path / "state", "prod", "marathon at x")
        if request.param == "folder"
        else TargetStateStore(Wall(), "/m")
    )


def test_nothing_is_remembered_at_first(kept: StateStore) -> None:
    assert kept.load() == EnvironmentState()


def test_what_is_kept_is_loaded_again_and_can_be_changed(kept: StateStore) -> None:
    kept.change(lambda _: STATE)
    kept.change(lambda state: freeze.after_run(state, [], None, ["nothing"]))

    assert kept.load() == STATE


def test_environments_and_targets_are_kept_apart(tmp_path: Path) -> None:
    FolderStateStore(tmp_path, "prod", "marathon at x").change(lambda _: STATE)

    assert FolderStateStore(tmp_path, "stage", "marathon at x").load() == EnvironmentState()
    assert FolderStateStore(tmp_path, "prod", "marathon at y").load() == EnvironmentState()


def test_a_state_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    kept = FolderStateStore(tmp_path, "prod", "x")
    kept.change(lambda _: STATE)
    next(tmp_path.glob("*.json")).write_text("torn")

    with pytest.raises(Failed, match="cannot be read"):
        kept.load()


def test_an_empty_state_is_no_marker_at_all() -> None:
    wall = Wall()
    kept = TargetStateStore(wall, "/ds/prod/rollback-freeze")
    kept.change(lambda _: STATE)
    placed = set(wall.markers)

    kept.change(lambda _: EnvironmentState())

    assert (placed, wall.markers) == ({"/ds/prod/rollback-freeze"}, {})


@pytest.mark.parametrize(
    ("app_ids", "place"),
    [
        (["/ds/prod/shop/billing"], "/ds/prod/rollback-freeze"),
        (["/prod/billing"], "/prod/rollback-freeze"),
        (["/ds/preprod/shop/billing", "/eu/ds/prod/shop/billing"], "/eu/ds/prod/rollback-freeze"),
    ],
)
def test_a_marker_stands_beside_the_environment(app_ids: list[str], place: str) -> None:
    assert placeholder_app.beside("rollback-freeze", "prod", app_ids) == place


def test_there_is_no_place_where_no_app_is_of_the_environment() -> None:
    with pytest.raises(TargetError, match="no place"):
        placeholder_app.beside("rollback-freeze", "prod", ["/ds/preprod/shop/billing"])
