"""A registry with a history, a namespace that runs it, and the command in a folder whose settings lead to both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Command, Said
from tests.support import registry as registries
from tests.support.kubernetes.cluster import Namespace

if "KILL_STEPS" not in os.environ:  # minutes long: `make integration` names the steps
    collect_ignore = ["test_kills.py"]

QUICK = "run: {settle_s: 1, poll_s: 0.2, timeout_s: 20}\n"
GOOD_DAY, BAD_DAY = "2026-11-20", "2026-11-22"
GOOD, BAD = "1.8.0-master", "1.9.0-master"


@dataclass
class Shop:
    """A fleet in a namespace, whose images are in a registry.

    Attributes:
        namespace: where it runs.
        registry_url: of the registry.
        command: `rollback` in a folder with settings.
        digests: by `repo:tag`, what was pushed.
    """

    namespace: Namespace
    registry_url: str
    command: Command
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.registry_url.partition("//")[2]

    def push(self, repo: str, tag: str, day: str) -> str:
        """Push an image that was built on a day; its reference without a digest."""
        time = f"{day}T12:00:0{len(self.digests) % 10}Z"
        self.digests[f"{repo}:{tag}"] = registries.push_image(self.registry_url, repo, tag, time)
        return f"{self.host}/{repo}:{tag}"

    def release(self, service: str) -> tuple[str, str]:
        """Push a good image and a newer one of a service; their references."""
        repo = f"shop/{service}"
        return self.push(repo, GOOD, GOOD_DAY), self.push(repo, BAD, BAD_DAY)

    def pinned(self, service: str, tag: str) -> str:
        """The reference that a run writes."""
        return f"{self.host}/shop/{service}:{tag}@{self.digests[f'shop/{service}:{tag}']}"

    def settings(self, more: str = "", **section: Any) -> None:
        """Write settings that lead to the registry and the namespace."""
        cluster = self.namespace.cluster
        values = {
            "kind": "kubernetes",
            "context": cluster.context,
            "namespace": self.namespace.name,
            "program": cluster.program,
            "kubeconfig": str(cluster.kubeconfig("rollback")),
            "environments": ["prod"],
            **section,
        }
        lines = "".join(f"    {key}: {value}\n" for key, value in values.items() if value is not None)
        (self.command.folder / "rollback.yaml").write_text(
            f"registry: {{url: '{self.registry_url}'}}\ntarget: cluster\ntargets:\n  cluster:\n{lines}{QUICK}{more}"
        )

    def get(self) -> Said:
        """Make the history of everything that was pushed."""
        repos = ",".join(sorted({name.partition(":")[0] for name in self.digests}))
        return self.command("get", f"--repo={repos}", "--env=prod")

    def run(self, *more: str) -> Said:
        """Make the history, and go back to the good day."""
        got = self.get()
        assert got.code == 0, got.err
        return self.command("run", f"--date={GOOD_DAY}", "--env=prod", *more)

    def image(self, kind: str, name: str) -> str:
        """What a workload's container `main` is to run."""
        found = self.namespace.get(kind, name)["spec"]["template"]["spec"]["containers"]
        return str(next(one["image"] for one in found if one["name"] == "main"))


@pytest.fixture
def registry_url(part: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with registries.serve(part("docker-registry"), folder) as url:
        yield url


@pytest.fixture
def shop(namespace: Namespace, registry_url: str, tmp_path: Path) -> Shop:
    folder = tmp_path / "here"
    folder.mkdir()
    made = Shop(namespace, registry_url, Command(folder))
    made.settings()
    return made
