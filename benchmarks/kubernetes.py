"""Measures `rollback` on Kubernetes beside kubectl: `python -m benchmarks.kubernetes`.

Needs the control plane of `.ci/parts-kubernetes` and a docker-registry. Writes benchmarks/kubernetes.json and
kubernetes.md. Pods are reported by a stand-in for the kubelet, so they start at once: what is measured is the tools.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.support import registry
from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.control_plane import COMPONENTS, join

HERE = Path(__file__).parent
PARTS = HERE.parent / ".parts" / "bin"
SERVICES, ROUNDS = 30, 3
DAY = "2026-11-20"
LIMIT_S = 600.0  # that one command may take

# Name, what it is compared with, and what it does.
ROWS = (
    ("kubectl get", "", "`kubectl get deployments,statefulsets,daemonsets -o json`, once"),
    ("rollback plan", "kubectl get", "`rollback plan`: images in the registry, and a dry run of each change"),
    ("set image", "", "`kubectl set image` for each Deployment, one after the other; waits for nothing"),
    ("set image, status", "", "the same, then `kubectl rollout status` for each"),
    ("rollback run", "set image, status", "`rollback run`: plan, lock, record, changes, and proof that all are up"),
    ("rollout undo, status", "", "`kubectl rollout undo` for each, then `kubectl rollout status` for each"),
    ("rollback undo", "rollout undo, status", "`rollback undo --yes`"),
)


@dataclass(frozen=True)
class Fleet:
    """Deployments that run the newer of two images each.

    Attributes:
        namespace: where they run.
        host: of the registry.
        folder: with `rollback.yaml`.
    """

    namespace: Namespace
    host: str
    folder: Path

    @property
    def names(self) -> list[str]:
        """Of the services."""
        return [f"s{number:02}" for number in range(SERVICES)]

    @property
    def kubectl(self) -> list[str]:
        """The program, with the rights of an administrator."""
        cluster = self.namespace.cluster
        return [cluster.program, f"--kubeconfig={cluster.kubeconfig('admin')}", "-n", self.namespace.name]

    def loop(self, *words: str) -> str:
        """A shell loop of kubectl over all services, whose name is `$name`."""
        command = " ".join([shlex.join(self.kubectl), *words])
        return f"for name in {' '.join(self.names)}; do {command} || exit 1; done"

    def commands(self) -> dict[str, list[str]]:
        """What is measured, in an order in which each leaves what the next one needs."""
        status = self.loop("rollout", "status", "deployment/$name", "--timeout=120s")
        image = self.loop("set", "image", "deployment/$name", f"main={self.host}/shop/$name:1.0.0-master")
        tool = [sys.executable, "-m", "rollback"]
        date = [f"--date={DAY}", "--env=prod"]
        return {
            "kubectl get": [*self.kubectl, "get", "deployments,statefulsets,daemonsets", "-o", "json"],
            "rollback plan": [*tool, "plan", *date],
            "set image": ["bash", "-c", image],
            "set image, status": ["bash", "-c", status],
            "rollout undo, status": ["bash", "-c", f"{self.loop('rollout', 'undo', 'deployment/$name')}; {status}"],
            "rollback run": [*tool, "run", *date, "--no-freeze"],
            "rollback undo": [*tool, "undo", "--yes"],
        }


def wall_s(command: Sequence[str], folder: Path) -> float:
    """How long a command takes, in seconds.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)[:300]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


@contextmanager
def fleet(folder: Path, program: Callable[[str], str]) -> Iterator[Fleet]:
    """Start a control plane and a registry, and deploy the newer image of every service."""
    here = folder / "here"
    for name in ("registry", "here"):
        (folder / name).mkdir()
    programs = Path(program(COMPONENTS[0])).parent
    with (
        join(folder / "kubernetes", programs),
        registry.serve(program("docker-registry"), folder / "registry") as url,
    ):
        cluster = Cluster(folder / "kubernetes", program("kubectl"))
        with cluster.namespace() as namespace:
            made = Fleet(namespace, url.partition("//")[2], here)
            settings = {
                "registry": {"url": url},
                "target": "cluster",
                "targets": {
                    "cluster": {
                        "kind": "kubernetes",
                        "context": cluster.context,
                        "namespace": namespace.name,
                        "program": cluster.program,
                        "kubeconfig": str(cluster.kubeconfig()),
                        "environments": ["prod"],
                    }
                },
                "run": {"settle_s": 0},
            }
            (here / "rollback.yaml").write_text(json.dumps(settings))
            for name in made.names:
                registry.push_image(url, f"shop/{name}", "1.0.0-master", f"{DAY}T12:00:00Z")
                registry.push_image(url, f"shop/{name}", "2.0.0-master", "2026-11-22T12:00:00Z")
                namespace.create("Deployment", name, f"{made.host}/shop/{name}:2.0.0-master", replicas=1)
            wall_s(made.commands()["set image, status"], here)
            repos = ",".join(f"shop/{name}" for name in made.names)
            wall_s([sys.executable, "-m", "rollback", "get", f"--repo={repos}", "--env=prod"], here)
            yield made


def measure(rounds: int) -> dict[str, Any]:
    """Run all commands in turns, so that a busy minute of the machine hits all, and keep the best of each."""
    load = os.getloadavg()[0]

    def program(name: str) -> str:
        found = shutil.which(name, path=f"{PARTS}{os.pathsep}{os.environ['PATH']}")
        if not found:
            raise SystemExit(f"{name} is not on this machine; bash .ci/parts-kubernetes or .ci/parts installs it")
        return found

    with tempfile.TemporaryDirectory() as folder, fleet(Path(folder), program) as made:
        commands = made.commands()
        times = [{name: wall_s(command, made.folder) for name, command in commands.items()} for _ in range(rounds)]
    for one in times:
        one["set image, status"] += one["set image"]
    best = {name: min(one[name] for one in times) for name in commands}
    return {
        "made": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}",
        "load": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "services": SERVICES,
        "rounds": rounds,
        "wall_s": {name: round(best[name], 2) for name, _, _ in ROWS},
    }


def page(results: dict[str, Any]) -> str:
    """The measurements as a page."""
    wall = results["wall_s"]
    busy = (
        ["The machine was busy with other work: compare the ratios, not the seconds."] if results["load"] > 2 else []
    )
    rows = [
        f"| {what} | {wall[name]:.2f} | {f'{wall[name] / wall[other]:.2f} times {other}' if other else ''} |"
        for name, other, what in ROWS
    ]
    return "\n".join(
        [
            "# What a rollback on Kubernetes costs",
            "",
            f"Written by `make bench`. Measured on {results['made']}: {results['machine']};",
            f"load average before the first run {results['load']}, after the last one {results['load_after']}.",
            f"{results['services']} services, a Deployment of one pod each; all change. The control plane is a",
            "real one on the same machine; a stand-in for the kubelet reports its pods, which start at once. Seconds",
            f"of wall time, starts of the programs included, the best of {results['rounds']} rounds.",
            *busy,
            "",
            "| | wall s | ratio |",
            "|---|---|---|",
            *rows,
            "",
            "`run.settle_s` is 0 here; the default adds its seconds to a run and to an undo, which kubectl does not",
            "have: `rollout status` calls a container that crashes every few seconds a success.",
            "",
        ]
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round; writes nothing")
    quick = parser.parse_args().quick
    results = measure(1 if quick else ROUNDS)
    text = page(results)
    sys.stdout.write(text)
    if not quick:
        (HERE / "kubernetes.json").write_text(json.dumps(results, indent=2) + "\n")
        (HERE / "kubernetes.md").write_text(text)


if __name__ == "__main__":
    main()
