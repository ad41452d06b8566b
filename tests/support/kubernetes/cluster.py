"""What tests see of the control plane: a cluster, and a namespace of its own for each test."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubernetes.client import JSON, STRATEGIC_PATCH, Client
from tests.support.kubernetes.control_plane import CONTEXT, ROOT, wait_until
from tests.support.kubernetes.image_behavior import BehaviorTable, ImageBehavior

RBAC = ROOT / "deploy" / "kubernetes" / "rbac.yaml"
# A Role for the user `viewer`, who may read nearly everything and write nothing.
_VIEWER_RULES = [
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods", "events", "configmaps", "namespaces"], "verbs": ["get", "list"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]},
]
_API_PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
}
RBAC_PATH = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}"


@cache
def _rights() -> tuple[dict[str, Any], ...]:
    """The manifests in `RBAC`."""
    return tuple(yaml.safe_load_all(RBAC.read_text(encoding="utf-8")))


class Cluster:
    """A running control plane.

    Args:
        folder: where its supervisor keeps its files.
        kubectl: path of the program.
    """

    context = CONTEXT

    def __init__(self, folder: Path, kubectl: str) -> None:
        self.program = kubectl
        self._folder = folder
        self.admin = Client(self.kubeconfig("admin"))
        config = json.loads(self.kubeconfig("admin").read_text())
        self.server: str = config["clusters"][0]["cluster"]["server"]

    def kubeconfig(self, user: str = "rollback") -> Path:
        """The kubeconfig of one of `control_plane.USERS`; its only context is `context`."""
        return self._folder / f"{user}.kubeconfig"

    def kubectl(self, *argv: str, user: str = "admin", stdin: str = "") -> str:
        """Run kubectl to its end and return what it prints.

        Raises:
            AssertionError: it failed.
        """
        command = [self.program, f"--kubeconfig={self.kubeconfig(user)}", *argv]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(argv)}: {done.stderr}"
        return done.stdout

    def restart_api_server(self) -> None:
        """Kill the API server and start it again; other tests must not use this cluster meanwhile."""
        counter = self._folder / "restarts"
        before = counter.read_text() if counter.exists() else ""
        os.kill(int((self._folder / "ready").read_text()), signal.SIGHUP)
        wait_until(lambda: counter.exists() and counter.read_text() != before)

    @contextmanager
    def namespace(self, name: str = "") -> Iterator[Namespace]:
        """Create a namespace, grant `rollback` the rights of `deploy/kubernetes/rbac.yaml`, and delete it afterwards.

        Args:
            name: of the namespace; a unique one if empty.
        """
        made = Namespace(self, name or f"test-{secrets.token_hex(4)}", BehaviorTable(self._folder / "behaviors"))
        self.admin.request("POST", "/api/v1/namespaces", {"metadata": {"name": made.name}})
        try:
            for manifest in _rights():
                self.admin.request("POST", f"{RBAC_PATH.format(made.name)}/{manifest['kind'].lower()}s", manifest)
            made.grant("viewer", _VIEWER_RULES)
            for user in ("rollback", "viewer"):  # the API server reads rights from a cache
                wait_until(partial(made.allows, user, "list", "apps", "deployments"))
            yield made
        finally:
            self.admin.request("DELETE", f"/api/v1/namespaces/{made.name}")

    @contextmanager
    def http_address(self, user: str = "rollback") -> Iterator[str]:
        """Serve the API with a user's rights over plain HTTP, as the upstream of a proxy that injects faults."""
        command = [self.program, f"--kubeconfig={self.kubeconfig(user)}", "proxy", "--port=0", "--accept-hosts=.*"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout
                line = process.stdout.readline()  # Starting to serve on 127.0.0.1:40123
                yield f"http://{line.rpartition(' ')[2].strip()}"
            finally:
                process.kill()


class Namespace:
    """A namespace of one test.

    Attributes:
        cluster: the cluster it is in.
        name: its name.
    """

    def __init__(self, cluster: Cluster, name: str, behaviors: BehaviorTable) -> None:
        self.cluster, self.name = cluster, name
        self._table = behaviors
        self._behaviors: dict[str, ImageBehavior] = {}

    def set_behavior(self, image: str, behavior: ImageBehavior) -> None:
        """Decide what containers of an image in this namespace do, those that already run too."""
        self._behaviors[image] = behavior
        self._table.write(self.name, self._behaviors)

    def create(
        self,
        kind: str,
        name: str,
        image: str,
        *,
        replicas: int = 2,
        spec: Mapping[str, Any] | None = None,
        pod: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Create a workload with a container `main`.

        Args:
            kind: `Deployment`, `StatefulSet` or `DaemonSet`.
            name: of the workload.
            image: of the container.
            replicas: how many pods; a DaemonSet has one on each of the two nodes.
            spec: more members of the workload's `spec`.
            pod: more members of the pod template's `spec`; `containers` replaces `main`.
            metadata: labels and annotations of the workload.
        """
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}], **(pod or {})},
        }
        definition = {
            "metadata": {"name": name, **(metadata or {})},
            "spec": {
                **({} if kind == "DaemonSet" else {"replicas": replicas}),
                **({"serviceName": name} if kind == "StatefulSet" else {}),
                "selector": {"matchLabels": {"app": name}},
                "template": template,
                **(spec or {}),
            },
        }
        made: dict[str, Any] = self.cluster.admin.request("POST", _API_PATHS[kind].format(self.name), definition)
        return made

    def path(self, kind: str, name: str) -> str:
        """The API path of a workload."""
        return f"{_API_PATHS[kind].format(self.name)}/{name}"

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """A workload as it is now."""
        found: dict[str, Any] = self.cluster.admin.request("GET", self.path(kind, name))
        return found

    def pods(self) -> list[dict[str, Any]]:
        """All pods of the namespace."""
        listed: list[dict[str, Any]] = self.cluster.admin.request("GET", f"/api/v1/namespaces/{self.name}/pods")[
            "items"
        ]
        return listed

    def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> dict[str, Any]:
        """Change a workload as somebody else, by a strategic merge patch."""
        made: dict[str, Any] = self.cluster.admin.request("PATCH", self.path(kind, name), change, STRATEGIC_PATCH)
        return made

    def set_image(self, kind: str, name: str, image: str) -> dict[str, Any]:
        """Change the image of the container `main` as somebody else."""
        containers = [{"name": "main", "image": image}]
        return self.patch(kind, name, {"spec": {"template": {"spec": {"containers": containers}}}})

    def allows(
        self, user: str, verb: str, group: str, resource: str, *, name: str = "", subresource: str = ""
    ) -> bool:
        """Whether a user may do something in this namespace."""
        attributes = {
            "namespace": self.name,
            "verb": verb,
            "group": group,
            "resource": resource,
            "name": name,
            "subresource": subresource,
        }
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.cluster.admin.request("POST", path, review)["status"]["allowed"])

    def grant(self, user: str, rules: list[dict[str, Any]]) -> None:
        """Give a user rights in this namespace."""
        base = RBAC_PATH.format(self.name)
        name = f"{user}-{secrets.token_hex(3)}"
        self.cluster.admin.request("POST", f"{base}/roles", {"metadata": {"name": name}, "rules": rules}, JSON)
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        self.cluster.admin.request("POST", f"{base}/rolebindings", binding, JSON)

    def change_role(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Change the rules of the Role `rollback` in this namespace, and wait until that counts.

        Args:
            change: returns the new rules, given the present ones.
        """
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.name}/roles/rollback"
        role = self.cluster.admin.request("GET", path)
        before, rules = _rights_of(role["rules"]), change(role["rules"])
        self.cluster.admin.request("PUT", path, {**role, "rules": rules})
        lost, gained = before - _rights_of(rules), _rights_of(rules) - before
        wait_until(lambda: not any(self.allows("rollback", *right) for right in lost))
        wait_until(lambda: all(self.allows("rollback", *right) for right in gained))

    def wait_until_up(self, kind: str, name: str) -> None:
        """Wait until a workload runs what it asks for, all of it available and nothing old left."""

        def up() -> bool:
            found = self.get(kind, name)
            status, wanted = found.get("status", {}), found["spec"].get("replicas")
            if kind == "DaemonSet":
                wanted = status.get("desiredNumberScheduled", 0)
                counts = [status.get(key, 0) for key in ("updatedNumberScheduled", "numberAvailable")]
            else:
                counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            seen = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            return seen and wanted is not None and all(count == wanted for count in counts)

        wait_until(up, lambda: json.dumps(self.get(kind, name).get("status")), 60)

    def wait_until_waiting(self, reason: str) -> None:
        """Wait until a container of some pod waits for this reason, such as `CrashLoopBackOff`."""

        def waiting() -> bool:
            statuses = [
                container
                for pod in self.pods()
                for member in ("initContainerStatuses", "containerStatuses")
                for container in pod["status"].get(member, ())
            ]
            return any(one["state"].get("waiting", {}).get("reason") == reason for one in statuses)

        wait_until(waiting, lambda: json.dumps([pod["status"] for pod in self.pods()])[:3000], 60)

    def wait_until(self, condition: Callable[[], Any]) -> None:
        """Wait until a condition is true, at most a minute."""
        wait_until(condition, limit_s=60)


def _rights_of(rules: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """The verb, group and resource of every right that rules give."""
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
