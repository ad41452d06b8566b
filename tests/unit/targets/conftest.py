"""The target `kubernetes` on an API server in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollback.targets import kubernetes
from rollback.targets.base import TargetOptions
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import Make


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> MemoryApi:
    made = MemoryApi()
    monkeypatch.setattr("rollback.targets.kubernetes.api._connect", lambda _: made)
    return made


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a target; its kubeconfig has the contexts `prod` and `dev`, the latter without verification."""

    def make(env: str = "prod", **section: Any) -> kubernetes.Kubernetes:
        clusters = [
            {"name": "prod", "cluster": {"server": "https://prod.example.com"}},
            {"name": "dev", "cluster": {"server": "https://dev.example.com", "insecure-skip-tls-verify": True}},
        ]
        contexts = [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("prod", "dev")]
        program = tmp_path / "kubectl"
        program.write_text(
            f"#!/bin/sh\ncat <<'END'\n{json.dumps({'contexts': contexts, 'clusters': clusters})}\nEND\n"
        )
        program.chmod(0o755)
        settings = {"context": "prod", "namespace": "shop", "program": str(program), **section}
        options = TargetOptions("k", settings, environments=frozenset({"dev", "stage", "prod"}), env=env)
        return kubernetes.Kubernetes(options)

    return make
