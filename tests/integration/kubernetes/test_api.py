"""The API through kubectl, by a proxy and by single commands, against a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.api_errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from rollback.targets.kubernetes.kubectl import Kubectl, KubectlOptions
from rollback.targets.kubernetes.transport import CommandTransport, KubernetesTransport, ProxyTransport
from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.control_plane import kubeconfig
from tests.support.registry_proxy import Faults, Reply, front, reset

OLD, NEW = "registry.example.com/shop/web:1", "registry.example.com/shop/web:2"
IMAGE = "/spec/template/spec/containers/0/image"

Connect = Callable[..., KubernetesApi]


@pytest.fixture(params=[ProxyTransport, CommandTransport], ids=["proxy", "commands"])
def way(request: pytest.FixtureRequest) -> Callable[[Kubectl], KubernetesTransport]:
    way: Callable[[Kubectl], KubernetesTransport] = request.param
    return way


@pytest.fixture
def connect(cluster: Cluster, way: Callable[[Kubectl], KubernetesTransport]) -> Iterator[Connect]:
    """Connect as a user, or with a kubeconfig."""
    opened = []

    def connect(user: str = "rollback", *, file: Path | None = None, **options: Any) -> KubernetesApi:
        given = {"context": cluster.context, "program": cluster.program, **options}
        api = KubernetesApi(
            KubectlOptions(kubeconfig=str(file or cluster.kubeconfig(user)), **given),
            connect=way,
            sleep=lambda _: None,
        )
        opened.append(api)
        return api

    yield connect
    for api in opened:
        api.close()


def config_maps(namespace: Namespace) -> str:
    return f"/api/v1/namespaces/{namespace.name}/configmaps"


def test_objects_and_collections_are_read(connect: Connect, namespace: Namespace) -> None:
    namespace.create("Deployment", "web", OLD, replicas=0)
    namespace.create("Deployment", "cart", OLD, replicas=0)
    api = connect()

    found = api.get(namespace.path("Deployment", "web"), "web cannot be read")
    listed = api.list(f"/apis/apps/v1/namespaces/{namespace.name}/deployments", "the deployments cannot be read")
    one = api.list(
        f"/apis/apps/v1/namespaces/{namespace.name}/deployments",
        "it cannot be read",
        fieldSelector="metadata.name=web",
    )

    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == OLD
    assert sorted(each["metadata"]["name"] for each in listed) == ["cart", "web"]
    assert [each["metadata"]["name"] for each in one] == ["web"]


def test_a_context_is_described_without_contacting_the_server(connect: Connect, cluster: Cluster) -> None:
    context = connect().context

    assert (context.name, context.server, context.user, context.insecure) == (
        "test",
        cluster.server,
        "rollback",
        False,
    )


def test_an_image_is_changed_only_if_it_is_still_the_old_one(connect: Connect, namespace: Namespace) -> None:
    namespace.create("Deployment", "web", OLD, replicas=0)
    api, path = connect(), namespace.path("Deployment", "web")
    change = [{"op": "test", "path": IMAGE, "value": OLD}, {"op": "replace", "path": IMAGE, "value": NEW}]

    tried = api.patch(path, change, "web cannot be changed", dry_run=True)
    assert tried["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    assert namespace.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == OLD

    done = api.patch(path, change, "web cannot be changed")
    assert done["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    now = namespace.get("Deployment", "web")
    assert now["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    assert "rollback" in {entry["manager"] for entry in now["metadata"]["managedFields"]}

    with pytest.raises(Invalid):
        api.patch(path, change, "web cannot be changed")


def test_a_lock_is_created_once_and_deleted_only_by_its_uid(connect: Connect, namespace: Namespace) -> None:
    api = connect()
    lock = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rollback-lock"}}
    made = api.create(config_maps(namespace), lock, "the lock cannot be created")

    with pytest.raises(AlreadyExists, match="the lock cannot be created"):
        api.create(config_maps(namespace), lock, "the lock cannot be created")
    with pytest.raises(Conflict):
        api.delete(f"{config_maps(namespace)}/rollback-lock", "the lock cannot be deleted", uid="another")

    api.delete(f"{config_maps(namespace)}/rollback-lock", "the lock cannot be deleted", uid=made["metadata"]["uid"])
    with pytest.raises(NotFound):
        api.get(f"{config_maps(namespace)}/rollback-lock", "the lock cannot be read")


def test_a_stale_resource_version_is_a_conflict(connect: Connect, namespace: Namespace) -> None:
    api, path = connect(), f"{config_maps(namespace)}/rollback-freeze"
    freeze = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rollback-freeze"}}
    version = api.create(config_maps(namespace), freeze, "x")["metadata"]["resourceVersion"]
    api.patch(path, {"data": {"prod": "1"}}, "x")

    with pytest.raises(Conflict):
        api.patch(path, {"metadata": {"resourceVersion": version}, "data": {"prod": "2"}}, "x")


def test_what_is_forbidden_says_so_and_where(connect: Connect, namespace: Namespace, cluster: Cluster) -> None:
    with pytest.raises(Forbidden) as caught:
        connect("nobody").get(namespace.path("Deployment", "web"), "web cannot be read")

    assert 'User "nobody" cannot get resource "deployments"' in caught.value.why
    assert f"context test, {cluster.server}" in caught.value.why
    assert f"kubectl --context test auth can-i --list --namespace {namespace.name}" in caught.value.hint


def test_what_does_not_exist_says_so(connect: Connect, namespace: Namespace) -> None:
    with pytest.raises(NotFound, match="web cannot be read") as caught:
        connect().get(namespace.path("Deployment", "web"), "web cannot be read")
    assert "not" in caught.value.why
    with pytest.raises((NotFound, Forbidden)):
        connect().list(f"/apis/argoproj.io/v1alpha1/namespaces/{namespace.name}/rollouts", "x")


def test_a_rejected_token_is_a_login_problem(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    file = changed(cluster, tmp_path, credentials={"token": "not-a-token-of-this-cluster"})

    with pytest.raises(LoginRefused) as caught:
        connect(file=file).get("/api/v1/namespaces/default", "x")

    assert "context test" in caught.value.why
    assert "not-a-token-of-this-cluster" not in f"{caught.value.why} {caught.value.hint}"
    assert "kubectl --context test" in caught.value.hint


def test_a_login_plug_in_that_fails_is_quoted(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    plugin = tmp_path / "sso"
    plugin.write_text("#!/bin/sh\necho 'the SSO session has expired' >&2\nexit 255\n")
    plugin.chmod(0o755)
    file = changed(cluster, tmp_path, credentials=exec_plugin(plugin))

    with pytest.raises(LoginRefused) as caught:
        connect(file=file).get("/api/v1/namespaces/default", "x")

    assert "failed with exit code 255" in caught.value.why
    assert "the SSO session has expired" in caught.value.why


def test_a_login_plug_in_that_is_missing_is_named(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    file = changed(cluster, tmp_path, credentials=exec_plugin(tmp_path / "missing-login"))

    with pytest.raises(LoginRefused, match="x") as caught:
        connect(file=file).get("/api/v1/namespaces/default", "x")

    assert "missing-login" in caught.value.why


def test_a_context_without_credentials_does_not_wait_for_a_prompt(
    connect: Connect, cluster: Cluster, tmp_path: Path
) -> None:
    with pytest.raises((LoginRefused, Forbidden)) as caught:
        connect(file=changed(cluster, tmp_path, credentials={})).get("/api/v1/namespaces/kube-system", "x")

    assert "context test" in caught.value.why


def test_a_server_that_cannot_be_reached_is_named(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    file = changed(cluster, tmp_path, server="https://127.0.0.1:1")
    what = "web cannot be changed"

    with pytest.raises(TargetError, match=what) as caught:
        connect(file=file).patch("/api/v1/namespaces/a/configmaps/b", {}, what)

    assert not isinstance(caught.value, NoAnswer)
    assert "https://127.0.0.1:1" in caught.value.why
    assert "VPN" in caught.value.hint


def test_a_certificate_that_is_not_trusted_is_refused(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    file = changed(cluster, tmp_path, trust=False)

    with pytest.raises(TargetError) as caught:
        connect(file=file).get("/api/v1/namespaces/default", "x")

    assert "x509" in caught.value.why
    assert "certificate-authority-data" in caught.value.hint


def test_an_unknown_context_names_the_known_ones(connect: Connect) -> None:
    with pytest.raises(TargetError) as caught:
        connect(context="nope").get("/api/v1/namespaces/default", "x")

    assert "'nope'" in caught.value.what
    assert "it has test" in caught.value.why


def test_no_kubeconfig_is_said(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        connect(file=tmp_path / "missing").get("/api/v1/namespaces/default", "x")

    assert "missing" in caught.value.why


def test_a_missing_program_names_the_setting(connect: Connect) -> None:
    with pytest.raises(TargetError, match="kubectl-9 is missing") as caught:
        connect(program="kubectl-9").get("/api/v1/namespaces/default", "x")

    assert "program:" in caught.value.hint


def test_a_lost_answer_to_a_write_is_no_answer(
    connect: Connect, cluster: Cluster, namespace: Namespace, tmp_path: Path
) -> None:
    lost = Faults("configmaps", reset, times=100)
    with cluster.http_address() as upstream, front(upstream, lost) as server:
        api = connect(file=changed(cluster, tmp_path, server=server.url))
        with pytest.raises(NoAnswer) as caught:
            api.create(config_maps(namespace), {"metadata": {"name": "rollback-lock"}}, "x")

    assert server.url in caught.value.why
    created = cluster.admin.request("GET", f"{config_maps(namespace)}/rollback-lock")
    assert created["metadata"]["name"] == "rollback-lock"


def test_a_read_is_repeated_after_lost_answers_and_errors(
    connect: Connect, cluster: Cluster, namespace: Namespace, tmp_path: Path
) -> None:
    with cluster.http_address() as upstream, front(upstream, Faults("/namespaces/", reset, times=2)) as server:
        api = connect(file=changed(cluster, tmp_path, server=server.url))
        found = api.get(f"/api/v1/namespaces/{namespace.name}", "x")

    assert found["metadata"]["name"] == namespace.name


def test_a_portal_in_place_of_the_server_is_said(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    page = Reply(200, {"Content-Type": "text/html"}, b"<html><title>Please log in</title></html>")
    with front("", lambda *_: page) as server:
        api = connect(file=changed(cluster, tmp_path, server=server.url))
        with pytest.raises(TargetError) as caught:
            api.get("/api/v1/namespaces/default", "x")

    assert "not JSON" in caught.value.why
    assert server.url in caught.value.why


def test_a_server_that_says_nothing_ends_at_the_deadline(connect: Connect, cluster: Cluster, tmp_path: Path) -> None:
    slow = Reply(200, {"Content-Type": "application/json"}, b"{}" + b" " * 1000, drip_s=0.05)
    with front("", lambda *_: slow) as server:
        api = connect(file=changed(cluster, tmp_path, server=server.url), timeout_s=1.5)
        with pytest.raises(TargetError) as caught:
            api.get("/api/v1/namespaces/default", "x")

    assert server.url in caught.value.why


def changed(
    cluster: Cluster,
    folder: Path,
    *,
    server: str = "",
    credentials: dict[str, Any] | None = None,
    trust: bool = True,
) -> Path:
    """Write a kubeconfig for `rollback` that differs from the usual one."""
    config = json.loads(cluster.kubeconfig("rollback").read_text())
    original = config["clusters"][0]["cluster"]
    authority = {"certificate-authority": original["certificate-authority"]} if trust else {}
    entry = {"server": server or original["server"], **({} if server.startswith("http://") else authority)}
    token = config["users"][0]["user"] if credentials is None else credentials
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(entry, token)))
    file.chmod(0o600)
    return file


def exec_plugin(program: Path) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }
