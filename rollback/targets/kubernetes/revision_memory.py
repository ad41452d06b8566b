"""What the workloads of a cluster were configured with, as its ReplicaSets and ControllerRevisions remember it.

Each collection of a namespace is read once, however many workloads are looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.system.bounded_call import each
from rollback.targets.kubernetes import drift, pods, revisions, rollout, workloads
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden
from rollback.targets.kubernetes.revisions import Revision
from rollback.targets.kubernetes.workloads import DEPLOYMENT, WorkloadId

_AT_A_TIME = 8  # collections
_REPLICA_SETS, _CONTROLLER_REVISIONS = "replicasets", "controllerrevisions"
_TITLES = {_REPLICA_SETS: "ReplicaSets", _CONTROLLER_REVISIONS: "ControllerRevisions"}
_UNCERTAIN = "its configuration of that date is uncertain: not compared"


class RevisionMemory:
    """Reads what workloads were configured with. May be used from several threads.

    Args:
        api: how the cluster is reached.
        present: returns a workload as it was last read, by the id of its app.
    """

    def __init__(self, api: KubernetesApi, present: Callable[[str], JsonObject]) -> None:
        self._api, self._present = api, present
        self._lock = threading.Lock()
        self._collections: dict[tuple[str, str], _Collection] = {}

    def history(self, ids: Sequence[str], most: int) -> dict[str, tuple[ConfiguredImages, ...]]:
        """See `ImageMemory.image_history`. One request for each kind of collection and namespace."""
        each(lambda one: one.read(), sorted({self._collection(one) for one in ids}, key=str), workers=_AT_A_TIME)
        return {one: _newest([it.configured for it in self._revisions(one)], most) for one in ids}

    def at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """See `ImageMemory.image_at`. One request for the first workload of each kind and namespace."""
        found = self._at(app_id, moment)
        return found.configured if found else None

    def denied(self, app_id: str) -> Forbidden | None:
        """Why the user may not read what a workload had; None if it may be read. Requests as for `at`.

        Raises:
            LoginRefused: the credentials are not accepted.
            TargetError: the API server cannot be queried.
        """
        try:
            self._collection(app_id).read()
        except Forbidden as error:
            return error
        return None

    def drift(self, app_id: str, moment: Instant) -> tuple[str, ...]:
        """See `Remembering.drift`. Requests as for `at`."""
        then = self._at(app_id, moment)
        if then is None:
            return ()
        if then.configured.doubtful:
            return (_UNCERTAIN,)
        entry, kind = self._present(app_id), WorkloadId.parse(app_id).kind
        changed = drift.drift(then.template, workloads.template(entry))
        return (*drift.replicas(then.replicas, workloads.instances(entry, kind)), *changed)

    def _at(self, app_id: str, moment: Instant) -> Revision | None:
        return next((one for one in reversed(self._revisions(app_id)) if one.configured.since <= moment), None)

    def _revisions(self, app_id: str) -> list[Revision]:
        """What a workload was configured with, oldest first.

        Raises:
            TargetError: it cannot be read.
        """
        kind, entry, collection = WorkloadId.parse(app_id).kind, self._present(app_id), self._collection(app_id)
        uid, kept = str(entry["metadata"]["uid"]), collection.read()
        try:
            if kind is DEPLOYMENT:
                found = revisions.of_deployment(app_id, uid, kept.owned.get(uid, ()), kept.read_at)
            else:
                found = revisions.of_stateful(app_id, uid, kept.owned.get(uid, ()))
            return revisions.with_doubt(found) if found and rollout.has_old_pods(entry, kind) else found
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TargetError(
                f"the past of {app_id} cannot be read",
                why=f"the API server's answer is not as expected: {error!r}",
                hint="use --basis=built",
            ) from error

    def _collection(self, app_id: str) -> _Collection:
        identity = WorkloadId.parse(app_id)
        plural = _REPLICA_SETS if identity.kind is DEPLOYMENT else _CONTROLLER_REVISIONS
        with self._lock:
            return self._collections.setdefault(
                (identity.namespace, plural), _Collection(self._api, identity.namespace, plural)
            )


@dataclass(frozen=True)
class _Kept:
    """What a collection holds.

    Attributes:
        owned: by uid of the workload, its objects.
        read_at: when they were read.
    """

    owned: Mapping[str, Sequence[JsonObject]]
    read_at: Instant


class _Collection:
    """All ReplicaSets or ControllerRevisions of a namespace, read once when first needed.

    A failure is kept as well: whoever looks up two hundred workloads gets it once from the server.
    """

    def __init__(self, api: KubernetesApi, namespace: str, plural: str) -> None:
        self._api, self._namespace, self._plural = api, namespace, plural
        self._lock = threading.Lock()
        self._found: _Kept | TargetError | None = None

    def __str__(self) -> str:
        return f"{self._namespace}/{self._plural}"

    def read(self) -> _Kept:
        """What it holds.

        Raises:
            Forbidden: the user may not list them. TargetError: the API server cannot be queried.
        """
        with self._lock:
            if self._found is None:
                path = f"/apis/apps/v1/namespaces/{self._namespace}/{self._plural}"
                what = f"the {_TITLES[self._plural]} of {self._namespace} cannot be read"
                read_at = Instant(datetime.now(timezone.utc))
                try:
                    owned: dict[str, list[JsonObject]] = {}
                    for entry in self._api.list(path, what):
                        owned.setdefault(pods.owner(entry), []).append(entry)
                    self._found = _Kept(owned, read_at)
                except TargetError as error:
                    self._found = error
            if isinstance(self._found, TargetError):
                raise self._found
            return self._found


def _newest(found: Sequence[ConfiguredImages], most: int) -> tuple[ConfiguredImages, ...]:
    """The newest configurations, back to where so many images are known with the time of each."""
    images = 0
    for place in range(len(found) - 1, -1, -1):
        if place + 1 == len(found) or found[place].containers != found[place + 1].containers:
            images += 1
        if images > most:
            return tuple(found[place:])
    return tuple(found)
