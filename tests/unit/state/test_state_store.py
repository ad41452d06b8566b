"""Where an environment's state is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from rollback.errors import Failed, TargetError
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState, Unfinished, Withdrawn
from rollback.state.known_addresses import Cluster
from rollback.state.state_store import FolderStateStore, StateStore, TargetStateStore, file_name
from rollback.targets.marathon import placeholder_app
from tests.support.memory_markers import MemoryMarkers

NOW = datetime(2026, 11, 22, 4, tzinfo=timezone.utc)
STATE = EnvironmentState(None, (Withdrawn("a/b:1", "alice", "2026-11-22T04:00:00Z", "", "r1"),))


@pytest.fixture(params=["folder", "target"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    return (
        FolderStateStore(tmp_path / "state", "prod", Cluster("marathon x"))
        if request.param == "folder"
        else TargetStateStore(MemoryMarkers(), ["/m"])
    )


def test_nothing_is_remembered_at_first(kept: StateStore) -> None:
    assert kept.load() == EnvironmentState()


def test_what_is_kept_is_loaded_again_and_can_be_changed(kept: StateStore) -> None:
    kept.change(lambda _: STATE)
    kept.change(lambda state: freeze.after_run(state, [], None, ["nothing"]))

    assert kept.load() == STATE


def test_environments_and_targets_are_kept_apart(tmp_path: Path) -> None:
    FolderStateStore(tmp_path, "prod", Cluster("marathon x")).change(lambda _: STATE)

    assert FolderStateStore(tmp_path, "stage", Cluster("marathon x")).load() == EnvironmentState()
    assert FolderStateStore(tmp_path, "prod", Cluster("marathon y")).load() == EnvironmentState()


def test_a_state_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    kept = FolderStateStore(tmp_path, "prod", Cluster("x"))
    kept.change(lambda _: STATE)
    next(tmp_path.glob("*.json")).write_text("torn")

    with pytest.raises(Failed, match="cannot be read"):
        kept.load()


OLD = "marathon at http://localhost"


def old_state(folder: Path, state: EnvironmentState, address: str = OLD) -> Path:
    """What version 0.1 kept under an address."""
    path = folder / f"{file_name('prod', address)}.json"
    path.write_text(freeze.dumps(state))
    return path


def test_what_was_kept_under_an_address_counts_until_the_first_change_moves_it(tmp_path: Path) -> None:
    path = old_state(tmp_path, STATE)
    kept = FolderStateStore(tmp_path, "prod", Cluster("marathon x", (OLD,)))
    before = (kept.exists(), kept.load())

    kept.change(lambda state: state)

    assert before == (True, STATE)
    assert not path.exists()
    assert FolderStateStore(tmp_path, "prod", Cluster("marathon x")).load() == STATE


def test_what_another_address_still_holds_is_added(tmp_path: Path) -> None:
    long, short = (freeze.make("ann", "", run, NOW, seconds) for run, seconds in (("r1", 7200), ("r2", 60)))
    other = Withdrawn("a/b:2", "bob", "2026-11-23T04:00:00Z", "", "r2")
    old_state(tmp_path, EnvironmentState(long, STATE.withdrawn))
    kept = FolderStateStore(tmp_path, "prod", Cluster("marathon x", (OLD,)))
    FolderStateStore(tmp_path, "prod", Cluster("marathon x")).change(lambda _: EnvironmentState(short, (other,)))

    assert kept.load() == EnvironmentState(long, (other, *STATE.withdrawn))


def test_a_file_of_an_address_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    old_state(tmp_path, STATE).write_text("torn")
    kept = FolderStateStore(tmp_path, "prod", Cluster("marathon x", (OLD,)))

    with pytest.raises(Failed, match="cannot be read"):
        kept.load()
    with pytest.raises(Failed, match="cannot be read"):
        kept.change(lambda state: state)


def test_an_empty_state_is_no_marker_at_all() -> None:
    wall = MemoryMarkers()
    kept = TargetStateStore(wall, ["/ds/prod/rollback-freeze"])
    kept.change(lambda _: STATE)
    placed = set(wall.markers)

    kept.change(lambda _: EnvironmentState())

    assert (placed, wall.markers) == ({"/ds/prod/rollback-freeze"}, {})


@pytest.mark.parametrize("alone", ["/a", "/b"])
def test_whatever_one_marker_holds_against_a_deployment_counts_and_the_next_change_writes_it_to_all(
    alone: str,
) -> None:
    wall = MemoryMarkers()
    both, unfinished = (
        TargetStateStore(wall, ["/a", "/b"]),
        Unfinished("r2", "bob", "h", "/dump", "2026-11-22T05:00:00Z"),
    )
    both.change(lambda _: STATE)
    frozen = freeze.make("bob", "", "r2", NOW, 3600)
    TargetStateStore(wall, [alone]).change(lambda state: freeze.begun(state, unfinished, frozen))

    found = both.load()
    both.change(lambda state: state)

    assert found == EnvironmentState(frozen, STATE.withdrawn, (unfinished,))
    assert wall.markers["/a"] == wall.markers["/b"]
    assert both.load() == found


@pytest.mark.parametrize("broken", ["/a", "/b"])
def test_a_marker_that_cannot_be_read_is_an_error_whatever_the_others_have(broken: str) -> None:
    wall = MemoryMarkers()
    both = TargetStateStore(wall, ["/a", "/b"])
    both.change(lambda _: STATE)
    wall.markers[broken] = {}

    with pytest.raises(Failed, match=f"the labels of {broken} cannot be read"):
        both.load()
    wall.failing[broken] = TargetError("no answer")
    with pytest.raises(TargetError, match="no answer"):
        both.load()


@pytest.mark.parametrize("before", [EnvironmentState(), STATE])
def test_where_one_marker_cannot_be_written_the_others_are_as_before(
    before: EnvironmentState, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall = MemoryMarkers()
    both = TargetStateStore(wall, ["/a", "/b"])
    both.change(lambda _: before)
    place = wall.place

    def refused(marker: str, labels: Mapping[str, str]) -> bool:
        if marker == "/b":
            raise TargetError("not allowed")
        return place(marker, labels)

    monkeypatch.setattr(wall, "place", refused)

    with pytest.raises(TargetError, match="not allowed"):
        both.change(lambda state: replace(state, freeze=freeze.make("bob", "", "r2", NOW, 60)))

    assert both.load() == before
    assert set(wall.markers) == (set() if before == EnvironmentState() else {"/a", "/b"})


@pytest.mark.parametrize(
    ("app_ids", "place"),
    [
        (["/ds/prod/shop/billing"], "/ds/prod/rollback-freeze"),
        (["/prod/billing"], "/prod/rollback-freeze"),
        (["/ds/preprod/shop/billing", "/eu/ds/prod/shop/billing"], "/eu/ds/prod/rollback-freeze"),
        (["/web/prod/shop", "/ds/prod/shop/billing", "/eu/prod/x"], "/ds/prod/rollback-freeze"),  # in any order
        (["/ds/prod/shop/billing", "/web/prod/rollback-freeze"], "/web/prod/rollback-freeze"),
        (["/ds/prod/shop/billing", "/web/preprod/rollback-freeze"], "/ds/prod/rollback-freeze"),
    ],
)
def test_a_marker_stands_beside_the_environment(app_ids: list[str], place: str) -> None:
    assert placeholder_app.beside("rollback-freeze", "prod", app_ids) == place


def test_there_is_no_place_where_no_app_is_of_the_environment() -> None:
    with pytest.raises(TargetError, match="no place"):
        placeholder_app.beside("rollback-freeze", "prod", ["/ds/preprod/shop/billing"])
