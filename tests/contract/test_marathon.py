"""The contract over Marathon's HTTP API."""

from __future__ import annotations

import pytest

from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.secret import Secret
from rollback.targets.base import Target, TargetOptions
from tests.contract.marathon_contract import MarathonContract
from tests.contract.marathon_stage import BILLING, CART, PASSWORD, USER, WEB, MarathonStage
from tests.contract.steps import change


def pointed_at(url: str) -> TargetOptions:
    return TargetOptions("marathon", {"kind": "marathon", "url": url}, USER, Secret(PASSWORD))


class TestMarathon(MarathonContract):
    operator_program = "curl"

    @pytest.fixture
    def options(self, stage: MarathonStage) -> TargetOptions:
        return pointed_at(f"{stage.url}/service/marathon")

    @pytest.fixture
    def dead_options(self) -> TargetOptions:
        return pointed_at("http://127.0.0.1:9/service/marathon")

    def test_a_whole_fleet_costs_one_write_and_two_requests_a_look(self, target: Target, shop: MarathonStage) -> None:
        changes = [change(target, app_id, "1.0.0") for app_id in (BILLING, CART, WEB)]
        shop.front.seen.clear()

        target.update(changes)
        target.status([BILLING, CART, WEB])
        shop.later(30)
        target.status([BILLING, CART, WEB])

        assert list(shop.front.seen) == [
            ("PATCH", "/service/marathon/v2/apps"),
            ("GET", "/service/marathon/v2/apps"),
            ("GET", "/service/marathon/v2/queue"),
            ("GET", "/service/marathon/v2/apps"),
        ]

    def test_a_read_is_tried_again_after_a_bad_answer(self, target: Target, shop: MarathonStage) -> None:
        shop.front.faults.add(Fault(FaultKind.ANSWER, 503, method="GET", times=2))

        assert target.apps("prod")
