"""Kubelets that run nothing: they own nodes and report for each pod what real ones would report.

    python -m tests.support.kubernetes.stand_in_kubelet KUBECONFIG BEHAVIORS NODE …

BEHAVIORS is the folder of a `BehaviorTable`: what happens to a container is decided by its image. The scheduler and
all controllers are the real ones; messages have the kubelet's wording. Not real: pulls, probes, volumes, networks.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.support.kubernetes.client import STRATEGIC_PATCH, Client, RequestFailed
from tests.support.kubernetes.container import Container, timestamp
from tests.support.kubernetes.image_behavior import BehaviorTable

_STEP_S = 0.1  # between two looks at all pods
# Large enough for several tests at a time; a pod that asks for more stays unschedulable.
_CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "1000"}


class Pod:
    """One pod that is bound to a node of ours.

    Args:
        client: a client of the API server.
        definition: the pod as the API server has it.
        behaviors: what images do.
    """

    def __init__(self, client: Client, definition: dict[str, Any], behaviors: BehaviorTable) -> None:
        self.definition = definition
        self._client = client
        self._started_at = timestamp()
        self._reported: Any = None
        self._warned: set[tuple[str, str]] = set()
        self._deleted: float | None = None
        namespace = definition["metadata"]["namespace"]

        def container(spec: dict[str, Any], *, init: bool = False) -> Container:
            image = spec["image"]
            return Container(definition, spec, lambda: behaviors.find(namespace, image), init=init)

        self._main = [container(spec) for spec in definition["spec"]["containers"]]
        self._init = [
            container(spec, init=spec.get("restartPolicy") != "Always")
            for spec in definition["spec"].get("initContainers", ())
        ]

    def step(self) -> None:
        """Report what has changed since the last step."""
        if self.definition["metadata"].get("deletionTimestamp"):
            self._terminate()
            return
        before = self._init_statuses()
        initialized = len(before) == len(self._init) and all(map(Container.has_started, self._init, before))
        after = [one.status() for one in self._main] if initialized else []
        for container in (*self._init, *self._main):
            if container.warning and container.warning not in self._warned:
                self._warned.add(container.warning)
                self._post_event(*container.warning)
        if (before, after) == self._reported:
            return
        status = self._status(before, after, initialized=initialized)
        patch = {"metadata": {"uid": self.definition["metadata"]["uid"]}, "status": status}
        answer = _unless_gone(self._client, "PATCH", f"{self._path}/status", patch, STRATEGIC_PATCH)
        if answer:
            self._reported, self.definition = (before, after), answer

    @property
    def _path(self) -> str:
        meta = self.definition["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"

    def _terminate(self) -> None:
        """Delete the pod for good once all its containers have had their time."""
        wait_s = max(one.behavior.terminates_after_s for one in self._main)
        self._deleted = self._deleted or time.monotonic()
        if time.monotonic() >= self._deleted + wait_s:
            preconditions = {"uid": self.definition["metadata"]["uid"]}
            _unless_gone(
                self._client, "DELETE", self._path, {"gracePeriodSeconds": 0, "preconditions": preconditions}
            )

    def _init_statuses(self) -> list[dict[str, Any]]:
        """The statuses of the init containers that have had their turn: one after the other, sidecars stay."""
        statuses = []
        for container in self._init:
            statuses.append(container.status())
            if not container.has_started(statuses[-1]):
                break
        return statuses

    def _status(
        self, before: list[dict[str, Any]], after: list[dict[str, Any]], *, initialized: bool
    ) -> dict[str, Any]:
        ready = initialized and all(one["ready"] for one in after)
        started = any("running" in one["state"] or one["restartCount"] for one in after)
        unready = [one["name"] for one in after if not one["ready"]]
        message = f"containers with unready status: [{' '.join(unready)}]"
        not_ready = {} if ready else {"reason": "ContainersNotReady", "message": message}
        conditions = [
            _condition("PodReadyToStartContainers", status=True),
            _condition("Initialized", status=initialized),
            _condition("Ready", status=ready, **not_ready),
            _condition("ContainersReady", status=ready, **not_ready),
        ]
        known = {one["type"]: one for one in self.definition.get("status", {}).get("conditions", ())}
        for condition in conditions:  # the time of the last transition, not of the last report
            earlier = known.get(condition["type"])
            if earlier and earlier["status"] == condition["status"]:
                condition["lastTransitionTime"] = earlier["lastTransitionTime"]
        return {
            "phase": "Running" if started else "Pending",
            "startTime": self._started_at,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "observedGeneration": self.definition["metadata"].get("generation", 1),
            "conditions": conditions,
            "initContainerStatuses": before,
            "containerStatuses": after,
        }

    def _post_event(self, reason: str, message: str) -> None:
        meta, now = self.definition["metadata"], timestamp()
        involved = {"kind": "Pod", "apiVersion": "v1", **{key: meta[key] for key in ("name", "namespace", "uid")}}
        event = {
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": involved,
            "type": "Warning",
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet"},
        }
        _unless_gone(self._client, "POST", f"/api/v1/namespaces/{meta['namespace']}/events", event)


class Kubelets:
    """The pods of all our nodes: one thread watches which there are, the main one reports how they are.

    Args:
        client: a client of the API server.
        nodes: names of the nodes.
        behaviors: what images do.
    """

    def __init__(self, client: Client, nodes: list[str], behaviors: BehaviorTable) -> None:
        self._client, self._nodes, self._behaviors = client, frozenset(nodes), behaviors
        self._pods: dict[str, Pod] = {}  # by uid
        self._lock = threading.Lock()

    def register(self) -> None:
        """Create the nodes, ready and with room."""
        for name in sorted(self._nodes):
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
            _unless_gone(self._client, "POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
            ready = {**_condition("Ready", status=True, reason="KubeletReady"), "lastHeartbeatTime": timestamp()}
            status = {"status": {"capacity": _CAPACITY, "allocatable": _CAPACITY, "conditions": [ready]}}
            _unless_gone(self._client, "PATCH", f"/api/v1/nodes/{name}/status", status, STRATEGIC_PATCH)

    def watch(self) -> None:
        """Follow the pods of our nodes for ever, also across restarts of the API server."""
        while True:
            try:
                listed = self._client.request("GET", "/api/v1/pods")
                with self._lock:
                    for uid in set(self._pods) - {one["metadata"]["uid"] for one in listed["items"]}:
                        del self._pods[uid]
                for one in listed["items"]:
                    self._apply("ADDED", one)
                since = listed["metadata"]["resourceVersion"]
                for kind, pod in self._client.watch(f"/api/v1/pods?watch=1&resourceVersion={since}"):
                    if kind == "ERROR":
                        break
                    self._apply(kind, pod)
            except (OSError, ValueError, RequestFailed):
                time.sleep(0.2)

    def report(self) -> None:
        """Report on every pod once."""
        with self._lock:
            pods = list(self._pods.values())
        for pod in pods:
            try:
                pod.step()
            except (OSError, ValueError, RequestFailed) as error:
                print(f"{pod.definition['metadata']['name']}: {error}", file=sys.stderr, flush=True)  # noqa: T201

    def _apply(self, kind: str, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        with self._lock:
            if kind == "DELETED":
                self._pods.pop(uid, None)
            elif uid in self._pods:
                self._pods[uid].definition = pod
            elif pod["spec"].get("nodeName") in self._nodes:
                self._pods[uid] = Pod(self._client, pod, self._behaviors)


def main(kubeconfig: str, behaviors: str, *nodes: str) -> None:
    """Be the kubelets of these nodes until the process is ended."""
    kubelets = Kubelets(Client(Path(kubeconfig)), list(nodes), BehaviorTable(Path(behaviors)))
    kubelets.register()
    threading.Thread(target=kubelets.watch, daemon=True).start()
    while True:
        kubelets.report()
        time.sleep(_STEP_S)


def _condition(kind: str, *, status: bool, **more: str) -> dict[str, Any]:
    return {"type": kind, "status": str(status), "lastTransitionTime": timestamp(), **more}


def _unless_gone(client: Client, method: str, path: str, body: Any, content_type: str = "application/json") -> Any:
    """Send a request; None where the object is gone, exists already or has changed meanwhile."""
    try:
        return client.request(method, path, body, content_type)
    except RequestFailed as error:
        # 403: a namespace that is being deleted admits no new events.
        if error.status in (403, 404, 409):
            return None
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
