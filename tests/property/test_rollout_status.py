"""Watching: whatever is seen, an app is never called up without evidence, and a failure is final."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rollback.core.apps import Change, Failure, Status
from rollback.core.rollout_status import Limits, RolloutState, RolloutStatus, judge
from tests.support.image_factory import app

LIMITS = Limits(timeout_s=60, settle_s=5, lost_s=20)
CHANGE = Change(app("/a", "r/a:2"), "r/a:1")

_statuses = st.builds(
    Status,
    id=st.just("/a"),
    image=st.sampled_from(["r/a:1", "r/a:1", "r/a:1", "r/a:2", "r/a:3"]),
    version=st.sampled_from(["v2", "v2", "v2", "v3"]),
    instances=st.sampled_from([0, 1, 2, 2, 2]),
    deployments=st.sampled_from([(), (), (), ("d1",)]),
    ready=st.integers(0, 3),
    started=st.integers(0, 3),
    stale=st.sampled_from([0, 0, 0, 1]),
    failure=st.none() | st.builds(Failure, st.sampled_from("abcd"), st.just("exit 1")),
    waiting=st.just(""),
)
_good = st.just(Status("/a", "r/a:1", "v2", 2, (), 2, 2, 0))
looks = st.lists(st.tuples(st.floats(0.1, 8), st.none() | _statuses | _good | _good | _good), min_size=1, max_size=25)
starts = st.builds(
    lambda answered, version: RolloutStatus(CHANGE, 0.0, answered=answered, version=version if answered else ""),
    st.booleans(),
    st.sampled_from(["", "v2"]),
)


def proves(status: Status | None) -> bool:
    return (
        status is not None
        and status.image == CHANGE.image
        and not status.deployments
        and status.ready >= status.instances
        and not status.stale
    )


@given(starts, looks)
def test_up_is_never_said_without_evidence(watch: RolloutStatus, seen: list[tuple[float, Status | None]]) -> None:
    now, proven_since, versions = 0.0, None, set()
    for pause, status in seen:
        now += pause
        watch = judge(watch, status, now, LIMITS)
        proven_since = (now if proven_since is None else proven_since) if proves(status) else None
        if proves(status) and status is not None:
            versions.add(status.version)
        if watch.state is RolloutState.UP:
            assert proven_since is not None
            assert status is not None
            assert now - proven_since >= LIMITS.settle_s or status.instances == 0
            assert status.version == watch.version
            assert watch.answered


@given(starts, looks)
def test_a_failure_is_final_and_has_a_reason(watch: RolloutStatus, seen: list[tuple[float, Status | None]]) -> None:
    now, failed = 0.0, False
    for pause, status in seen:
        now += pause
        watch = judge(watch, status, now, LIMITS)
        assert not failed or watch.state is RolloutState.FAILED
        failed = watch.state is RolloutState.FAILED
        assert not failed or watch.detail


@given(starts, looks)
def test_nothing_is_waited_for_beyond_its_time(watch: RolloutStatus, seen: list[tuple[float, Status | None]]) -> None:
    now = 0.0
    for pause, status in seen:
        now += pause
        watch = judge(watch, status, now, LIMITS)
        if watch.state is RolloutState.WAITING and now >= LIMITS.timeout_s:
            assert proves(status)


@given(looks)
def test_somebody_elses_image_is_never_ours(seen: list[tuple[float, Status | None]]) -> None:
    watch, now = RolloutStatus(CHANGE, 0.0, version="v2"), 0.0
    for pause, status in seen:
        now += pause
        before, watch = watch, judge(watch, status, now, LIMITS)
        if before.state is not RolloutState.FAILED and status and status.image not in {"r/a:1", "r/a:2"}:
            assert "somebody else" in watch.detail
            assert watch.state is RolloutState.FAILED
        assert replace(watch, state=before.state, detail=before.detail).change == CHANGE
