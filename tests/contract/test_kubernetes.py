"""The contract on a real control plane, through kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollback.targets.base import TargetOptions
from tests.contract.kubernetes_stage import Gateway, KubernetesStage, gateway
from tests.contract.optional_contracts import (
    ChangeCheckContract,
    DriftContract,
    ImageMemoryContract,
    MarkerContract,
    RunningDigestContract,
    UnmanagedContract,
)
from tests.contract.target_contract import TargetContract
from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.control_plane import kubeconfig


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> Iterator[Gateway]:
    with gateway(cluster) as made:
        yield made


class TestKubernetes(
    TargetContract,
    MarkerContract,
    DriftContract,
    ImageMemoryContract,
    UnmanagedContract,
    ChangeCheckContract,
    RunningDigestContract,
):
    too_slow_s = 2.0

    @pytest.fixture
    def stage(self, namespace: Namespace, way: Gateway) -> KubernetesStage:
        return KubernetesStage(namespace, way)

    @pytest.fixture
    def options(self, stage: KubernetesStage, tmp_path: Path) -> TargetOptions:
        return pointed_at(stage.address, stage.namespace, tmp_path)

    @pytest.fixture
    def dead_options(self, namespace: Namespace, tmp_path: Path) -> TargetOptions:
        return replace(pointed_at("http://127.0.0.1:1", namespace, tmp_path), timeout_s=1.0)


def pointed_at(server: str, namespace: Namespace, folder: Path) -> TargetOptions:
    """The options of a target that reaches a namespace through a server without a login of its own."""
    file = folder / f"kubeconfig-{server.rpartition(':')[2]}"
    file.write_text(json.dumps(kubeconfig({"server": server}, {})))
    file.chmod(0o600)
    settings = {
        "kind": "kubernetes",
        "context": namespace.cluster.context,
        "namespace": namespace.name,
        "program": namespace.cluster.program,
        "kubeconfig": str(file),
        "environments": ["prod"],
    }
    return TargetOptions("cluster", settings, environments=frozenset({"prod"}), env="prod")
