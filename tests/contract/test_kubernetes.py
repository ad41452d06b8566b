"""The contract on a real control plane, through kubectl."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from rollback.targets.base import Target, TargetOptions
from rollback.targets.capabilities import ChangeChecks
from tests.contract.kubernetes_stage import Gateway, KubernetesStage, pointed_at
from tests.contract.optional_contracts import (
    ChangeCheckContract,
    DriftContract,
    ImageMemoryContract,
    MarkerContract,
    RunningDigestContract,
    UnmanagedContract,
)
from tests.contract.steps import changes
from tests.contract.target_contract import TargetContract
from tests.support.kubernetes.cluster import Namespace


class TestKubernetes(
    TargetContract,
    MarkerContract,
    DriftContract,
    ImageMemoryContract,
    UnmanagedContract,
    ChangeCheckContract,
    RunningDigestContract,
):
    too_slow_s = 3.0  # kubectl starts within it, also on a busy machine

    @pytest.fixture
    def stage(self, namespace: Namespace, way: Gateway) -> KubernetesStage:
        return KubernetesStage(namespace, way)

    @pytest.fixture
    def options(self, stage: KubernetesStage, tmp_path: Path) -> TargetOptions:
        return pointed_at(stage.address, stage.namespace, tmp_path)

    @pytest.fixture
    def dead_options(self, namespace: Namespace, tmp_path: Path) -> TargetOptions:
        return replace(pointed_at("http://127.0.0.1:1", namespace, tmp_path), timeout_s=3.0)

    def test_what_forbids_a_change_is_said_before_it_is_written(self, target: Target, stage: KubernetesStage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        both = changes(target, [billing, cart], "1.8.0")
        words, before = stage.refuse(billing), (stage.configuration(billing), stage.configuration(cart))

        remarks = cast(ChangeChecks, target).check_changes(both)

        forbidden = [one for one in remarks if one.blocks]
        assert [one.app for one in forbidden] == [billing]
        assert words in forbidden[0].why
        assert forbidden[0].hint
        assert (stage.configuration(billing), stage.configuration(cart)) == before
