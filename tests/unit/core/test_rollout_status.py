"""Is it up? What one look after another proves, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback.core.apps import Change, Failure, Status
from rollback.core.rollout_status import CRASHES, Limits, RolloutState, RolloutStatus, extended, judge
from tests.support.image_factory import app

LIMITS = Limits(timeout_s=100, settle_s=10, lost_s=20)
OLD, NEW = "r/a:2", "r/a:1"
CHANGE = Change(app("/a", OLD), NEW)
START = RolloutStatus(CHANGE, 0.0, version="v2")


def look(**members: Any) -> Status:
    """A look at an app that is wholly up."""
    whole: dict[str, Any] = {
        "id": "/a",
        "image": NEW,
        "version": "v2",
        "instances": 2,
        "deployments": (),
        "ready": 2,
        "started": 2,
        "stale": 0,
    }
    return Status(**{**whole, **members})


def watched(*looks: tuple[float, Status | None], start: RolloutStatus = START) -> RolloutStatus:
    watch = start
    for now, status in looks:
        watch = judge(watch, status, now, LIMITS)
    return watch


def test_up_after_it_has_stayed_up_for_the_settling_time() -> None:
    assert watched((1, look()), (10.9, look())).state is RolloutState.WAITING
    assert watched((1, look()), (11, look())).state is RolloutState.UP


@pytest.mark.parametrize(
    "lacking",
    [
        {"ready": 1},
        {"stale": 1},
        {"deployments": ("d1",)},
        {"ready": 0, "started": 2},
    ],
)
def test_with_anything_lacking_it_is_not_up(lacking: dict[str, Any]) -> None:
    assert watched((1, look(**lacking)), (50, look(**lacking))).state is RolloutState.WAITING


def test_an_interruption_starts_the_settling_anew() -> None:
    watch = watched((1, look()), (9, look(ready=1)), (10, look()), (19, look()))

    assert watch.state is RolloutState.WAITING
    assert judge(watch, look(), 20, LIMITS).state is RolloutState.UP


def test_a_fresh_failure_starts_the_settling_anew_though_all_are_ready() -> None:
    crash = look(failure=Failure("t1", "exit 1"))

    assert watched((1, look()), (9, crash), (12, crash)).state is RolloutState.WAITING
    assert watched((1, look()), (9, crash), (19, crash)).state is RolloutState.UP


def test_what_was_up_can_come_down_again() -> None:
    assert watched((1, look()), (11, look()), (12, look(ready=1))).state is RolloutState.WAITING


def test_a_crash_loop_is_known_by_its_different_failures() -> None:
    crashes = [(float(n), look(ready=0, failure=Failure(f"t{n}", "exit status 1"))) for n in range(CRASHES)]

    assert watched(*crashes[:-1]).state is RolloutState.WAITING
    watch = watched(*crashes)
    assert (watch.state, watch.detail) == (RolloutState.FAILED, "it fails again and again: exit status 1")


def test_one_failure_seen_often_is_no_crash_loop() -> None:
    once = look(ready=0, failure=Failure("t1", "exit status 1"))

    assert watched(*[(float(n), once) for n in range(50)]).state is RolloutState.WAITING


def test_after_its_time_it_has_failed_and_says_what_was_lacking() -> None:
    status = look(ready=1, stale=2, waiting="no offers", failure=Failure("t", "killed"))

    watch = watched((99.9, status))
    assert watch.state is RolloutState.WAITING
    watch = judge(watch, status, 100, LIMITS)
    assert watch.state is RolloutState.FAILED
    assert watch.detail == ("not up within 100 s: 1 of 2 ready; 2 old still there; last failure: killed; no offers")


def test_ready_at_the_last_moment_may_still_settle() -> None:
    assert watched((99, look()), (109, look())).state is RolloutState.UP


def test_a_failure_is_final() -> None:
    failed = watched((1, None))

    assert failed.state is RolloutState.FAILED
    assert judge(failed, look(), 2, LIMITS) == replace(failed, image=NEW)


def test_an_app_that_is_gone_has_failed() -> None:
    assert "no longer shows" in watched((1, None)).detail


def test_another_version_of_the_same_image_is_somebody_elses() -> None:
    watch = watched((1, look()), (2, look(version="v3")))

    assert watch.state is RolloutState.FAILED
    assert "somebody else changed it" in watch.detail


def test_another_image_is_somebody_elses() -> None:
    watch = watched((1, look(image="r/a:3")))

    assert watch.state is RolloutState.FAILED
    assert "somebody else changed it" in watch.detail
    assert "r/a:3" in watch.detail


def test_the_old_image_after_an_answer_is_a_failure_that_is_still_ours() -> None:
    watch = watched((1, look(image=OLD)))

    assert watch.state is RolloutState.FAILED
    assert "somebody else changed it" in watch.detail


UNANSWERED = replace(START, answered=False, version="")


def test_a_write_without_an_answer_has_its_time_to_show() -> None:
    watch = watched((19, look(image=OLD)), start=UNANSWERED)

    assert watch.state is RolloutState.WAITING
    assert judge(watch, look(image=OLD), 20, LIMITS).state is RolloutState.FAILED
    assert watched((19, look(image=OLD)), (20, look()), (30, look()), start=UNANSWERED).state is RolloutState.UP


def test_once_a_write_without_an_answer_has_shown_its_version_counts() -> None:
    watch = watched((1, look(version="v7")), start=UNANSWERED)

    assert (watch.answered, watch.version) == (True, "v7")
    assert judge(watch, look(version="v8"), 2, LIMITS).state is RolloutState.FAILED


def test_somebody_elses_image_in_place_of_an_unanswered_write_is_told_at_once() -> None:
    assert "somebody else changed it" in watched((1, look(image="r/a:3")), start=UNANSWERED).detail


def test_no_instances_are_up_at_once_and_said_to_be_unverified() -> None:
    watch = watched((1, look(instances=0, ready=0, started=0)))

    assert (watch.state, watch.detail) == (RolloutState.UP, "0 instances: not verified")


def test_no_instances_and_old_ones_left_are_not_up() -> None:
    assert watched((1, look(instances=0, ready=0, started=0, stale=1))).state is RolloutState.WAITING


def test_what_was_not_ready_before_need_not_be_when_it_is_back() -> None:
    sick = replace(START, healthy=False)
    crash = look(ready=0, failure=Failure("t9", "exit 1"))

    assert watched((1, crash), (11, crash), start=sick).state is RolloutState.UP
    assert watched((1, look(ready=0, image=OLD)), start=sick).state is RolloutState.FAILED


def test_one_that_was_up_and_stumbles_has_its_whole_time_again() -> None:
    looks = ((1, look()), (11, look()), (105, look()), (106, look(ready=0)))

    assert watched(*looks).state is RolloutState.WAITING
    assert watched(*looks, (205, look(ready=0))).state is RolloutState.WAITING
    assert watched(*looks, (206, look(ready=0))).state is RolloutState.FAILED


def test_each_new_best_begins_the_time_again() -> None:
    one_by_one = [(90.0 * number, look(ready=number, stale=10 - number, instances=10)) for number in range(10)]

    watch = watched(*one_by_one)

    assert watch.state is RolloutState.WAITING
    assert judge(watch, look(ready=9, stale=1, instances=10), 810 + 100, LIMITS).state is RolloutState.FAILED


def test_an_instance_that_flaps_gets_no_further() -> None:
    flapping = [(10.0 * number, look(ready=number % 2)) for number in range(1, 12)]

    assert watched(*flapping).state is RolloutState.FAILED


def test_durations_that_the_definition_announces_are_added() -> None:
    slow = Change(app("/a", OLD, start_grace_s=300, stop_grace_s=60), NEW)
    start = RolloutStatus(slow, 0.0, version="v2")

    watch = watched((1, look(ready=0, stale=2)), (459, look(ready=0, stale=2)), start=start)

    assert watch.state is RolloutState.WAITING
    failed = judge(watch, look(ready=0, stale=2), 460, LIMITS)
    assert failed.state is RolloutState.FAILED
    assert "100 s and the 360 s that its definition announces" in failed.detail


def test_old_instances_may_drain_for_as_long_as_announced() -> None:
    draining = look(stale=2, draining=2)
    start = RolloutStatus(Change(app("/a", OLD, stop_grace_s=600), NEW), 0.0, version="v2")

    watch = watched((1, look(ready=0, stale=2)), (90, draining), (700, draining), start=start)

    assert watch.state is RolloutState.WAITING
    assert "2 old draining" in watch.detail


def test_an_old_instance_on_a_lost_agent_does_not_hold_up_a_new_version() -> None:
    watch = watched((1, look(unreachable=1)), (11, look(unreachable=1)))

    assert watch.state is RolloutState.UP
    assert watch.detail == "2 of 2 ready; 1 old unreachable on a lost agent"


def test_instances_that_end_again_and_again_without_ever_being_ready_are_a_failure() -> None:
    rounds = [
        (float(number), look(ready=0, live=frozenset({f"t{number}"}), waiting="health check: 503"))
        for number in range(CRASHES + 1)
    ]

    assert watched(*rounds[:-1]).state is RolloutState.WAITING
    failed = watched(*rounds)
    assert failed.state is RolloutState.FAILED
    assert failed.detail == "3 of its instances ended without ever being ready: health check: 503"


def test_a_crash_loop_has_the_same_words_though_the_looks_miss_most_of_its_failures() -> None:
    crash = Failure("t1", "exit status 1")
    rounds = [(float(n), look(ready=0, live=frozenset({f"t{n}"}), failure=crash)) for n in range(CRASHES + 1)]

    failed = watched(*rounds)
    assert (failed.state, failed.detail) == (RolloutState.FAILED, "it fails again and again: exit status 1")


def test_instances_that_were_ready_once_may_be_replaced() -> None:
    ids = [frozenset({f"t{number}"}) for number in range(10)]
    rounds = [
        (number + later, look(ready=1, live=one, healthy=frozenset() if later else one))
        for number, one in enumerate(ids)
        for later in (0.0, 0.5)
    ]

    assert watched(*rounds).state is RolloutState.WAITING


def test_a_lack_of_room_is_mentioned_once_it_has_lasted() -> None:
    unplaced = look(ready=0, started=0, unplaced="no offers: memory")

    assert "no offers" not in watched((1, unplaced), (15, unplaced)).detail
    assert "no offers: memory" in watched((1, unplaced), (16, unplaced)).detail
    placed = look(ready=0, started=1)
    assert "no offers" not in watched((1, unplaced), (10, placed), (16, unplaced)).detail


def test_another_configuration_under_the_same_version_is_somebody_elses() -> None:
    watch = watched((1, look(ready=1, fingerprint="ours")), (2, look(fingerprint="theirs")))

    assert watch.state is RolloutState.FAILED
    assert "somebody else" in watch.detail


def test_a_write_without_an_answer_is_known_by_the_configuration_that_it_makes() -> None:
    unanswered = replace(START, answered=False, version="")

    assert watched((1, look(fingerprint=CHANGE.fingerprint)), start=unanswered).state is RolloutState.WAITING
    assert watched((1, look(fingerprint="theirs")), start=unanswered).state is RolloutState.FAILED


def test_who_waits_behind_an_app_that_gets_further_has_not_begun_yet() -> None:
    behind = look(id="/b", ready=0, started=0, stale=2, deployments=("d1",))
    moving = look(ready=1, stale=1, deployments=("d1",))
    watches = {
        "/a": watched((1, look(ready=0, stale=2)), (90, moving)),
        "/b": RolloutStatus(Change(app("/b", OLD), NEW), 0.0, version="v2"),
    }

    assert extended(watches, {"/a": moving, "/b": behind}, 90) == {"/b"}
    assert extended(watches, {"/a": moving, "/b": replace(behind, unplaced="no offers")}, 90) == frozenset()
    assert extended(watches, {"/a": moving, "/b": replace(behind, deployments=("d2",))}, 90) == frozenset()
    # It drains, and is judged by a time of its own; one that failed or is only held has none.
    assert extended(watches, {"/a": moving, "/b": behind}, 100) == {"/b"}
    failed = {**watches, "/a": replace(watches["/a"], state=RolloutState.FAILED)}
    assert extended(failed, {"/a": moving, "/b": behind}, 100) == frozenset()
    held = look(deployments=("d1",))
    assert extended(watches, {"/a": held, "/b": behind}, 100) == frozenset()


def test_on_the_way_back_it_may_have_some_of_its_instances_while_it_waits_for_its_turn() -> None:
    behind = look(id="/b", ready=1, started=1, live=frozenset("x"), healthy=frozenset("x"), deployments=("d1",))
    draining = look(stale=1, draining=1, deployments=("d1",))
    waiting = RolloutStatus(CHANGE, 0.0, version="v2")
    watches = {"/a": waiting, "/b": replace(waiting, change=Change(app("/b", OLD), NEW))}

    assert extended(watches, {"/a": draining, "/b": behind}, 90) == {"/b"}
    assert extended(watches, {"/a": draining, "/b": replace(behind, live=frozenset("xy"))}, 90) == frozenset()
    # Two of these do not give each other time without end.
    assert extended(watches, {"/a": replace(behind, id="/a"), "/b": behind}, 90) == frozenset()
