"""Is it up? One look after another at an app that is being deployed, and what they prove.

Pure: statuses and seconds in, a judgement out. That a deployment has left the target's list proves nothing (it
leaves it when it is cancelled, too); up is what runs the intended image, in the version that this write made, with
every instance ready, nothing older left, and no failure since for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from rollback.core.apps import Change, Status

CRASHES = 3  # so many different failed tasks of one version are a crash loop
LOST_S = 20.0  # seconds: a write without an answer that shows no effect for so long was not taken

FOREIGN = "somebody else changed it meanwhile (its version is not the one that this run made)"


class RolloutState(str, Enum):
    """What is known of an app that was written."""

    WAITING = "waiting"
    UP = "up"
    FAILED = "failed"


@dataclass(frozen=True)
class Limits:
    """Durations in seconds.

    Attributes:
        timeout_s: how long an app may take to come up.
        settle_s: how long it has to stay up to count.
        lost_s: how long a write without an answer may still show its effect.
    """

    timeout_s: float = 600.0
    settle_s: float = 10.0
    lost_s: float = LOST_S


@dataclass(frozen=True)
class RolloutStatus:
    """What is known of one app since it was written.

    Attributes:
        change: what was written.
        since: when, in seconds of the clock that is used throughout.
        answered: whether the target said that it took the write.
        version: the version that the write made; empty until it is known.
        failures: keys of the failed tasks seen so far.
        ready_since: since when it is up without interruption; None if it is not.
        state: the judgement.
        detail: why, in a few words: `1 of 2 ready`, or the target's own words for a failure.
        healthy: whether it has to be ready; False for an app that was not so before it is put back.
    """

    change: Change
    since: float
    answered: bool = True
    version: str = ""
    failures: frozenset[str] = frozenset()
    ready_since: float | None = None
    state: RolloutState = RolloutState.WAITING
    detail: str = ""
    healthy: bool = True


def judge(watch: RolloutStatus, status: Status | None, now: float, limits: Limits) -> RolloutStatus:
    """Take one look at an app into account.

    Args:
        watch: what was known before.
        status: what the target says; None if it does not show the app.
        now: seconds, of the same clock as `watch.since`.
        limits: how long things may take.

    Returns:
        What is known now. A failure is final; being up is not. One that is only held by a deployment, because of
        another app in it, waits on beyond its time: the other one is the failure.
    """
    if watch.state is RolloutState.FAILED:
        return watch
    if status is None:
        return _failed(watch, "the target no longer shows this app")
    if status.image != watch.change.image:
        return _another_image(watch, status, now, limits)
    if watch.version and status.version != watch.version:
        return _failed(watch, FOREIGN)
    failures = watch.failures | ({status.failure.key} if status.failure else frozenset())
    fresh = len(failures) > len(watch.failures)
    watch = replace(watch, answered=True, version=status.version, failures=failures)
    if watch.healthy and status.failure and len(failures) >= CRASHES:
        return _failed(watch, f"it fails again and again: {status.failure.message}")
    ready = not status.deployments and status.ready >= status.instances and not status.stale
    if ready or not watch.healthy:
        since = now if watch.ready_since is None or (fresh and watch.healthy) else watch.ready_since
        watch = replace(watch, ready_since=since, detail=_ready_text(status))
        if now - since >= limits.settle_s or status.instances == 0:
            return replace(watch, state=RolloutState.UP)
        return replace(watch, state=RolloutState.WAITING)
    # One that was up already and stumbles, while others are still on their way, has its whole time again.
    since = now if watch.state is RolloutState.UP else watch.since
    watch = replace(watch, since=since, ready_since=None, state=RolloutState.WAITING, detail=_waiting_text(status))
    if now - watch.since >= limits.timeout_s and not _only_held(status):
        return _failed(watch, f"not up within {limits.timeout_s:g} s: {watch.detail}")
    return watch


def _failed(watch: RolloutStatus, why: str) -> RolloutStatus:
    return replace(watch, state=RolloutState.FAILED, ready_since=None, detail=why)


def _another_image(watch: RolloutStatus, status: Status, now: float, limits: Limits) -> RolloutStatus:
    as_before = status.image == watch.change.app.image
    if watch.answered or not as_before:
        return _failed(watch, f"somebody else changed it meanwhile: it is to run {status.image or 'no image'} now")
    if now - watch.since >= limits.lost_s:
        return _failed(watch, "the target gave no answer to the write and did not take it")
    return replace(watch, detail="no answer to the write yet")


def _only_held(status: Status) -> bool:
    return bool(status.deployments) and status.ready >= status.instances and not status.stale


def _ready_text(status: Status) -> str:
    if status.instances == 0:
        return "0 instances: not verified"
    return f"{status.ready} of {status.instances} ready"


def _waiting_text(status: Status) -> str:
    parts = [_ready_text(status)]
    if _only_held(status):
        parts.append("its deployment still runs")
    if status.stale:
        parts.append(f"{status.stale} old still there")
    if status.failure:
        parts.append(f"last failure: {status.failure.message}")
    if status.waiting:
        parts.append(status.waiting)
    return "; ".join(parts)
