"""The lock on the target: held only as long as every one of its markers is ours."""

from __future__ import annotations

import pytest

from rollback.errors import NoAnswer, Refused, TargetError
from rollback.state import lock
from rollback.state.lock import MarkerLock
from tests.support.memory_markers import MemoryMarkers

PLACES = ("/a", "/b")
OURS = {"run": "ours", "by": "ann", "host": "h1", "pid": "42", "link": ""}
THEIRS = {"run": "theirs", "by": "bob", "host": "h2", "pid": "43"}


@pytest.fixture
def wall() -> MemoryMarkers:
    return MemoryMarkers()


@pytest.fixture(autouse=True)
def at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_LOOK_EVERY_S", 0)


def made(wall: MemoryMarkers, *ids: str, holder: dict[str, str] = OURS, steal: bool = False) -> MarkerLock:
    return MarkerLock(wall, ids or PLACES, "prod", holder, steal=steal)


def claimed(wall: MemoryMarkers, *ids: str, holder: dict[str, str] = OURS, steal: bool = False) -> MarkerLock:
    one = made(wall, *ids, holder=holder, steal=steal)
    one.claim()
    return one


def runs(wall: MemoryMarkers) -> dict[str, str]:
    return {place: labels["run"] for place, labels in wall.markers.items()}


@pytest.mark.parametrize("stolen", PLACES)
def test_a_lock_of_which_one_marker_is_stolen_is_lost_and_spares_the_thief(wall: MemoryMarkers, stolen: str) -> None:
    ours = claimed(wall)
    before = ours.lost()

    thief = claimed(wall, stolen, holder=THEIRS, steal=True)

    assert (before, ours.lost(), thief.lost()) == (False, True, False)
    assert (ours.release(), ours.left) == ("", "")
    assert runs(wall) == {stolen: "theirs"}


@pytest.mark.parametrize("gone", PLACES)
def test_a_lock_of_which_one_marker_is_missing_is_lost(wall: MemoryMarkers, gone: str) -> None:
    ours = claimed(wall)

    del wall.markers[gone]

    assert ours.lost()
    assert ours.release() == ""
    assert wall.markers == {}


def test_a_marker_that_cannot_be_read_hides_no_other_that_is_stolen(wall: MemoryMarkers) -> None:
    ours = claimed(wall)
    wall.failing["/a"] = TargetError("not allowed")
    before = ours.lost()

    wall.markers["/b"] = THEIRS

    assert (before, ours.lost()) == (False, True)


def test_a_look_is_one_request_per_marker(wall: MemoryMarkers) -> None:
    ours = claimed(wall)

    ours.lost()

    assert wall.reads == ["/a", "/b"]


def test_what_cannot_be_removed_is_named_and_nothing_else(wall: MemoryMarkers) -> None:
    ours = claimed(wall)
    wall.failing["/a"] = TargetError("the marker cannot be removed", why="not allowed")

    left = ours.release()

    assert "the lock /a may be left on the target" in left
    assert left.endswith("(not allowed)")
    assert runs(wall) == {"/a": "ours"}


def test_the_refusal_names_the_run_that_is_in_the_way(wall: MemoryMarkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_is_dead", lambda other, _host: other["run"] == "dead")
    wall.markers = {"/a": {**OURS, "run": "dead"}, "/b": THEIRS}
    one = made(wall)

    with pytest.raises(Refused) as caught:
        one.claim()

    assert "run theirs, by bob" in caught.value.why
    assert "dead" not in caught.value.why
    assert one.release() == ""
    assert runs(wall) == {"/b": "theirs"}


def test_a_lock_is_stolen_from_every_run_that_has_a_part_of_it(wall: MemoryMarkers) -> None:
    others = [claimed(wall, place, holder={**THEIRS, "run": f"of {place}"}) for place in PLACES]

    ours = claimed(wall, steal=True)

    assert runs(wall) == {"/a": "ours", "/b": "ours"}
    assert (ours.lost(), [one.lost() for one in others]) == (False, [True, True])


def test_what_another_run_makes_between_the_look_and_the_removal_stays(
    wall: MemoryMarkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall.markers = {"/a": {**OURS, "run": "dead"}}
    looks = wall.labels

    def replaced(marker: str) -> dict[str, str]:
        found = dict(looks(marker) or {})
        wall.markers[marker] = THEIRS
        return found

    monkeypatch.setattr(wall, "labels", replaced)
    monkeypatch.setattr(lock, "_is_dead", lambda other, _host: other["run"] == "dead")

    with pytest.raises(Refused) as caught:
        made(wall, "/a").claim()

    assert "run theirs" in caught.value.why
    assert runs(wall) == {"/a": "theirs"}


def test_a_claim_without_an_answer_may_be_left_only_where_there_was_none(wall: MemoryMarkers) -> None:
    wall.failing["/b"] = NoAnswer("the marker cannot be made", why="timed out")
    one = made(wall)
    with pytest.raises(NoAnswer):
        one.claim()
    wall.failing.clear()

    early = one.release()
    wall.markers["/b"] = OURS
    late = one.release()

    assert "the lock /b may be left on the target" in early
    assert (late, wall.markers) == ("", {})


def test_after_an_error_nothing_is_left_of_a_claim(wall: MemoryMarkers) -> None:
    wall.failing["/b"] = TargetError("the marker cannot be made", why="not allowed")
    one = made(wall)
    with pytest.raises(TargetError):
        one.claim()

    assert one.release() == ""
    assert wall.markers == {}
