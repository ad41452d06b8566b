"""A stage with a namespace on a real control plane; its time is the clock's, so `later` waits for what happens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.core.timestamps import Instant
from rollback.targets.base import TargetOptions
from tests.contract.stage import SECRET, SECRET_NAME, Fate, LostAnswer, image
from tests.support.kubernetes.client import MERGE_PATCH, Client, RequestFailed
from tests.support.kubernetes.cluster import RBAC_PATH, Cluster, Namespace
from tests.support.kubernetes.control_plane import kubeconfig, wait_until
from tests.support.kubernetes.image_behavior import ANY, HEALTHY, NEVER_READY, UNPULLABLE, ImageBehavior
from tests.support.registry_proxy import Asked, Go, Reply, front, refusal, reset

_KINDS = {"billing": "Deployment", "cart": "StatefulSet", "web": "DaemonSet"}
_UP = replace(HEALTHY, ready_after_s=0.0)
_FATES = {
    Fate.CRASHES: (ImageBehavior(ready_after_s=None, exits_after_s=0.1), "back-off"),
    Fate.NEVER_READY: (NEVER_READY, "containers with unready status: [main]"),
    Fate.DIES: (ImageBehavior(ready_after_s=0.0, exits_after_s=0.6), "container main ended"),
    Fate.UNPULLABLE: (UNPULLABLE, "failed to resolve reference"),
}
_LIMIT_S = 60.0


class Gateway:
    """Stands between a target and an API server, with the rights of the user `rollback`.

    Attributes:
        url: plain HTTP.
    """

    def __init__(self) -> None:
        self.url = ""
        self._faults: list[Callable[[Go], Reply]] = []  # for the next writes
        self._lock = threading.Lock()

    def add(self, fault: Callable[[Go], Reply]) -> None:
        """Let the next write be answered so."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let every write be answered again."""
        with self._lock:
            self._faults.clear()

    def rule(self, asked: Asked, go: Go) -> Reply:
        """Pass on a request."""
        with self._lock:
            fault = self._faults.pop(0) if self._faults and asked.method != "GET" else None
        return fault(go) if fault else go()


@contextmanager
def gateway(cluster: Cluster) -> Iterator[Gateway]:
    """Serve a cluster's API so that answers can be lost."""
    made = Gateway()
    with cluster.http_address() as upstream, front(upstream, made.rule) as server:
        made.url = server.url
        yield made


class KubernetesStage:
    """See `Stage`; also a `MemoryStage`, an `UnmanagedStage` and a `DigestStage`. Each app is of another kind.

    A new image comes up when time passes, not before: until then its containers run and are not ready.
    """

    program = "kubectl"
    secret_mark = "container main"
    hiding_is_an_error = True  # rights are for a kind of workload, so whoever may not see one sees none

    def __init__(self, namespace: Namespace, way: Gateway) -> None:
        self.namespace, self._way = namespace, way
        self._admin = namespace.cluster.admin
        self.address = way.url
        uid = self._admin.request("GET", f"/api/v1/namespaces/{namespace.name}")["metadata"]["uid"]
        self.identity = f"kubernetes {uid}"
        self._kinds: dict[str, str] = {}  # by app id
        self._known: dict[str, ImageBehavior] = {}
        self._seen: object = None
        namespace.set_behavior(ANY, NEVER_READY)
        way.clear()  # what a test that has failed did not use up

    def put(self, name: str, tag: str = "1.9.0", *, instances: int = 1, checked: bool = True) -> str:
        return self._put(name, tag, instances, {}, checked=checked)

    def put_crowded(self, name: str, tag: str = "1.9.0") -> tuple[str, str]:
        """Two pods that want a node each, of which there are two."""
        term = {"labelSelector": {"matchLabels": {"app": name}}, "topologyKey": "kubernetes.io/hostname"}
        apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        return self._put(name, tag, 2, {"affinity": apart}, kind="Deployment"), "anti-affinity"

    def fail(self, image: str, fate: Fate) -> str:
        behavior, words = _FATES[fate]
        self._behave(image, behavior)
        return words

    def resolve(self, image: str, digest: str) -> None:
        self._behave(image, _UP.with_digest(digest))

    def change(self, app_id: str, *, tag: str = "", instances: int = 0, secret: str = "", team: str = "") -> None:
        name, change = app_id.rpartition("/")[2], dict[str, Any]()
        container: dict[str, Any] = {"name": "main"}
        if tag:
            container["image"] = image(name, tag)
        if secret:
            container["env"] = [{"name": SECRET_NAME, "value": secret}]
        if len(container) > 1:
            change["spec"] = {"template": {"spec": {"containers": [container]}}}
        if instances:
            change.setdefault("spec", {})["replicas"] = instances
        if team:
            change["metadata"] = {"labels": {"team": team}}
        self.namespace.patch(self._kinds[app_id], name, change)

    def remove(self, app_id: str) -> None:
        self._admin.request("DELETE", self._path(app_id))
        del self._kinds[app_id]

    def hide(self, app_id: str) -> None:
        self._revoke(app_id, "list", lambda user: user.request("GET", self._path(app_id).rpartition("/")[0]))

    def refuse(self, app_id: str) -> str:
        path = f"{self._path(app_id)}?dryRun=All"
        self._revoke(app_id, "patch", lambda user: user.request("PATCH", path, {}, MERGE_PATCH))
        return "cannot patch resource"

    def lose_answer(self, how: LostAnswer) -> None:
        lost = reset if how is LostAnswer.RESET else lambda _: refusal(int(how.value), "FAULT", "a fault")
        self._way.add(lambda go: lost(go()))

    def delay_answer(self, seconds: float) -> None:
        def late(go: Go) -> Reply:
            time.sleep(seconds)
            return go()

        self._way.add(late)

    def settle(self) -> None:
        self._let_come_up()
        wait_until(self._is_settled, lambda: json.dumps(self._state())[:3000], _LIMIT_S)

    def later(self, seconds: float) -> None:
        self._let_come_up()
        end = time.monotonic() + min(seconds, 1.0)
        while (state := self._state()) == self._seen and time.monotonic() < end:
            time.sleep(0.05)
        self._seen = state

    def ids(self) -> set[str]:
        listed = {
            kind: self._admin.request("GET", self.namespace.path(kind, "").rstrip("/")) for kind in _KINDS.values()
        }
        return {self._id(kind, one["metadata"]["name"]) for kind, found in listed.items() for one in found["items"]}

    def image(self, app_id: str) -> str:
        return str(self._get(app_id)["spec"]["template"]["spec"]["containers"][0]["image"])

    def configuration(self, app_id: str) -> Mapping[str, Any]:
        """Labels, annotations and `spec`, without what rollback and the controllers note beside it."""
        found = self._get(app_id)
        annotations = {
            key: value
            for key, value in (found["metadata"].get("annotations") or {}).items()
            if key != "kubernetes.io/change-cause" and not key.startswith(("deployment.", "deprecated.daemonset."))
        }
        return {"labels": found["metadata"].get("labels"), "annotations": annotations, "spec": found["spec"]}

    def now(self) -> Instant:
        """The middle of the present second, since the API server's times are whole seconds."""
        second = int(time.time())
        wait_until(lambda: time.time() >= second + 1)
        return Instant(datetime.fromtimestamp(second + 0.5, timezone.utc))

    def put_unmanaged(self, image: str) -> tuple[str, str]:
        pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
        job = {"template": {"spec": pod}}
        definition = {
            "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": job}},
        }
        self._admin.request("POST", f"/apis/batch/v1/namespaces/{self.namespace.name}/cronjobs", definition)
        return f"{self.namespace.name}/cronjob/nightly", "a CronJob"

    def _put(
        self,
        name: str,
        tag: str,
        instances: int,
        pod: Mapping[str, Any],
        *,
        kind: str = "",
        checked: bool = True,
    ) -> str:
        its_image, kind = image(name, tag), kind or _KINDS[name]
        self._known.setdefault(its_image, _UP)
        self.namespace.set_behavior(its_image, self._known[its_image])
        container: dict[str, Any] = {
            "name": "main",
            "image": its_image,
            "env": [{"name": SECRET_NAME, "value": SECRET}],
            **({"readinessProbe": {"httpGet": {"path": "/health", "port": 8080}}} if checked else {}),
        }
        labels = {"labels": {"team": "shop"}}
        self.namespace.create(
            kind, name, its_image, replicas=instances, pod={"containers": [container], **pod}, metadata=labels
        )
        app_id = self._id(kind, name)
        self._kinds[app_id] = kind
        wait_until(lambda: self._get(app_id)["status"].get("observedGeneration"), limit_s=_LIMIT_S)
        return app_id

    def _behave(self, image: str, behavior: ImageBehavior) -> None:
        self._known[image] = behavior
        self.namespace.set_behavior(image, behavior)

    def _let_come_up(self) -> None:
        """Let the images that workloads have now become ready, whose fate is not decided yet."""
        for _, one in self._workloads():
            reference = one["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[0]
            if reference not in self._known:
                self._behave(reference, _UP)

    def _is_settled(self) -> bool:
        if not all(_is_up(kind, one) for kind, one in self._workloads()):
            return False
        # Read after the counts, in which a pod that is being deleted is left out.
        return not any(pod["metadata"].get("deletionTimestamp") for pod in self.namespace.pods())

    def _state(self) -> object:
        """What changes when something happens."""
        pods = [[pod["metadata"]["uid"], pod["status"]] for pod in self.namespace.pods()]
        return [pods, [one.get("status") for _, one in self._workloads()]]

    def _workloads(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [(kind, self.namespace.get(kind, app_id.rpartition("/")[2])) for app_id, kind in self._kinds.items()]

    def _get(self, app_id: str) -> dict[str, Any]:
        return self.namespace.get(self._kinds[app_id], app_id.rpartition("/")[2])

    def _path(self, app_id: str) -> str:
        return self.namespace.path(self._kinds[app_id], app_id.rpartition("/")[2])

    def _id(self, kind: str, name: str) -> str:
        return f"{self.namespace.name}/{kind.lower()}/{name}"

    def _revoke(self, app_id: str, verb: str, attempt: Callable[[Client], object]) -> None:
        """Take a right for one kind of workload away, and wait until that is in force."""
        path, plural = f"{RBAC_PATH.format(self.namespace.name)}/roles/rollback", f"{self._kinds[app_id].lower()}s"
        role = self._admin.request("GET", path)
        for rule in role["rules"]:
            if verb in rule["verbs"]:
                rule["resources"] = [one for one in rule["resources"] if one != plural]
        self._admin.request("PUT", path, role)
        user = Client(self.namespace.cluster.kubeconfig("rollback"))

        def is_in_force() -> bool:
            try:
                attempt(user)
            except RequestFailed as error:
                return error.status == 403
            return False

        wait_until(is_in_force, limit_s=_LIMIT_S)


def pointed_at(server: str, namespace: Namespace, folder: Path, *, program: str = "") -> TargetOptions:
    """The options of a target that reaches a namespace through a server without a login of its own.

    Args:
        server: its address.
        namespace: where the apps are.
        folder: for the kubeconfig.
        program: another kubectl than the cluster's.
    """
    file = folder / f"kubeconfig-{server.rpartition(':')[2]}"
    file.write_text(json.dumps(kubeconfig({"server": server}, {})))
    file.chmod(0o600)
    settings = {
        "kind": "kubernetes",
        "context": namespace.cluster.context,
        "namespace": namespace.name,
        "program": program or namespace.cluster.program,
        "kubeconfig": str(file),
        "environments": ["prod"],
    }
    return TargetOptions("cluster", settings, environments=frozenset({"prod"}), env="prod")


def _is_up(kind: str, entry: Mapping[str, Any]) -> bool:
    status, wanted = entry.get("status") or {}, entry["spec"].get("replicas")
    if kind == "DaemonSet":
        wanted = 2  # nodes
        counts = [status.get(key, 0) for key in ("updatedNumberScheduled", "numberAvailable")]
    else:
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    observed = status.get("observedGeneration", 0) >= entry["metadata"]["generation"]
    return observed and all(count == wanted for count in counts)
