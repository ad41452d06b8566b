"""The commands of the page "On Kubernetes", run as they stand against a real control plane and a real registry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import documents
from tests.docs.test_commands import bash
from tests.support import registry
from tests.support.kubernetes.cluster import RBAC, Cluster
from tests.support.kubernetes.control_plane import ROOT

PAGE = "on-kubernetes.md"


def with_contexts(cluster: Cluster, folder: Path) -> Path:
    """A kubeconfig with the contexts of the page: `prod-eu` as `rollback`, and `prod-eu-admin`."""
    users = {"prod-eu": "rollback", "prod-eu-admin": "admin"}
    found = {name: json.loads(cluster.kubeconfig(user).read_text()) for name, user in users.items()}
    clusters = found["prod-eu"]["clusters"]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": [{**found[name]["users"][0], "name": user} for name, user in users.items()],
        "contexts": [
            {"name": name, "context": {"cluster": clusters[0]["name"], "user": user}} for name, user in users.items()
        ],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    return folder / "kubeconfig"


def test_the_page_can_be_followed(
    cluster: Cluster, registry_url: str, part: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    (folder / "deploy").mkdir(parents=True)
    (folder / "deploy" / "kubernetes").symlink_to(ROOT / "deploy" / "kubernetes")
    monkeypatch.setenv("KUBECONFIG", str(with_contexts(cluster, tmp_path)))
    monkeypatch.setenv("PATH", f"{Path(part('kubectl')).parent}:{os.environ['PATH']}")
    settings = documents.blocks(PAGE, "yaml")[0].replace("https://registry.example.com", registry_url)
    (folder / "rollback.yaml").write_text(f"{settings}run: {{settle_s: 1}}\n")
    host = registry_url.partition("//")[2]
    with cluster.namespace("shop-prod") as namespace:
        for service, kind in (("billing", "Deployment"), ("cart", "StatefulSet")):
            for tag, day in (("1.8.0-master", "2026-11-20"), ("1.9.0-master", "2026-11-22")):
                registry.push_image(registry_url, f"shop/{service}", tag, f"{day}T09:00:00Z", labels={"of": service})
            namespace.create(kind, service, f"{host}/shop/{service}:1.9.0-master", replicas=1)
        namespace.wait_until_up("Deployment", "billing")
        namespace.wait_until_up("StatefulSet", "cart")
        cluster.kubectl("--namespace", namespace.name, "delete", "--filename", str(RBAC))  # the page grants them

        for call in documents.calls(PAGE):
            code, output = bash(folder, call.line)
            output = output.replace(host, "registry.example.com").replace(
                cluster.server, "https://prod-eu.example.com"
            )
            assert code == call.code, f"{call.line}\n{output}"
            assert documents.fits(call.shown, output), f"{call.line}\nprints\n{output}"
