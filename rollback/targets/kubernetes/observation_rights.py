"""Whether the user may read what shows that a change has arrived; without that a write could not be verified."""

from __future__ import annotations

from collections.abc import Sequence

from rollback.core.apps import Change, Remark
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden
from rollback.targets.kubernetes.revision_memory import RevisionMemory
from rollback.targets.kubernetes.workloads import STATEFUL_SET, WorkloadId


def remarks(api: KubernetesApi, memory: RevisionMemory, changes: Sequence[Change]) -> tuple[Remark, ...]:
    """An obstacle for each change whose pods, ReplicaSets or ControllerRevisions may not be read.

    One request per namespace, and those of `RevisionMemory`. A StatefulSet names its present revision itself.

    Raises:
        LoginRefused: the credentials are not accepted.
        TargetError: the API server cannot be queried.
    """
    identities = {change.app.id: WorkloadId.parse(change.app.id) for change in changes}
    namespaces = sorted({identity.namespace for identity in identities.values()})
    pods = {namespace: _of_pods(api, namespace) for namespace in namespaces}
    found = []
    for app_id, identity in identities.items():
        denied = pods[identity.namespace]
        if denied is None and identity.kind is not STATEFUL_SET:
            denied = memory.denied(app_id)
        if denied:
            what = f"it could not be verified: {denied.what}"
            found.append(Remark(app_id, what, denied.why, denied.hint, blocks=True))
    return tuple(found)


def _of_pods(api: KubernetesApi, namespace: str) -> Forbidden | None:
    try:
        api.get(f"/api/v1/namespaces/{namespace}/pods", f"the pods of {namespace} cannot be read", limit="1")
    except Forbidden as error:
        return error
    return None
