"""What every target promises, whatever it leads to. What only some have is in `optional_contracts.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollback import targets
from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.targets import connect
from rollback.targets.base import Level, Target, TargetOptions
from tests.contract import optional_contracts
from tests.contract.reading_contract import ReadingContract
from tests.contract.rollout_contract import RolloutContract
from tests.contract.stage import Stage
from tests.contract.steps import everything
from tests.contract.update_contract import UpdateContract


class TargetContract(ReadingContract, UpdateContract, RolloutContract):
    """The promises.

    A subclass has the fixtures `stage`, `options` (of a target that is pointed at the stage) and `dead_options` (of
    one that is pointed to where nothing answers), and inherits the class of each optional part that its target has.
    """

    @pytest.fixture
    def target(self, options: TargetOptions) -> Iterator[Target]:
        made = connect(options)
        made.login()
        yield made
        made.close()

    def test_every_optional_part_of_the_target_is_under_contract_and_complete(
        self, target: Target, options: TargetOptions
    ) -> None:
        kind = targets.kind(options.name, options.settings)

        assert optional_contracts.parts(target, kind) == {
            one for one in optional_contracts.PARTS if isinstance(self, one)
        }

    def test_what_cannot_be_reached_is_a_clear_error(self, dead_options: TargetOptions) -> None:
        target = connect(dead_options)

        for read in (target.login, lambda: target.apps("prod")):
            with pytest.raises(TargetError) as caught:
                read()

            assert not isinstance(caught.value, (LoginRefused, NoAnswer))
            assert caught.value.why
            assert caught.value.hint
            assert not dead_options.password or dead_options.password.reveal() not in everything(caught.value)
        target.close()

    def test_the_name_says_where_it_is(self, target: Target, options: TargetOptions, stage: Stage) -> None:
        assert stage.address in target.name
        assert not options.password or options.password.reveal() not in target.name

    def test_the_addresses_are_known_before_the_login_and_hold_the_name_after_it(
        self, options: TargetOptions
    ) -> None:
        target = connect(options)
        before = target.addresses
        target.login()

        assert before
        assert {*before, target.name} == set(target.addresses)
        target.close()

    def test_what_an_operator_types_is_a_command_of_this_kind_of_target(self, target: Target, stage: Stage) -> None:
        typed, billing = target.operator, stage.put("billing")
        looking = typed.show(billing), typed.list_deployments()
        helping = typed.roll_back("d1"), typed.end("d1")

        assert {command.split()[0] for command in looking} == {stage.program}
        assert "billing" in looking[0]
        assert {command.split()[0] if command else "" for command in helping} == {
            stage.program if target.has_deployments else ""
        }

    def test_the_identity_is_that_of_the_cluster_and_not_of_the_address(
        self, target: Target, options: TargetOptions, stage: Stage
    ) -> None:
        again = connect(options)
        again.login()

        assert target.identity() == again.identity() == stage.identity
        assert stage.address not in target.identity()
        again.close()

    def test_a_diagnosis_needs_no_login_and_finds_nothing_wrong(self, options: TargetOptions) -> None:
        target = connect(options)

        checks = list(target.diagnose())

        assert checks
        assert {check.level for check in checks} == {Level.OK}, checks
        target.close()

    def test_closing_twice_is_harmless(self, target: Target) -> None:
        target.close()
        target.close()
