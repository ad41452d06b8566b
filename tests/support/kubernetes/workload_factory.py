"""The target `kubernetes` on an API server in memory, and workloads for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollback.targets import kubernetes
from tests.support.kubernetes.memory_api import MemoryApi

APPS, BATCH = "/apis/apps/v1/namespaces/shop", "/apis/batch/v1/namespaces/shop"
PODS, ROLLOUTS = "/api/v1/namespaces/shop/pods", "/apis/argoproj.io/v1alpha1"
OLD, NEW = "r.example.com/shop/web:1", "r.example.com/shop/web:2"

Make = Callable[..., kubernetes.Kubernetes]


def pod_template(*images: str, **members: Any) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images or (NEW,))]
    return {"metadata": {"labels": {}}, "spec": {"containers": containers, **members}}


def workload(*images: str, **spec: Any) -> dict[str, Any]:
    up = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return {"spec": {"replicas": 1, "template": pod_template(*images), **spec}, "status": up}


def owned(kind: str, name: str, uid: str = "u", **labels: str) -> dict[str, Any]:
    reference = {"kind": kind, "name": name, "uid": uid, "controller": True}
    return {"ownerReferences": [reference], "labels": labels}


def fleet(api: MemoryApi, number: int) -> None:
    """Workloads of all kinds with a pod each, and old ReplicaSets."""
    for count in range(number):
        kind = ("daemonsets", "statefulsets", "deployments", "deployments")[count % 4]
        made = api.add(f"{APPS}/{kind}", f"w{count}", **workload())
        made["status"].update(desiredNumberScheduled=1, currentNumberScheduled=1, updatedNumberScheduled=1)
        title = {"daemonsets": "DaemonSet", "statefulsets": "StatefulSet", "deployments": "ReplicaSet"}[kind]
        name = f"w{count}-5d9" if title == "ReplicaSet" else f"w{count}"
        labels = {"pod-template-hash": "5d9"} if title == "ReplicaSet" else {}
        api.add(PODS, f"w{count}-0", spec=pod_template()["spec"], metadata=owned(title, name, **labels))
        for past, image in enumerate((OLD, NEW), 1):
            remember(api, kind, f"w{count}", past, image, f"2026-11-2{past}T12:00:00Z")


def remember(api: MemoryApi, kind: str, name: str, number: int, image: str, created: str, **members: Any) -> None:
    """A revision of a workload, as a ReplicaSet or a ControllerRevision."""
    meta = {**owned("Any", name, f"{APPS}/{kind} {name}"), "creationTimestamp": created}
    template = pod_template(image, **members)
    if kind == "deployments":
        marked = {**meta, "annotations": {"deployment.kubernetes.io/revision": str(number)}}
        spec = {"replicas": 1 if image == NEW else 0, "template": template}
        api.add(f"{APPS}/replicasets", f"{name}-{number}", metadata=marked, spec=spec)
    else:
        data = {"spec": {"template": template}}
        api.add(f"{APPS}/controllerrevisions", f"{name}-{number}", metadata=meta, revision=number, data=data)
