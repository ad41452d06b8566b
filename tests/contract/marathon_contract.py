"""What is promised of both targets that lead to a Marathon: the contract with all its parts but one, and more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, cast

import pytest

from rollback.core.apps import Change
from rollback.errors import NoAnswer, TargetError
from rollback.targets.base import Target
from rollback.targets.capabilities import ChangeChecks, Markers, Remembering
from tests.contract.marathon_stage import BILLING, CART, CLEANER, WEB, MarathonStage, staged
from tests.contract.optional_contracts import (
    ChangeCheckContract,
    DeploymentContract,
    DriftContract,
    ImageMemoryContract,
    InstanceTimesContract,
    LoginContract,
    MarkerContract,
    UnmanagedContract,
)
from tests.contract.stage import image
from tests.contract.steps import by_id, change, changes, look
from tests.contract.target_contract import TargetContract


class MarathonContract(
    TargetContract,
    DeploymentContract,
    LoginContract,
    MarkerContract,
    DriftContract,
    ImageMemoryContract,
    UnmanagedContract,
    ChangeCheckContract,
    InstanceTimesContract,
):
    operator_program: ClassVar[str]  # what an operator types first

    @pytest.fixture
    def stage(self) -> Iterator[MarathonStage]:
        with staged(self.operator_program) as made:
            yield made

    @pytest.fixture
    def shop(self, stage: MarathonStage) -> MarathonStage:
        """The stage with the three apps that the tests of one target alone are about."""
        for app_id, instances in ((BILLING, 2), (CART, 1), (WEB, 1)):
            stage.put(app_id.rpartition("/")[2], instances=instances, checked=app_id == BILLING)
        return stage

    def test_an_app_without_an_image_is_read_too(self, target: Target, stage: MarathonStage) -> None:
        stage.put_cleaner()

        assert by_id(target, CLEANER).image == ""

    def test_what_puts_an_app_back_is_read_whole(self, target: Target, shop: MarathonStage) -> None:
        needed = ("container", "resourceLimits", "executorResources")

        for app in target.apps("prod"):
            stored = shop.configuration(app.id)
            assert app.definition == {name: stored[name] for name in needed if name in stored}

    def test_what_marathon_finds_invalid_was_not_accepted(self, target: Target, stage: MarathonStage) -> None:
        app = by_id(target, stage.put("billing"))
        broken = json.loads(json.dumps(app.definition))
        broken["container"]["portMappings"] = "none"

        with pytest.raises(TargetError) as caught:
            target.update([Change(replace(app, definition=broken), image("billing", "1.8.0"))])

        assert not isinstance(caught.value, NoAnswer)
        assert "portMappings" in caught.value.why

    def test_an_update_waits_at_the_app_that_it_deploys(self, target: Target, stage: MarathonStage) -> None:
        stage.put("billing", instances=2)
        deployment = target.update([change(target, BILLING, "1.8.0")])

        assert look(target, BILLING).deployments == (deployment.id,)

    def test_an_instance_on_a_lost_agent_is_mentioned_before_a_change(
        self, target: Target, shop: MarathonStage
    ) -> None:
        shop.fleet.apps[BILLING].tasks[0].lose()

        remarks = cast(ChangeChecks, target).check_changes(changes(target, [BILLING, CART], "1.8.0"))

        assert [(one.app, one.what, one.blocks) for one in remarks] == [
            (BILLING, "1 instance on a lost agent (TASK_UNREACHABLE)", False)
        ]

    def test_a_marker_has_no_instances(self, target: Target, shop: MarathonStage) -> None:
        cast(Markers, target).place("/ds/prod/rollback-lock", {"run": "1"})

        assert shop.configuration("/ds/prod/rollback-lock")["instances"] == 0

    def test_another_size_is_named_beside_the_former_one(self, target: Target, stage: MarathonStage) -> None:
        stage.put("billing")
        before = stage.now()
        stage.front.foreign(BILLING, {"env": {"DB_PASSWORD": "0ther", "NEW": "1"}, "mem": 4096})

        named = cast(Remembering, target).drift(BILLING, before)

        assert "env DB_PASSWORD has another value" in named
        assert "env NEW is new" in named
        assert any(line.startswith("mem was ") and line.endswith("is 4096") for line in named)
        assert "0ther" not in " ".join(named)
