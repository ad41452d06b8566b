"""How far a workload is, from its counts and its pods. Pure.

Neither `kubectl rollout status` nor the condition Progressing is believed: both call a container that crashes every
few seconds a success, since without `minReadySeconds` it is enough to be ready for a moment (seen on 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollback.core.apps import Status
from rollback.errors import TargetError
from rollback.targets.base import UNREADABLE
from rollback.targets.kubernetes import pods, workloads
from rollback.targets.kubernetes.workloads import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, WorkloadKind

REVISION = "deployment.kubernetes.io/revision"
POD_HASH = "controller-revision-hash"
_NOT_OBSERVED = "the controller has not acted on the change yet"


@dataclass(frozen=True)
class Observation:
    """One look at a workload.

    Attributes:
        entry: the workload.
        kind: its kind.
        pods: all pods that it owns, of whichever revision.
        current: uids of those of its present configuration; None if that is not known yet.
        events: messages of warnings about the workload itself, newest first.
        now: the time.
    """

    entry: Mapping[str, Any]
    kind: WorkloadKind
    pods: Sequence[Mapping[str, Any]]
    current: frozenset[str] | None
    events: Sequence[str]
    now: datetime


@dataclass(frozen=True)
class _Counts:
    """A workload's own numbers; fields that are zero are absent from the API's answers.

    Attributes:
        wanted: how many pods there should be.
        total: how many there are, without those that end.
        updated: how many of these have the present configuration.
        available: how many of these are available, of whichever configuration.
    """

    wanted: int
    total: int
    updated: int
    available: int


def is_observed(entry: Mapping[str, Any]) -> bool:
    """Whether the controller has seen the present configuration."""
    status = entry.get("status") or {}
    return int(status.get("observedGeneration", 0)) >= int(entry["metadata"].get("generation", 0))


def is_in_flight(entry: Mapping[str, Any], kind: WorkloadKind) -> bool:
    """Whether its pods are not all of the present configuration and available."""
    counts = _counts(entry, kind)
    return not (is_observed(entry) and counts.wanted == counts.total == counts.updated == counts.available)


def has_old_pods(entry: Mapping[str, Any], kind: WorkloadKind) -> bool:
    """Whether pods of an older configuration are left, or the controller has not seen the present one yet."""
    counts = _counts(entry, kind)
    return not is_observed(entry) or counts.total > counts.updated


def progress(entry: Mapping[str, Any], kind: WorkloadKind) -> str:
    """How far a rollout is, by the workload's own numbers."""
    counts = _counts(entry, kind)
    return f"{counts.updated} of {counts.wanted} updated, {counts.available} available"


def status(seen: Observation) -> Status:
    """Judge how far a workload is.

    Raises:
        TargetError: not a workload.
    """
    try:
        return _status(seen)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TargetError(
            f"the API server's answer cannot be read: a {seen.kind.title} is not as expected",
            why=repr(error),
            hint=UNREADABLE,
        ) from error


def _status(seen: Observation) -> Status:
    app = workloads.app(seen.entry, seen.kind)
    known = is_observed(seen.entry) and seen.current is not None
    current = seen.current or frozenset()
    present = [pod for pod in seen.pods if not pods.is_over(pod)]
    new = [pod for pod in present if pods.uid(pod) in current]
    alive = [pod for pod in new if not pods.is_terminating(pod)]
    lost = [pod for pod in present if pods.is_unreachable(pod, seen.now) and pod not in new]
    old = [pod for pod in present if pod not in new and pod not in lost]
    ready = [pod for pod in alive if pods.is_ready(pod)]
    counts = _counts(seen.entry, seen.kind)
    return Status(
        id=app.id,
        image=app.image,
        version=app.version,
        instances=counts.wanted,
        deployments=(),
        ready=min(len(ready), counts.updated, counts.available) if known else 0,
        started=sum(map(pods.is_running, alive)) if known else 0,
        stale=_stale(seen, len(old), counts, known=known),
        failure=pods.newest_failure(pod for pod in seen.pods if pods.uid(pod) in current),
        waiting=_waiting(seen, alive, counts),
        images=workloads.images(seen.entry),
        unplaced=pods.unplaced(alive),
        fingerprint=app.fingerprint,
        live=frozenset(map(pods.uid, alive)),
        healthy=frozenset(map(pods.uid, ready)),
        draining=sum(map(pods.is_terminating, old)),
        unreachable=len(lost),
    )


def _counts(entry: Mapping[str, Any], kind: WorkloadKind) -> _Counts:
    found = entry.get("status") or {}
    wanted = workloads.instances(entry, kind)
    if kind is DAEMON_SET:
        members = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    else:
        members = ("replicas", "updatedReplicas", "availableReplicas")
    total, updated, available = (int(found.get(member, 0)) for member in members)
    if kind is STATEFUL_SET and "availableReplicas" not in found and not entry["spec"].get("minReadySeconds"):
        available = int(found.get("readyReplicas", 0))  # before 1.22 there was no such count
    return _Counts(wanted, total, updated, available)


def _stale(seen: Observation, old: int, counts: _Counts, *, known: bool) -> int:
    """How many instances of older configurations there are.

    Which pods are new is not known for a moment after each change, while the first of them may be there already. The
    controller's own counts are of the configuration that it has observed; if it is not the present one, all are old.
    """
    if known:
        return max(old, counts.total - counts.updated)
    return counts.total - counts.updated if is_observed(seen.entry) else counts.total


def _waiting(seen: Observation, alive: Iterable[Mapping[str, Any]], counts: _Counts) -> str:
    if not is_observed(seen.entry):
        return _NOT_OBSERVED
    refused = pods.condition(seen.entry, "ReplicaFailure")
    if refused.get("status") == "True":
        return f"{refused.get('reason', '')}: {refused.get('message', '')}"
    if counts.total < counts.wanted and seen.events:
        return seen.events[0]
    return pods.waiting(alive)


def current_replica_set(
    deployment: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The ReplicaSet of a Deployment's present configuration; None if there is none yet."""
    revision = (deployment["metadata"].get("annotations") or {}).get(REVISION)
    its_images = workloads.images(deployment)
    for one in replica_sets:
        if pods.owner(one) != deployment["metadata"]["uid"]:
            continue
        if (one["metadata"].get("annotations") or {}).get(REVISION) == revision and workloads.images(
            one
        ) == its_images:
            return one
    return None


def newest_revision(daemon_set: Mapping[str, Any], revisions: Iterable[Mapping[str, Any]]) -> str:
    """The hash label of a DaemonSet's newest ControllerRevision; empty if there is none. Its status names none."""
    own = [one for one in revisions if pods.owner(one) == daemon_set["metadata"]["uid"]]
    newest = max(own, default=None, key=lambda one: int(one.get("revision", 0)))
    return str((newest["metadata"].get("labels") or {}).get(POD_HASH, "")) if newest else ""


def stuck_pod(seen: Observation) -> Mapping[str, Any] | None:
    """The pod that keeps a StatefulSet from being repaired; None if there is none.

    With the pod management policy OrderedReady the controller waits for ever for a pod to become ready before it
    replaces it, even when the pod template is a good one again (kubernetes/kubernetes#67250; seen on 1.37).
    """
    spec, found = seen.entry["spec"], seen.entry.get("status") or {}
    strategy = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate")
    ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    if seen.kind is not STATEFUL_SET or strategy != "RollingUpdate" or not ordered or not is_observed(seen.entry):
        return None
    wanted = found.get("updateRevision")
    stuck = [
        pod
        for pod in seen.pods
        if not pods.is_ready(pod)
        and not pods.is_terminating(pod)
        and wanted
        and (pod["metadata"].get("labels") or {}).get(POD_HASH) not in (None, wanted)
    ]
    return max(stuck, default=None, key=_ordinal)


def _ordinal(pod: Mapping[str, Any]) -> int:
    return int(str(pod["metadata"]["name"]).rpartition("-")[2])


def owns_directly(kind: WorkloadKind) -> bool:
    """Whether the pods name the workload itself as their owner; those of a Deployment name a ReplicaSet."""
    return kind is not DEPLOYMENT
