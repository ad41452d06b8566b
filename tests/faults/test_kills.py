"""A run that is killed, at every step that it has: between any two lines of its record and calls of the target.

Afterwards the record tells every app that may not be as it was, and `undo` or another `run` puts the fleet right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import RecordError, RollbackError
from rollback.state.journal import Journal
from tests.support.fleet import ContainerOutcome, FaultKind, Fleet, ManualClock
from tests.support.rehearsal import Doom, Killed, Rehearsal

BEFORE = {"/a": "a:2", "/b": "b:2", "/c": "c:2", "/d": "d:2", "/bystander": "x:2"}
WANTED = {"/a": "a:1", "/b": "b:1", "/c": "c:1", "/d": "d:2"}  # d is there already
AFTER = {**BEFORE, **WANTED}
MOST = 500  # steps; a run that has more of them never ends


def scene(folder: Path, batch: int, broken: str = "") -> Rehearsal:
    fleet = Fleet(ManualClock(), batch, {broken: ContainerOutcome.CRASHES})
    fleet.install(BEFORE)
    return Rehearsal(fleet, folder)


def killed_runs(folder: Path, batch: int, broken: str = "") -> Iterator[tuple[int, Rehearsal]]:
    """A fleet for every step at which its run was killed, and a last one whose run was not."""
    for step in range(1, MOST):
        made = scene(folder / str(step), batch, broken)
        try:
            made.run(WANTED, doom=Doom(step))
        except Killed:
            yield step, made
            continue
        yield step, made
        return
    raise AssertionError("the run has no end")


def assert_told(made: Rehearsal) -> None:
    """The record names every app that is not as it was, with the image that it has."""
    past = made.newest()
    sent = past.sent if past else {}
    for app_id, image in made.fleet.images().items():
        assert image == BEFORE[app_id] or image in sent.get(app_id, ()), app_id


def is_held(told: dict[str, Any]) -> bool:
    """Whether nothing is left to undo, but the killed run's own deployment, on its way back, still holds apps."""
    return told["exit_code"] == 4 and told["verdict"] == "NOTHING TO DO" and "still holds" in told["but"]


@pytest.mark.parametrize("broken", ["", "b:1"], ids=["all come up", "one crashes"])
@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_undo_puts_back_what_a_killed_run_left(tmp_path: Path, batch: int, broken: str) -> None:
    seen = set()
    for step, made in killed_runs(tmp_path, batch, broken):
        assert_told(made)
        seen.add(tuple(made.fleet.images().values()))
        past = made.newest()

        if past:
            told = made.undo(past.header.run)

            assert told["exit_code"] == 0 or is_held(told), (step, told)
        made.fleet.settle()
        assert made.fleet.images() == BEFORE, step
        assert not made.fleet.hanging(), step
        assert made.fleet.broken_rules == []
    assert len(seen) > 1, "no kill has met a fleet that was changed"


def test_an_undo_right_after_a_kill_waits_for_a_write_that_may_still_arrive(tmp_path: Path) -> None:
    met = 0
    for step in range(1, MOST, 3):  # between two polls nothing happens that matters here
        made = scene(tmp_path / str(step), 0)
        made.fleet.mishaps = deque([FaultKind.LATE])
        try:
            made.run(WANTED, doom=Doom(step))
        except Killed:
            past = made.newest()
            if past:
                met += made.fleet.images() == BEFORE

                told = made.undo(past.header.run)

                assert told["exit_code"] == 0, (step, told)
            made.fleet.settle()
            assert made.fleet.images() == BEFORE, step
            continue
        assert met, "no kill has met a fleet that the write had not reached"
        return
    raise AssertionError("the run has no end")


@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_another_run_finishes_what_a_killed_run_began(tmp_path: Path, batch: int) -> None:
    for step, made in killed_runs(tmp_path, batch):
        made.fleet.settle()

        told = made.run(WANTED) if made.fleet.images() != AFTER else {"code": 0}

        assert told["code"] == 0, (step, told)
        assert made.fleet.images() == AFTER, step
        assert all(made.fleet.up(app_id) for app_id in AFTER), step


@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_a_killed_undo_can_be_undone_and_done_again(tmp_path: Path, batch: int) -> None:
    for step in range(1, MOST):
        made = scene(tmp_path / str(step), batch)
        first = made.run(WANTED)["run"]
        try:
            made.undo(first, doom=Doom(step))
        except Killed:
            made.undo(first)
            assert made.fleet.images() == BEFORE, step
            continue
        return
    raise AssertionError("the undo has no end")


@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_undo_of_a_killed_undo_goes_forward_again(tmp_path: Path, batch: int) -> None:
    met = 0
    for step in range(1, MOST):
        made = scene(tmp_path / str(step), batch)
        first = made.run(WANTED)["run"]
        try:
            made.undo(first, doom=Doom(step))
        except Killed:
            past = made.newest()
            if past and past.header.kind == "undo":
                met += 1
                made.undo(past.header.run)
                made.fleet.settle()
                assert made.fleet.images() == AFTER, step
            continue
        break
    assert met > 1


@pytest.mark.parametrize("on_failure", ["restore", "keep", "stop"])
@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_a_disk_that_is_full_from_any_line_on_loses_nothing(tmp_path: Path, batch: int, on_failure: str) -> None:
    for line in range(1, MOST):
        made = scene(tmp_path / str(line), batch, "b:1")
        full = FullDisk(line)
        refused = None
        try:
            made.run(WANTED, on_failure=on_failure, doom=full)
        except RecordError as error:
            refused = error.exit_code
        assert_told(made)
        if refused:
            assert refused == 1
            assert made.fleet.log == [], line
        elif full.met:
            made.undo()
            made.fleet.settle()
            assert made.fleet.images() == BEFORE, line
        else:
            return
    raise AssertionError("the record has no end")


class FullDisk(Doom):
    """A disk on which there is no room any more from one line of the record on; nothing is killed."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.met, self._left = False, line

    def journal(self) -> type[Journal]:
        disk = self

        class Starved(Journal):
            def _append(self, event: str, **members: Any) -> None:
                disk._left -= 1
                if disk._left <= 0:
                    disk.met = True
                    raise RecordError("the record cannot be written", why="No space left on device")
                super()._append(event, **members)

        return Starved


@pytest.mark.parametrize("on_failure", ["restore", "keep"])
@pytest.mark.parametrize("batch", [0, 1], ids=["one write for all", "a write for each"])
def test_a_stop_at_any_second_starts_no_new_write(tmp_path: Path, batch: int, on_failure: str) -> None:
    for second in range(MOST):
        made = scene(tmp_path / str(second), batch, "b:1")
        stop_at = made.fleet.clock.now() + second
        made.fleet.clock.stop_at = stop_at

        told = made.run(WANTED, on_failure=on_failure)

        made.fleet.clock.stop_at = None
        assert all(made.fleet.written_at[index] <= stop_at for index in range(len(made.fleet.log)))
        assert_told(made)
        if made.newest():
            made.undo()
        made.fleet.settle()
        assert made.fleet.images() == BEFORE, second
        if told["code"] != 130:
            assert told["code"] == (5 if on_failure == "restore" else 4)
            return
    raise AssertionError("the run has no end")


def test_an_unwritten_record_stops_a_run_before_its_first_write(tmp_path: Path) -> None:
    made = scene(tmp_path, 0)
    (tmp_path / "runs").write_text("a file where the folder should be")

    with pytest.raises(RollbackError) as caught:
        made.run(WANTED)

    assert caught.value.exit_code == 1
    assert made.fleet.log == []
