"""A part of the contract on a real control plane where no proxy can be had: each request is a kubectl of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from rollback.targets.kubernetes import kubectl_proxy
from tests.contract.kubernetes_stage import Gateway, KubernetesStage, pointed_at
from tests.contract.optional_contracts import ChangeCheckContract, MarkerContract
from tests.contract.reading_contract import ReadingContract
from tests.contract.rollout_contract import RolloutContract
from tests.contract.update_contract import UpdateContract
from tests.support.kubernetes.cluster import Namespace


@pytest.mark.parametrize("program", ["kubectl", "kubectl-1.20"], indirect=True)
class TestSingleCommands:
    """What a run cannot do without: look, try, write, be refused, lose an answer, go back, lock and freeze."""

    @pytest.fixture
    def program(self, part: Callable[[str], str], request: pytest.FixtureRequest) -> str:
        return part(request.param)

    @pytest.fixture
    def stage(self, namespace: Namespace, way: Gateway) -> KubernetesStage:
        return KubernetesStage(namespace, way)

    @pytest.fixture
    def options(self, stage: KubernetesStage, program: str, tmp_path: Path) -> TargetOptions:
        return pointed_at(stage.address, stage.namespace, tmp_path, program=program)

    @pytest.fixture
    def target(
        self, options: TargetOptions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> Iterator[Target]:
        monkeypatch.setattr(kubectl_proxy, "_LONGEST_PATH", 0)
        made = connect(options)
        made.login()
        assert "kubectl proxy cannot be used" in caplog.text
        yield made
        made.close()

    test_every_app_is_read = ReadingContract.test_every_app_is_read_with_what_it_runs
    test_an_update_changes_the_image = UpdateContract.test_an_update_changes_the_image_and_nothing_else
    test_an_app_goes_back = UpdateContract.test_an_app_goes_back_exactly_as_it_was
    test_a_refused_write = UpdateContract.test_a_refused_write_says_why_and_has_changed_nothing
    test_a_lost_answer = UpdateContract.test_a_write_whose_answer_is_lost_says_so
    test_an_update_can_be_followed = RolloutContract.test_an_update_can_be_followed_until_it_is_up
    test_a_crash_loop = RolloutContract.test_a_crash_loop_shows_one_failure_after_the_other
    test_changes_are_tried = (
        ChangeCheckContract.test_a_look_at_changes_writes_nothing_and_forbids_none_that_is_possible
    )
    test_a_marker_is_made_once = MarkerContract.test_a_marker_is_made_once_and_runs_nothing
    test_a_marker_changes = MarkerContract.test_a_marker_gets_other_labels_and_goes_again
