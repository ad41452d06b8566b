"""Is it up? One look after another at an app that is being deployed, and what they prove.

Pure: statuses and seconds in, a judgement out. That a deployment has left the target's list proves nothing (it
leaves it when it is cancelled, too); up is what runs the intended image, in the version that this write made, with
every instance ready, nothing older left, and no failure since for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from rollback.core.apps import Change, Status

CRASHES = 3  # so many different failed tasks of one version are a crash loop
LOST_S = 20.0  # seconds: a write without an answer that shows no effect for so long was not accepted
UNPLACED_S = 15.0  # seconds: for so long every new instance may be without a place to run

FOREIGN = "somebody else changed it meanwhile (its configuration is not the one that this run made)"


class RolloutState(str, Enum):
    """What is known of an app that was written."""

    WAITING = "waiting"
    UP = "up"
    FAILED = "failed"


@dataclass(frozen=True)
class Limits:
    """Durations in seconds.

    Attributes:
        timeout_s: how long an app may take to get on, beside the durations that its own definition announces.
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
        since: when, or when it has last got further than ever before, in seconds of the clock that is used
            throughout.
        answered: whether the target said that it took the write.
        version: the version that the write made; empty until it is known.
        failures: keys of the failed tasks seen so far.
        ready_since: since when it is up without interruption; None if it is not.
        state: the judgement.
        detail: why, in a few words: `1 of 2 ready`, or the target's own words for a failure.
        healthy: whether it has to be ready; False for an app that was not so before it is put back.
        fingerprint: of the configuration that the write made; empty until it is known.
        most_ready: the most instances that were ever ready since it was written; None before the first look.
        least_stale: the fewest old instances that were ever left, likewise.
        unhealthy: ids of instances that were seen and never ready.
        once_healthy: ids of instances that were ready at some look.
        unplaced_since: since when instances have no place to run; None if they have.
        image: the image reference in its definition at the last look; None before the first one.
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
    fingerprint: str = ""
    most_ready: int | None = None
    least_stale: int | None = None
    unhealthy: frozenset[str] = frozenset()
    once_healthy: frozenset[str] = frozenset()
    unplaced_since: float | None = None
    image: str | None = None

    def limit_s(self, limits: Limits) -> float:
        """How long it may take to get further than ever before, in seconds."""
        return limits.timeout_s + self.change.app.announced_s


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
        return replace(watch, image=status.image if status else watch.image)
    if status is None:
        return _failed(watch, "the target no longer shows this app")
    watch = replace(watch, image=status.image)
    if status.image != watch.change.image:
        return _another_image(watch, status, now, limits)
    if _is_foreign(watch, status):
        return _failed(watch, FOREIGN)
    watch = replace(watch, answered=True, version=status.version)
    watch = replace(watch, fingerprint=status.fingerprint or watch.fingerprint)
    failures = watch.failures | ({status.failure.key} if status.failure else frozenset())
    fresh = len(failures) > len(watch.failures)
    watch = _with_progress(replace(watch, failures=failures), status, now)
    if watch.healthy and (why := _never_up(watch, status)):
        return _failed(watch, why)
    ready = not status.deployments and status.ready >= status.instances and not status.stale
    if ready or not watch.healthy:
        since = now if watch.ready_since is None or (fresh and watch.healthy) else watch.ready_since
        watch = replace(watch, ready_since=since, detail=_ready_text(status))
        if now - since >= limits.settle_s or status.instances == 0:
            return replace(watch, state=RolloutState.UP)
        return replace(watch, state=RolloutState.WAITING)
    # One that was up already and stumbles, while others are still on their way, has its whole time again.
    since = now if watch.state is RolloutState.UP else watch.since
    detail = _waiting_text(watch, status, now)
    watch = replace(watch, since=since, ready_since=None, state=RolloutState.WAITING, detail=detail)
    if now - watch.since >= watch.limit_s(limits) and not _only_held(status):
        return _failed(watch, too_slow(watch, limits))
    return watch


def too_slow(watch: RolloutStatus, limits: Limits) -> str:
    """Why an app failed that has not got any further for as long as it may take."""
    announced = watch.change.app.announced_s
    limit = f"{limits.timeout_s:g} s"
    if announced:
        limit += f" and the {announced:g} s that its definition announces"
    return f"not up within {limit}: {watch.detail}"


def extended(watches: Mapping[str, RolloutStatus], statuses: Mapping[str, Status], now: float) -> frozenset[str]:
    """Apps whose turn has not come yet: their time begins again.

    One deployment may bring several apps up after each other, in the order of their dependencies. While one of them
    gets further, or still has time to start or to drain, those that wait behind it in the same deployment do not run
    out of theirs. On the way back these may have some instances already: those that the run has not replaced.

    Args:
        watches: by app id, what is known after a look.
        statuses: that look.
        now: its time, in seconds.
    """
    moving = {
        held
        for app_id, watch in watches.items()
        if app_id in statuses and (watch.since == now or _is_on_its_way(watch, statuses[app_id]))
        for held in statuses[app_id].deployments
    }
    return frozenset(
        app_id
        for app_id, status in statuses.items()
        if app_id in watches
        and watches[app_id].state is RolloutState.WAITING
        and _waits_for_its_turn(status)
        and not moving.isdisjoint(status.deployments)
    )


def _waits_for_its_turn(status: Status) -> bool:
    """Whether there is no sign of an instance that starts or drains."""
    starting = status.started > status.ready or status.live - status.healthy
    return not (starting or status.draining or status.failure or status.waiting or status.unplaced)


def _is_on_its_way(watch: RolloutStatus, status: Status) -> bool:
    """Whether an app has begun and is judged by a time of its own; one that is only held by others has none."""
    return watch.state is RolloutState.WAITING and not _waits_for_its_turn(status) and not _only_held(status)


def _is_foreign(watch: RolloutStatus, status: Status) -> bool:
    """Whether the app has the intended image, but not in the configuration that this run made.

    The version of a known write is compared by equality, and the configuration by its fingerprint too, since one
    version may name two configurations.
    """
    if watch.version and status.version != watch.version:
        return True
    expected = watch.fingerprint or ("" if watch.version else watch.change.fingerprint)
    return bool(expected and status.fingerprint) and status.fingerprint != expected


def _with_progress(watch: RolloutStatus, status: Status, now: float) -> RolloutStatus:
    """Take into account whether it has got further than ever before; an instance that flaps has not."""
    unplaced_since = None if not status.unplaced else now if watch.unplaced_since is None else watch.unplaced_since
    once_healthy = watch.once_healthy | status.healthy
    watch = replace(
        watch,
        unplaced_since=unplaced_since,
        unhealthy=(watch.unhealthy | status.live) - once_healthy,
        once_healthy=once_healthy,
    )
    if watch.most_ready is None or watch.least_stale is None:
        return replace(watch, most_ready=status.ready, least_stale=status.stale)
    if status.ready <= watch.most_ready and status.stale >= watch.least_stale:
        return watch
    return replace(
        watch,
        since=now,
        most_ready=max(status.ready, watch.most_ready),
        least_stale=min(status.stale, watch.least_stale),
    )


def _never_up(watch: RolloutStatus, status: Status) -> str:
    """What proves that its instances will not come up; empty if nothing does.

    A task that its own executor kills for a failed check leaves no failure behind on Marathon: it is only known by
    another one in its place, again and again (seen on Marathon 1.10 with `MESOS_HTTP`).
    """
    gone = len(watch.unhealthy - status.live)
    replaced = gone >= max(CRASHES, status.instances + 1)
    # The same words whichever evidence is there first: how many failures are seen depends on when the looks come.
    if status.failure and (replaced or len(watch.failures) >= CRASHES):
        return f"it fails again and again: {status.failure.message}"
    if replaced:
        return (
            f"{gone} of its instances ended without ever being ready{f': {status.waiting}' if status.waiting else ''}"
        )
    return ""


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
    lost = f"; {status.unreachable} old unreachable on a lost agent" if status.unreachable else ""
    return f"{status.ready} of {status.instances} ready{lost}"


def _waiting_text(watch: RolloutStatus, status: Status, now: float) -> str:
    parts = [_ready_text(status)]
    if _only_held(status):
        parts.append("its deployment still runs")
    if status.draining:
        parts.append(f"{status.draining} old draining")
    if status.stale > status.draining:
        parts.append(f"{status.stale - status.draining} old still there")
    if status.failure:
        parts.append(f"last failure: {status.failure.message}")
    if status.waiting:
        parts.append(status.waiting)
    if watch.unplaced_since is not None and now - watch.unplaced_since >= UNPLACED_S:
        parts.append(status.unplaced)
    return "; ".join(parts)
