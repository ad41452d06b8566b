"""Writes that get no answer, or a wrong one: they are read back, and never sent again on a mere suspicion."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.sandbox import container_behavior as sandbox
from rollback.sandbox.container_behavior import ContainerBehavior
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from tests.faults.scenario import BILLING, CART, PLANNED, Scene, scene
from tests.support import fleet as fleets
from tests.support.fleet import ContainerOutcome, Fleet, ManualClock
from tests.support.rehearsal import Rehearsal

APPS = "/v2/apps"
DEPLOYMENTS = "/v2/deployments"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda _retry: 0)
    with scene(tmp_path) as made:
        yield made


def patches(stage: Scene) -> int:
    return sum(method == "PATCH" for method, _ in stage.writes())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.DROP, path=APPS),
        Fault(FaultKind.ANSWER_AFTER, 502, path=APPS),
        Fault(FaultKind.ANSWER_AFTER, 503, path=APPS),
        Fault(FaultKind.ANSWER_AFTER, 504, path=APPS),
    ],
    ids=["connection dropped", "502", "503", "504"],
)
def test_a_write_that_was_taken_without_an_answer_is_not_sent_again(stage: Scene, fault: Fault) -> None:
    stage.sandbox.faults.add(fault)

    told = stage.run()

    assert told.code == 0, told.err
    assert patches(stage) == 1
    assert set(told.states.values()) == {"changed"}
    assert stage.undo().code == 0


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_write_that_was_not_taken_and_got_no_answer_is_reported_as_such(stage: Scene, status: int) -> None:
    before = stage.tags()
    stage.sandbox.faults.add(Fault(FaultKind.ANSWER, status, path=APPS))

    told = stage.run()

    assert told.code == 5, told.out
    assert "gave no answer to the write and did not take it" in told.document["summary"]
    assert patches(stage) == 1
    assert stage.tags() == before


@pytest.mark.parametrize("status", [400, 403, 409, 422, 500])
def test_a_refused_write_changes_nothing_and_says_so(stage: Scene, status: int) -> None:
    before = stage.tags()
    stage.sandbox.faults.add(Fault(FaultKind.ANSWER, status, path=APPS))

    told = stage.run()

    assert told.code == 1, told.out
    assert told.document["verdict"] == "FAILED"
    assert f"HTTP {status}" in told.document["summary"]
    assert stage.tags() == before
    assert stage.undo().document["verdict"] == "NOTHING TO DO"


@pytest.mark.parametrize("mishap", [FaultKind.DROP, FaultKind.ANSWER_AFTER, FaultKind.ANSWER], ids=lambda m: m.value)
def test_a_cancellation_without_an_answer_is_looked_after(stage: Scene, mishap: FaultKind) -> None:
    before = stage.tags()
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(sandbox.ContainerOutcome.CRASHES))
    stage.sandbox.faults.add(Fault(mishap, 502, method="DELETE", path=DEPLOYMENTS))

    told = stage.run()

    assert told.code == 5, told.out
    assert stage.tags() == before
    assert all(stage.healthy().values())


@pytest.mark.parametrize("status", [502, 503])
def test_a_leader_change_while_watching_is_sat_out(stage: Scene, status: int) -> None:
    stage.time.after(3, lambda: stage.sandbox.faults.add(Fault(FaultKind.ANSWER, status, method="GET", times=23)))

    told = stage.run()

    assert told.code == 0, told.err
    assert "the target cannot be queried" in told.err
    assert patches(stage) == 1


def test_a_target_that_stays_away_ends_in_a_table_of_what_is_not_known(stage: Scene) -> None:
    stage.time.after(3, lambda: stage.sandbox.faults.add(Fault(FaultKind.ANSWER, 503, method="*", times=10**6)))

    told = stage.run()

    assert told.code == 4
    # what runs is what was seen last, and the detail says that nobody has seen it since
    assert all(row["state"] == "failed" and "could not be queried" in row["detail"] for row in told.rows.values())
    assert "the target could not be queried for 120 s" in told.document["summary"]
    stage.sandbox.faults.clear()
    stage.later()
    assert stage.undo().code == 0


def test_a_token_that_runs_out_in_the_middle_is_renewed(stage: Scene) -> None:
    logins = stage.sandbox.front.logins
    assert logins
    for second in (1, 3, 7):
        stage.time.after(second, logins.expire_all)

    told = stage.run()

    assert told.code == 0, told.err


def test_a_token_that_runs_out_before_the_first_write_is_renewed_for_it(stage: Scene) -> None:
    logins, front = stage.sandbox.front.logins, stage.sandbox.front
    assert logins
    answer = front.api.answer
    written: list[Request] = []

    def expiring(request: Request) -> Response:
        if request.method == "PATCH":
            written.append(request)
        elif request.path == APPS and not written:  # one of these is the last look before the write
            logins.expire_all()
        return answer(request)

    front.api.answer = expiring  # type: ignore[method-assign]

    told = stage.run()

    assert told.code == 0, told.err
    assert patches(stage) == 2  # the first one came back with 401, so nothing was done


def test_a_password_that_is_changed_in_the_middle_leaves_a_run_that_can_be_undone(stage: Scene) -> None:
    logins = stage.sandbox.front.logins
    assert logins
    before = stage.tags()
    users = dict(logins._users)

    def locked_out() -> None:
        logins._users[stage.sandbox.user] = "changed"
        logins.expire_all()

    stage.time.after(3, locked_out)

    told = stage.run()

    assert told.code == 4
    assert "401" in told.document["summary"]
    logins._users.update(users)
    stage.later()
    assert stage.undo().code == 0
    assert stage.tags() == before


def test_a_race_for_the_lock_ends_before_anything_is_written(stage: Scene) -> None:
    before = stage.tags()
    front = stage.sandbox.front
    answer = front.api.answer

    def raced(request: object) -> object:
        if getattr(request, "method", "") == "PATCH":
            front.foreign(BILLING)
        return answer(request)  # type: ignore[arg-type]

    front.api.answer = raced  # type: ignore[assignment,method-assign]

    told = stage.run()

    assert told.code == 1
    assert "locked" in told.document["summary"]
    assert stage.tags() == before
    assert set(told.states.values()) == {"not taken"}
    assert set(stage.newest().sent) == set(PLANNED)  # it may have been, for all the record knew


def test_a_write_that_arrives_late_is_put_back_too(tmp_path: Path) -> None:
    fleet = Fleet(ManualClock(), 1, {"b:1": ContainerOutcome.CRASHES})
    fleet.install({"/a": "a:2", "/b": "b:2"})
    fleet.mishaps = deque([fleets.FaultKind.LATE])
    work = Rehearsal(fleet, tmp_path)

    told = work.run({"/a": "a:1", "/b": "b:1"})

    fleet.settle()
    assert told["code"] == 5
    assert fleet.images() == {"/a": "a:2", "/b": "b:2"}
    assert fleets.Written(False, "/a", "a:1") in fleet.log


@pytest.mark.parametrize("mishap", [fleets.FaultKind.LOST_BEFORE, fleets.FaultKind.LOST_AFTER], ids=lambda m: m.value)
def test_an_undo_whose_write_got_no_answer_knows_whether_it_was_taken(
    tmp_path: Path, mishap: fleets.FaultKind
) -> None:
    fleet = Fleet(ManualClock(), 0)
    fleet.install({"/a": "a:2"})
    before = fleet.definitions()
    work = Rehearsal(fleet, tmp_path)
    work.run({"/a": "a:1"})
    fleet.foreign("/a", image="a:2", volume="another")  # by hand, and not quite as it was
    fleet.settle()
    fleet.mishaps = deque([mishap])

    told = work.undo(accept="a")

    assert told["exit_code"] == 0
    assert fleet.definitions() == before
