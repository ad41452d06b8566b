"""A rollout and its way back: order, windows, policies, and everything that can go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from rollback.core.apps import Change
from rollback.core.plan import OnFailure
from rollback.core.rollout_status import Limits, RolloutState, RolloutStatus
from rollback.errors import AppLocked, RecordError, TargetError
from rollback.execution.executor import Execution, all_up, execute, put_back
from rollback.execution.policy import Policy
from tests.support.memory_target import Clock, Journal, Memory, fleet

LIMITS = Limits(timeout_s=60, settle_s=5)
NEW = {"a": "a:1", "b": "b:1", "c": "c:1"}
OLD = {"/a": "a:2", "/b": "b:2", "/c": "c:2"}
DONE = {"/a": "a:1", "/b": "b:1", "/c": "c:1"}


def run(
    target: Memory,
    on_failure: OnFailure = OnFailure.RESTORE,
    *,
    parallel: int = 4,
    ready: Mapping[str, bool] | None = None,
    journal: Journal | None = None,
    images: Mapping[str, str] = NEW,
    **more: Any,
) -> Execution:
    return execute(
        target.changes(**images),
        target,
        policy=Policy(LIMITS, parallel, on_failure, poll_s=1.0),
        clock=target.clock,
        journal=journal or Journal(target.events),
        was_ready=ready or {},
        **more,
    )


def states(watches: Mapping[str, RolloutStatus] | None) -> dict[str, str]:
    assert watches is not None
    return {app_id: watch.state.value for app_id, watch in watches.items()}


def failed(watches: Mapping[str, RolloutStatus]) -> dict[str, str]:
    return {app_id: watch.detail for app_id, watch in watches.items() if watch.state is RolloutState.FAILED}


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_when_all_come_up_every_change_was_written_once(batch: int) -> None:
    target = fleet(batch=batch)

    result = run(target)

    assert result.clean
    assert target.running == DONE
    assert sorted(app_id for write in target.writes for app_id in write) == ["/a", "/b", "/c"]


def test_nothing_outside_the_changes_is_written() -> None:
    target = fleet(("/a", "/b", "/c", "/decoy"))

    run(target)

    assert target.running == {**DONE, "/decoy": "decoy:2"}


def test_up_means_that_it_stayed_up() -> None:
    target = fleet(("/a",))

    run(target, images={"a": "a:1"})

    assert target.clock.now() >= target.takes_s + LIMITS.settle_s


@pytest.mark.parametrize("batch", [0, 1])
def test_one_that_does_not_come_up_puts_all_back(batch: int) -> None:
    target = fleet(batch=batch, broken=["b:1"])

    result = run(target)

    assert target.running == OLD
    assert result.restored is not None
    assert all_up(result.restored)
    assert not result.clean
    assert "not up within 60 s" in failed(result.forward)["/b"]


def test_a_crash_loop_is_noticed_long_before_the_time_is_up() -> None:
    target = fleet(crashing=["b:1"])

    result = run(target)

    assert "it fails again and again: exit status 1" in failed(result.forward)["/b"]
    assert target.running == OLD
    assert target.clock.now() < 30


def test_what_comes_up_and_dies_is_no_success() -> None:
    target = fleet(dying=["b:1"])

    result = run(target)

    assert set(failed(result.forward)) == {"/b"}
    assert target.running == OLD


def test_what_was_never_reached_is_never_touched() -> None:
    target = fleet(broken=["a:1"])

    result = run(target, parallel=1)

    assert set(result.forward) == {"/a"}
    assert {app_id for write in target.writes for app_id in write} == {"/a"}
    assert target.running == OLD


@pytest.mark.parametrize("parallel", [1, 2])
def test_no_more_are_deployed_at_a_time_than_allowed(parallel: int) -> None:
    target = fleet(("/a", "/b", "/c", "/d", "/e"))

    result = run(target, parallel=parallel, images={name: f"{name}:1" for name in "abcde"})

    assert result.clean
    assert target.most_at_once == parallel


def test_keep_lets_the_others_go_on() -> None:
    target = fleet(broken=["a:1"])

    result = run(target, OnFailure.KEEP, parallel=1)

    assert target.running == DONE
    assert states(result.forward) == {"/a": "failed", "/b": "up", "/c": "up"}
    assert result.restored is None


def test_keep_in_one_write_does_not_let_the_failed_one_hold_the_others() -> None:
    target = fleet(batch=0, broken=["a:1"])

    result = run(target, OnFailure.KEEP)

    assert states(result.forward) == {"/a": "failed", "/b": "up", "/c": "up"}


def test_stop_lets_what_is_written_come_up_and_leaves_everything_as_it_stands() -> None:
    target = fleet(broken=["a:1"])

    result = run(target, OnFailure.STOP, parallel=2)

    assert result.restored is None
    assert states(result.forward) == {"/a": "failed", "/b": "up", "/c": "up"}  # while a took its time


def test_stop_leaves_what_was_not_written_when_the_first_one_failed() -> None:
    target = fleet(broken=["a:1"])

    result = run(target, OnFailure.STOP, parallel=1)

    assert target.running == {"/a": "a:1", "/b": "b:2", "/c": "c:2"}
    assert set(result.forward) == {"/a"}


def test_every_write_is_told_before_it_is_sent() -> None:
    target = fleet(broken=["b:1"])

    run(target)

    told: dict[str, str] = {}
    for what, detail in target.events:
        if what in {"writing", "restoring"} and isinstance(detail, dict):
            told |= detail
        if what == "update" and isinstance(detail, dict):
            assert detail.items() <= told.items()
    cancels = [n for n, event in enumerate(target.events) if event[0] == "cancel"]
    assert cancels
    assert all(target.events[n - 1] == ("cancelling", target.events[n][1]) for n in cancels)


def test_a_write_without_an_answer_that_was_taken_counts_and_is_not_repeated() -> None:
    target = fleet()
    target.losing["/b"] = True

    result = run(target)

    assert result.clean
    assert [write for write in target.writes if "/b" in write] == [{"/b": "b:1"}]


def test_a_write_without_an_answer_that_was_not_taken_ends_with_all_as_it_was() -> None:
    target = fleet()
    target.losing["/b"] = False

    result = run(target)

    assert "gave no answer" in failed(result.forward)["/b"]
    assert target.running == OLD
    assert result.restored is not None
    assert all_up(result.restored)


def test_a_write_that_is_carried_out_late_is_put_back_too() -> None:
    target = fleet(broken=["a:1"])
    target.losing["/b"] = False
    target.clock.at(15, lambda: target.foreign("/b", "b:1"))

    result = run(target, parallel=2, images={"a": "a:1", "b": "b:1"})

    assert target.running == OLD
    assert not result.clean


@pytest.mark.parametrize("batch", [0, 1])
def test_a_first_write_that_is_refused_leaves_everything_alone(batch: int) -> None:
    target = fleet(batch=batch)
    target.refusing["/a"] = AppLocked("locked", why="by d9")

    result = run(target, parallel=1)

    assert result.forward == {}
    assert "locked" in result.refused["/a"]
    assert target.writes == []
    assert result.restored is None


def test_a_refused_write_puts_back_what_was_written_beside_it() -> None:
    target = fleet()
    target.refusing["/c"] = TargetError("HTTP 422", why="not valid")

    result = run(target)

    assert target.running == OLD
    assert result.refused == {"/c": "HTTP 422: not valid"}
    assert states(result.restored) == {"/a": "up", "/b": "up"}


def test_a_target_that_is_silent_for_a_while_is_asked_again() -> None:
    target = fleet()
    target.clock.at(2, lambda: setattr(target, "down", True))
    target.clock.at(40, lambda: setattr(target, "down", False))

    assert run(target).clean


def test_a_target_that_stays_silent_is_given_up_and_nothing_is_claimed() -> None:
    target = fleet()
    target.clock.at(2, lambda: setattr(target, "down", True))

    result = run(target)

    assert "could not be queried for 60 s: no route to host" in failed(result.forward)["/a"]
    assert result.restored is not None
    assert not any(watch.state is RolloutState.UP for watch in result.restored.values())


def test_without_a_record_nothing_is_written() -> None:
    target = fleet()

    with pytest.raises(RecordError):
        run(target, journal=Journal(target.events, full_from=1))

    assert target.writes == []
    assert target.running == OLD


def test_a_record_that_is_full_in_the_middle_ends_the_run_and_all_is_put_back() -> None:
    target = fleet()

    result = run(target, parallel=1, journal=Journal(target.events, full_from=4))

    assert "No space left" in result.stopped_because
    assert target.running == OLD
    assert states(result.restored) == {"/a": "up"}


def test_a_record_that_is_full_only_when_results_are_told_changes_nothing() -> None:
    target = fleet(("/a",))

    assert run(target, images={"a": "a:1"}, journal=Journal(target.events, full_from=2)).clean


def test_stopped_from_outside_it_starts_no_new_write_and_puts_nothing_back() -> None:
    target = fleet(clock=Clock(stop_at=2))

    result = run(target, parallel=1)

    assert result.interrupted
    assert not result.clean
    assert target.running == {"/a": "a:1", "/b": "b:2", "/c": "c:2"}
    assert result.restored is None


def test_stopped_before_the_first_write_it_writes_nothing() -> None:
    target = fleet(clock=Clock(stop_at=0))

    result = run(target)

    assert result.interrupted
    assert (result.forward, target.writes) == ({}, [])


def test_stopped_on_the_way_back_it_says_that_it_was_interrupted() -> None:
    target = fleet(crashing=["b:1"], clock=Clock(stop_at=5))

    result = run(target)

    assert result.interrupted
    assert not result.clean


def test_what_somebody_else_has_taken_over_is_left_alone_and_the_rest_goes_back() -> None:
    target = fleet()
    target.clock.at(4, lambda: target.foreign("/b", "b:hotfix"))

    result = run(target)

    assert target.running == {"/a": "a:2", "/b": "b:hotfix", "/c": "c:2"}
    assert "somebody else" in failed(result.forward)["/b"]
    assert states(result.restored)["/b"] == "failed"


def test_somebody_elses_restart_of_our_image_is_noticed() -> None:
    target = fleet()
    target.clock.at(4, lambda: target.foreign("/b", "b:1"))

    assert "somebody else" in failed(run(target).forward)["/b"]


def test_an_app_that_is_removed_meanwhile_is_told_and_the_rest_goes_back() -> None:
    target = fleet()
    target.clock.at(4, lambda: target.remove("/b"))

    result = run(target)

    assert target.running == {"/a": "a:2", "/c": "c:2"}
    assert "no longer shows" in failed(result.forward)["/b"]
    assert states(result.restored)["/b"] == "failed"


def test_an_app_that_was_not_up_before_need_not_be_once_it_is_back() -> None:
    target = fleet(broken=["a:2", "b:1"])

    result = run(target, ready={"/a": False, "/b": True, "/c": True})

    assert target.running == OLD
    assert states(result.restored) == {"/a": "up", "/b": "up", "/c": "up"}


def test_an_app_that_was_up_before_and_does_not_come_back_is_told() -> None:
    target = fleet(broken=["a:2", "b:1"])

    result = run(target, ready={"/a": True, "/b": True, "/c": True})

    assert states(result.restored) == {"/a": "failed", "/b": "up", "/c": "up"}


def test_every_new_state_is_shown_once() -> None:
    target, seen = fleet(("/a",)), list[tuple[str, str]]()

    run(target, images={"a": "a:1"}, look=lambda watch: seen.append((watch.state.value, watch.detail)))

    assert seen[-1] == ("up", "2 of 2 ready")
    assert len(seen) == len(set(seen))


def back(target: Memory, changes: list[Change], ours: Mapping[str, frozenset[str]], **more: Any) -> Execution:
    return put_back(
        changes,
        target,
        ours=ours,
        policy=Policy(LIMITS, 4, OnFailure.RESTORE, 1.0),
        clock=target.clock,
        journal=Journal(target.events),
        was_ready={},
        **more,
    )


OURS = {"/a": frozenset({"a:2"}), "/b": frozenset({"b:2"})}


@pytest.mark.parametrize("batch", [0, 1])
def test_putting_back_writes_what_is_not_back_yet(batch: int) -> None:
    target = fleet(("/a", "/b"), batch=batch)

    result = back(target, target.changes(a="a:1", b="b:1"), OURS)

    assert all_up(result.forward)
    assert target.running == {"/a": "a:1", "/b": "b:1"}


def test_putting_back_what_is_back_already_writes_nothing() -> None:
    target = fleet(("/a",))

    result = back(target, target.changes(a="a:2"), {"/a": frozenset({"a:9"})})

    assert all_up(result.forward)
    assert target.writes == []


def test_putting_back_leaves_alone_what_runs_something_else() -> None:
    target = fleet(("/a", "/b"))

    result = back(target, target.changes(a="a:1", b="b:1"), {**OURS, "/b": frozenset({"b:9"})})

    assert target.running == {"/a": "a:1", "/b": "b:2"}
    assert "somebody else changed it meanwhile: it is to run b:2 now" in failed(result.forward)["/b"]


def test_putting_back_waits_for_a_deployment_that_is_not_ours() -> None:
    target = fleet(("/a",), takes_s=10)
    target.foreign("/a", "a:2")

    result = back(target, target.changes(a="a:1"), OURS, is_ours=lambda _: False)

    assert not any(event[0] == "cancel" for event in target.events)
    assert all_up(result.forward)
    assert target.running == {"/a": "a:1"}


def test_a_refused_write_on_the_way_back_is_tried_again() -> None:
    target = fleet(("/a",))
    target.refusing["/a"] = TargetError("HTTP 503")
    target.clock.at(10, target.refusing.clear)

    result = back(target, target.changes(a="a:1"), OURS)

    assert all_up(result.forward)


def test_what_cannot_be_put_back_is_given_up_in_the_end() -> None:
    target = fleet(("/a",))
    target.refusing["/a"] = TargetError("HTTP 403", why="not authorized")

    result = back(target, target.changes(a="a:1"), OURS)

    assert "not back in time: HTTP 403: not authorized" in failed(result.forward)["/a"]
    assert target.clock.now() <= 2 * LIMITS.timeout_s + LIMITS.settle_s + 1
