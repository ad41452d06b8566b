"""The locks that a run holds: on this machine and, where state is shared, on the target."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rollback.core.plan import Plan
from rollback.execution.policy import Clock
from rollback.state.known_addresses import Cluster
from rollback.state.lock import FileLock, Lock, MarkerLock
from rollback.state.record import Header
from rollback.targets.base import Target
from rollback.workflow import cluster_identity
from rollback.workflow.run_request import RunRequest
from rollback.workflow.signals import LONGEST_S, until_stopped

log = logging.getLogger(__name__)


@contextmanager
def locked(
    request: RunRequest,
    plan: Plan,
    target: Target,
    cluster: Cluster,
    header: Header,
    locks: list[Lock],
    clock: Clock,
) -> Iterator[None]:
    """While the block runs, no other run of the environment can begin.

    Args:
        request: the run.
        plan: what it does.
        target: where.
        cluster: the cluster that it is.
        header: of the run's record, for whoever is refused.
        locks: is given the locks as soon as there are any; empty at first.
        clock: hears signals. Nothing waits longer than a second after one; what may be left behind is said.

    Raises:
        Refused: another run holds one of the locks.
        Failed: the state folder cannot be used.
        TargetError: the target cannot be queried.
        KeyboardInterrupt: there was a signal.
    """
    env, holder, steal = plan.env.name, _holder(header), request.steal_lock
    folder = cluster_identity.folder(request.config)
    try:
        for key in cluster.keys:  # the identity keeps out every other run, an address one of version 0.1
            locks.append(FileLock(folder, env, key, holder, steal=steal))
        if cluster_identity.is_shared(request.config):
            markers = cluster_identity.markers(target)
            ids = until_stopped(clock, lambda: markers.marker_ids("rollback-lock", env))
            shared = MarkerLock(markers, ids, env, holder, steal=steal)
            locks.append(shared)
            until_stopped(clock, shared.claim)
        yield
    finally:
        for lock in reversed(locks):
            _release(lock, clock)


def _release(lock: Lock, clock: Clock) -> None:
    """Give a lock back, and say what may stay behind."""
    try:
        left = clock.call(lock.release, LONGEST_S)
    except TimeoutError:
        left = lock.left
    if left:
        log.warning("%s", left)


def _holder(header: Header) -> Mapping[str, str]:
    return {
        "run": header.run,
        "by": header.by,
        "host": platform.node(),
        "pid": str(os.getpid()),
        "since": header.at,
        "link": header.link,
    }
