"""The contract over Marathon's HTTP API."""

from __future__ import annotations

import pytest
from urllib3.util.retry import Retry

from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.contract.stage import BILLING, CART, PASSWORD, USER, WEB, Stage
from tests.contract.target_contract import TargetContract, change


def pointed_at(url: str) -> TargetOptions:
    return TargetOptions("marathon", {"kind": "marathon", "url": url}, USER, Secret(PASSWORD))


class TestMarathon(TargetContract):
    operator_program = "curl"

    def make(self, options: TargetOptions) -> Target:
        return connect(options)

    @pytest.fixture(autouse=True)
    def _no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Retry, "get_backoff_time", lambda _retry: 0)

    @pytest.fixture
    def options(self, stage: Stage) -> TargetOptions:
        return pointed_at(f"{stage.url}/service/marathon")

    @pytest.fixture
    def dead_options(self) -> TargetOptions:
        return pointed_at("http://127.0.0.1:9/service/marathon")

    def test_a_whole_fleet_costs_one_write_and_two_requests_a_look(self, target: Target, stage: Stage) -> None:
        changes = [change(target, app_id, "1.0.0-master") for app_id in (BILLING, CART, WEB)]
        stage.front.seen.clear()

        target.update(changes)
        target.status([BILLING, CART, WEB])
        stage.later(30)
        target.status([BILLING, CART, WEB])

        assert list(stage.front.seen) == [
            ("PATCH", "/service/marathon/v2/apps"),
            ("GET", "/service/marathon/v2/apps"),
            ("GET", "/service/marathon/v2/queue"),
            ("GET", "/service/marathon/v2/apps"),
        ]

    def test_a_read_is_tried_again_after_a_bad_answer(self, target: Target, stage: Stage) -> None:
        stage.front.faults.add(Fault(FaultKind.ANSWER, 503, method="GET", times=2))

        assert target.apps("prod")
