"""Runs etcd, API server, controllers, scheduler and stand-in kubelets for as long as tests use them.

    python -m tests.support.kubernetes.control_plane FOLDER PROGRAMS    # supervises one control plane

A control plane takes up to a gigabyte, so the test processes of a session share one: whoever needs it first starts
the supervisor, everybody who uses it holds a shared lock on a file in its folder, and the supervisor ends everything
when it gets that lock exclusively. The system releases the lock of a killed process, so nothing stays behind.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from tests.support.kubernetes.client import Client, RequestFailed

ROOT = Path(__file__).parents[3]
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
CONTEXT = "test"  # the only context of every kubeconfig
NODES = ("node-1", "node-2")
# Users and their groups. The controllers need more than the role that bears their name: in a full cluster each of
# them has a service account of its own. What the last four may do is for tests to grant, per namespace.
USERS: dict[str, tuple[str, ...]] = {
    "admin": ("system:masters",),
    "kubelet": ("system:masters",),
    "system:kube-controller-manager": ("system:masters",),
    "system:kube-scheduler": (),
    "rollback": (),
    "viewer": (),
    "other": (),
    "nobody": (),
}
# Without node-lifecycle nodes need no heartbeat; volumes, endpoints and tokens of service accounts are not needed.
_CONTROLLERS = (
    "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,"
    "cronjob-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller,"
    "resourcequota-controller,disruption-controller,pod-garbage-collector-controller"
)
_START_S = 120.0  # on a busy machine; 6 s on an idle one
_USE_CHECK_S = 0.5


class Supervisor:
    """The processes of one control plane.

    Args:
        folder: for certificates, tokens, logs and data; the `*.kubeconfig` files are written there.
        programs: the folder of the components' programs.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}

    def start(self) -> None:
        """Start everything and wait until pods are admitted."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "behaviors").mkdir(exist_ok=True)
        etcd_port, peer_port, port, controllers_port, scheduler_port = _free_ports(5)
        self._start_etcd(f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}")
        self._start_api_server(port, f"http://127.0.0.1:{etcd_port}")
        for name, its_port, more in (
            ("kube-controller-manager", controllers_port, (f"--controllers={_CONTROLLERS}",)),
            ("kube-scheduler", scheduler_port, ()),
        ):
            self._spawn(
                name,
                str(self._programs / name),
                f"--kubeconfig={self._folder / f'{name}.kubeconfig'}",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                f"--secure-port={its_port}",
                f"--cert-dir={self._folder / 'tls'}",
                *more,
            )
        self._spawn(
            "stand-in-kubelet",
            *(sys.executable, "-m", "tests.support.kubernetes.stand_in_kubelet"),
            *(str(self._folder / "kubelet.kubeconfig"), str(self._folder / "behaviors"), *NODES),
        )
        # Pods are refused in a namespace without its service account, which is the controllers' first work.
        client = Client(self._folder / "admin.kubeconfig")
        wait_until(lambda: client.request("GET", "/api/v1/namespaces/default/serviceaccounts/default"), self._failure)
        wait_until(lambda: len(client.request("GET", "/api/v1/nodes")["items"]) == len(NODES), self._failure)

    def restart_api_server(self) -> None:
        """Kill the API server and start it again on the same port; returns when it is ready."""
        process = self._processes["kube-apiserver"]
        process.kill()
        process.wait()
        self._spawn("kube-apiserver", *self._commands["kube-apiserver"])
        self._wait_until_ready()

    def stop(self) -> None:
        """End everything, the newest process first: without etcd the API server would take minutes to end."""
        for process in reversed(self._processes.values()):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start_etcd(self, url: str, peer_url: str) -> None:
        self._spawn(
            "etcd",
            str(self._programs / "etcd"),
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",  # test data may be lost
            "--log-level=warn",
        )

    def _start_api_server(self, port: int, etcd_url: str) -> None:
        tokens = {user: secrets.token_hex(16) for user in USERS}
        with _private(self._folder / "tokens.csv") as file:
            csv.writer(file).writerows([tokens[user], user, user, ",".join(groups)] for user, groups in USERS.items())
        key = self._folder / "service-accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        server = f"https://127.0.0.1:{port}"
        for user, token in tokens.items():
            self._write_kubeconfig(user, server, token)
        self._spawn(
            "kube-apiserver",
            str(self._programs / "kube-apiserver"),
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self._folder / 'tls'}",  # where it writes its own certificate
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=true",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            # New nodes stay schedulable without the node-lifecycle controller; pods get no token volumes.
            "--disable-admission-plugins=TaintNodesByCondition,StorageObjectInUseProtection,ServiceAccount",
        )
        wait_until((self._folder / "tls" / "apiserver.crt").exists, self._failure)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        wait_until(lambda: Client(self._folder / "admin.kubeconfig").request("GET", "/readyz") == "ok", self._failure)

    def _spawn(self, name: str, *command: str) -> None:
        self._commands[name] = list(command)
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, "GOMAXPROCS": "2"},
            )

    def _write_kubeconfig(self, user: str, server: str, token: str) -> None:
        cluster = {"server": server, "certificate-authority": str(self._folder / "tls" / "apiserver.crt")}
        name = user.removeprefix("system:")
        with _private(self._folder / f"{name}.kubeconfig") as file:
            json.dump(kubeconfig(cluster, {"token": token}, user), file)  # JSON is YAML, too

    def _failure(self) -> str:
        """What is known about a control plane that does not start: the processes that have ended, and their logs."""
        ended = [name for name, process in self._processes.items() if process.poll() is not None]
        logs = [(self._folder / f"{name}.log").read_text(errors="replace")[-1500:] for name in ended]
        return "\n".join([f"ended: {', '.join(ended) or 'no process'}; logs in {self._folder}", *logs])


def kubeconfig(cluster: dict[str, Any], credentials: dict[str, Any], user: str = "rollback") -> dict[str, Any]:
    """The content of a kubeconfig with one context, `CONTEXT`."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }


def join(folder: Path, programs: Path) -> IO[str]:
    """Use the control plane in a folder, and start it if it does not run.

    Returns:
        A lock; the control plane runs as long as somebody holds one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        use = (folder / "use.lock").open("w")
        fcntl.flock(use, fcntl.LOCK_SH)  # waits for a supervisor that ends
        ready = folder / "ready"
        if not ready.exists():
            log = (folder / "supervisor.log").open("ab")
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "tests.support.kubernetes.control_plane", str(folder), str(programs)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C in a test session reaches the tests alone
            )
            log.close()
            wait_until(
                lambda: ready.exists() or supervisor.poll() is not None,
                lambda: (folder / "supervisor.log").read_text(errors="replace")[-3000:],
            )
            if not ready.exists():
                raise AssertionError((folder / "supervisor.log").read_text(errors="replace")[-3000:])
            # The supervisor ends by itself, after us if others still use it.
            supervisor.returncode = 0
    return use


def supervise(folder: Path, programs: Path) -> None:
    """Run a control plane until nobody uses it; SIGHUP restarts the API server, `restarted` counts how often."""
    supervisor = Supervisor(folder, programs)
    ready, restarts = folder / "ready", 0
    restart_requested = False

    def request_restart(*_: Any) -> None:
        nonlocal restart_requested
        restart_requested = True

    signal.signal(signal.SIGHUP, request_restart)
    try:
        supervisor.start()
        ready.write_text(str(os.getpid()))
        with (folder / "use.lock").open("r") as use:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if restart_requested:
                    restart_requested = False
                    supervisor.restart_api_server()
                    restarts += 1
                    (folder / "restarts").write_text(str(restarts))
                time.sleep(_USE_CHECK_S)
            ready.unlink()
            supervisor.stop()
    finally:
        supervisor.stop()


def wait_until(condition: Callable[[], Any], failure: Callable[[], str] = str, limit_s: float = _START_S) -> None:
    """Wait until a condition is true; one that cannot be evaluated yet counts as false.

    Raises:
        AssertionError: it is still not true after `limit_s` seconds; the text is what `failure` returns.
    """
    end = time.monotonic() + limit_s
    last: object = ""
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, RequestFailed) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not within {limit_s:g} s: {last} {failure()}")


@contextlib.contextmanager
def _private(path: Path) -> Iterator[IO[str]]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", newline="") as file:
        yield file


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), Path(sys.argv[2]))
