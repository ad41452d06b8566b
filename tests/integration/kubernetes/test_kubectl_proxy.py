"""The proxy to the API server: one login, a private socket, and an end with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.targets import kubernetes
from rollback.targets.base import Level, TargetOptions
from rollback.targets.kubernetes import api as api_module
from rollback.targets.kubernetes import kubectl_proxy
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.kubectl import Kubectl, KubectlOptions
from rollback.targets.kubernetes.kubectl_proxy import KubectlProxy, end_leftovers, leftovers
from tests.integration.kubernetes.login_plugin import logins, with_login
from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.control_plane import wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder for sockets, which other runs on this machine do not see."""
    folder = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(kubectl_proxy, "_bases", lambda: (folder,))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def options(cluster: Cluster) -> KubectlOptions:
    return KubectlOptions(cluster.context, cluster.program, str(cluster.kubeconfig()))


@pytest.fixture
def connect() -> Iterator[Callable[[KubectlOptions], KubernetesApi]]:
    opened = []

    def connect(options: KubectlOptions) -> KubernetesApi:
        opened.append(KubernetesApi(options, sleep=lambda _: None))
        return opened[-1]

    yield connect
    for api in opened:
        api.close()


Connect = Callable[[KubectlOptions], KubernetesApi]


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_only_its_owner_can_enter_the_folder_of_the_socket(options: KubectlOptions, runtime_folder: Path) -> None:
    proxy = KubectlProxy(Kubectl(options))
    try:
        (folder,) = runtime_folder.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        assert proxy.socket.is_socket()
    finally:
        proxy.stop()

    assert ended(proxy.pid) or proxy.pid == 0


def test_many_requests_start_one_proxy_and_log_in_once(
    connect: Connect, cluster: Cluster, namespace: Namespace, runtime_folder: Path, tmp_path: Path
) -> None:
    api = connect(login(cluster, tmp_path))

    for _ in range(20):
        api.get(f"/api/v1/namespaces/{namespace.name}", "x")

    assert len(list(runtime_folder.iterdir())) == 1
    assert logins(tmp_path) == 1


def test_a_token_that_is_no_longer_accepted_is_replaced_without_an_error(
    connect: Connect, cluster: Cluster, namespace: Namespace, tmp_path: Path
) -> None:
    expired_first = 'if [ "$(cat "$0.count")" = x ]; then echo expired; else cat "$0.token"; fi'
    api = connect(login(cluster, tmp_path, source=expired_first))

    api.get(f"/api/v1/namespaces/{namespace.name}", "x")

    assert logins(tmp_path) == 2


def test_a_proxy_that_dies_is_started_again(
    connect: Connect, options: KubectlOptions, namespace: Namespace, runtime_folder: Path
) -> None:
    api = connect(options)
    api.get(f"/api/v1/namespaces/{namespace.name}", "x")
    pid = int(next(runtime_folder.glob("*/pid")).read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: ended(pid))

    api.get(f"/api/v1/namespaces/{namespace.name}", "x")

    assert int(next(runtime_folder.glob("*/pid")).read_text()) != pid


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_a_proxy_ends_when_its_owner_is_killed_and_the_next_start_removes_its_folder(
    options: KubectlOptions, runtime_folder: Path
) -> None:
    script = """
import sys, time
from rollback.targets.kubernetes.kubectl import Kubectl, KubectlOptions
from rollback.targets.kubernetes.kubectl_proxy import KubectlProxy
proxy = KubectlProxy(Kubectl(KubectlOptions(*sys.argv[1:])))
print(proxy.pid, flush=True)
time.sleep(1000)
"""
    command = [sys.executable, "-c", script, options.context, options.program, options.kubeconfig]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert leftovers() == ()
        owner.kill()

    wait_until(lambda: ended(pid))
    (left,) = leftovers()
    assert left.pid == 0

    KubectlProxy(Kubectl(options)).stop()
    assert not left.folder.exists()


def test_a_proxy_that_outlived_its_owner_is_named_and_ended(options: KubectlOptions, runtime_folder: Path) -> None:
    folder = runtime_folder / "rollback-kubectl-12345678"
    folder.mkdir(mode=0o700)
    command = Kubectl(options).argv("proxy", f"--unix-socket={folder / 'socket'}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        (folder / "pid").write_text(str(process.pid))
        (folder / "lock").touch()

        assert [(left.folder, left.pid) for left in leftovers()] == [(folder, process.pid)]
        settings = {"context": options.context, "program": options.program, "kubeconfig": options.kubeconfig}
        target = kubernetes.connect(TargetOptions("kubernetes", {**settings, "namespace": "default"}))
        *_, check = target.diagnose()
        assert check.level is Level.WARN
        assert f"{folder} behind, and its kubectl proxy (process {process.pid}) still runs" in check.found
        assert [left.pid for left in end_leftovers()] == [process.pid]

    assert leftovers() == ()


def test_a_process_that_has_got_the_number_of_a_dead_proxy_is_spared(runtime_folder: Path) -> None:
    folder = runtime_folder / "rollback-kubectl-12345678"
    folder.mkdir(mode=0o700)
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "lock").touch()

    assert [left.pid for left in end_leftovers()] == [0]


def test_a_running_proxy_is_nobodys_leftover(options: KubectlOptions) -> None:
    first = KubectlProxy(Kubectl(options))
    second = KubectlProxy(Kubectl(options))

    assert first.running
    assert leftovers() == ()
    first.stop()
    second.stop()


def test_single_commands_are_used_where_a_socket_has_no_room(
    connect: Connect,
    options: KubectlOptions,
    namespace: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(kubectl_proxy, "_LONGEST_PATH", 10)

    found = connect(options).get(f"/api/v1/namespaces/{namespace.name}", "x")

    assert found["metadata"]["name"] == namespace.name
    assert "short path" in caplog.text


def test_a_long_collection_is_read_in_pages(
    connect: Connect, options: KubectlOptions, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "_PAGE", 2)
    for number in range(5):
        namespace.create("Deployment", f"web-{number}", "registry.example.com/shop/web:1", replicas=0)

    listed = connect(options).list(f"/apis/apps/v1/namespaces/{namespace.name}/deployments", "x")

    assert [one["metadata"]["name"] for one in listed] == [f"web-{number}" for number in range(5)]


def test_a_restart_of_the_api_server_is_survived(connect: Connect, own_cluster: Cluster) -> None:
    options = KubectlOptions(own_cluster.context, own_cluster.program, str(own_cluster.kubeconfig("admin")))
    api = connect(options)
    before = api.get("/api/v1/namespaces/default", "x")

    own_cluster.restart_api_server()

    assert api.get("/api/v1/namespaces/default", "x")["metadata"]["uid"] == before["metadata"]["uid"]


def login(cluster: Cluster, folder: Path, **options: Any) -> KubectlOptions:
    """Log in by an exec plug-in that counts its calls."""
    return KubectlOptions(cluster.context, cluster.program, str(with_login(cluster, folder, **options)))
