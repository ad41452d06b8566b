"""Looks at workloads and their pods in as few requests as possible.

A look lists each kind of workload that is requested, and the pods; ReplicaSets, ControllerRevisions or events are
listed only when what they say is not known from an earlier look, and one of the three per look.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from rollback.errors import TargetError
from rollback.targets.kubernetes import pods, rollout, workloads
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.rollout import POD_HASH, Observation
from rollback.targets.kubernetes.workloads import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, WorkloadId

_Entries = Mapping[WorkloadId, JsonObject]


class Observer:
    """Observes the workloads of one cluster; remembers which ReplicaSet or revision belongs to which configuration.

    Args:
        api: how the cluster is reached.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._revisions: dict[tuple[str, str], str] = {}  # by uid and version: the ReplicaSet's uid or the hash label
        self._owners: dict[str, str] = {}  # by uid of a ReplicaSet, that of what owns it

    def observe(self, wanted: Collection[WorkloadId]) -> list[Observation]:
        """Look at workloads; one that is gone is absent.

        Raises:
            TargetError: the API server cannot be queried.
        """
        found: list[Observation] = []
        for namespace in sorted({one.namespace for one in wanted}):
            found += self._observe(namespace, {one for one in wanted if one.namespace == namespace})
        return found

    def _observe(self, namespace: str, wanted: Collection[WorkloadId]) -> list[Observation]:
        entries: dict[WorkloadId, JsonObject] = {}
        for kind in sorted({one.kind for one in wanted}, key=lambda kind: kind.plural):
            what = f"the {kind.plural} of {namespace} cannot be read"
            for entry in self._api.list(kind.collection(namespace), what):
                identity = WorkloadId(namespace, kind, str(entry["metadata"]["name"]))
                if identity in wanted:
                    entries[identity] = entry
        listed = self._api.list(f"/api/v1/namespaces/{namespace}/pods", f"the pods of {namespace} cannot be read")
        messages: Mapping[str, list[str]] = {}
        with self._lock:
            if self._needs_replica_sets(entries, listed):
                self._learn_replica_sets(namespace, entries)
            elif self._needs_revisions(entries):
                self._learn_revisions(namespace, entries)
            elif any(_lacks_pods(entry, one) for one, entry in entries.items()):
                messages = self._events(namespace)
            now = datetime.now(timezone.utc)
            return [self._observation(one, entry, listed, messages, now) for one, entry in entries.items()]

    def _observation(
        self,
        identity: WorkloadId,
        entry: JsonObject,
        listed: Iterable[JsonObject],
        messages: Mapping[str, list[str]],
        now: datetime,
    ) -> Observation:
        uid = str(entry["metadata"]["uid"])
        own = [pod for pod in listed if self._owner(pod) == uid]
        return Observation(entry, identity.kind, own, self._current(identity, entry, own), messages.get(uid, []), now)

    def _owner(self, pod: JsonObject) -> str:
        """The uid of the workload that owns a pod, if it was seen."""
        direct = pods.owner(pod)
        return self._owners.get(direct, direct)

    def _current(self, identity: WorkloadId, entry: JsonObject, own: Iterable[JsonObject]) -> frozenset[str] | None:
        """Uids of the pods of the present configuration; None if it is not known which these are."""
        if not rollout.is_observed(entry):
            return None
        if identity.kind is STATEFUL_SET:
            revision = (entry.get("status") or {}).get("updateRevision")
        else:
            revision = self._revisions.get(_key(entry))
        if not revision:
            return None
        if identity.kind is DEPLOYMENT:
            return frozenset(pods.uid(pod) for pod in own if pods.owner(pod) == revision)
        return frozenset(
            pods.uid(pod) for pod in own if (pod["metadata"].get("labels") or {}).get(POD_HASH) == revision
        )

    def _needs_replica_sets(self, entries: _Entries, listed: Iterable[JsonObject]) -> bool:
        deployments = [entry for one, entry in entries.items() if one.kind is DEPLOYMENT]
        if not deployments:
            return False
        if any(rollout.is_observed(one) and _key(one) not in self._revisions for one in deployments):
            return True
        return any(
            reference.get("kind") == "ReplicaSet" and reference.get("uid") not in self._owners
            for pod in listed
            for reference in pod["metadata"].get("ownerReferences") or ()
        )

    def _learn_replica_sets(self, namespace: str, entries: _Entries) -> None:
        path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
        found = self._api.list(path, f"the ReplicaSets of {namespace} cannot be read")
        self._owners.update({str(one["metadata"]["uid"]): pods.owner(one) for one in found})
        for identity, entry in entries.items():
            if identity.kind is DEPLOYMENT and rollout.is_observed(entry):
                current = rollout.current_replica_set(entry, found)
                if current:
                    self._revisions[_key(entry)] = str(current["metadata"]["uid"])

    def _needs_revisions(self, entries: _Entries) -> bool:
        return any(
            one.kind is DAEMON_SET and rollout.is_observed(entry) and _key(entry) not in self._revisions
            for one, entry in entries.items()
        )

    def _learn_revisions(self, namespace: str, entries: _Entries) -> None:
        path = f"/apis/apps/v1/namespaces/{namespace}/controllerrevisions"
        found = self._api.list(path, f"the ControllerRevisions of {namespace} cannot be read")
        for identity, entry in entries.items():
            if identity.kind is DAEMON_SET and rollout.is_observed(entry):
                revision = rollout.newest_revision(entry, found)
                if revision:
                    self._revisions[_key(entry)] = revision

    def _events(self, namespace: str) -> dict[str, list[str]]:
        """By uid of a workload, messages of the warnings about it, newest first; nothing if they cannot be read."""
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            found = self._api.list(path, "the events cannot be read", fieldSelector="reason=FailedCreate")
        except TargetError:  # the words alone are lost
            return {}
        messages: dict[str, list[str]] = {}
        for one in sorted(found, key=_time_of, reverse=True):
            about = str((one.get("involvedObject") or {}).get("uid", ""))
            messages.setdefault(about, []).append(f"{one.get('reason', '')}: {one.get('message', '')}")
        return messages


def _time_of(event: Mapping[str, Any]) -> str:
    """When an event was last seen; the scheduler's have `eventTime` alone."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _key(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["metadata"]["uid"]), workloads.version(entry)


def _lacks_pods(entry: Mapping[str, Any], identity: WorkloadId) -> bool:
    """Whether pods are missing without a word about it in the workload's status."""
    if identity.kind is DEPLOYMENT:
        return False
    member = "currentNumberScheduled" if identity.kind is DAEMON_SET else "replicas"
    count = int((entry.get("status") or {}).get(member, 0))
    return count < workloads.instances(entry, identity.kind)
