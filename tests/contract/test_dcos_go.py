"""The contract through a stand-in for the Go generation of `dcos` (0.7 and later); the real one is out of reach.

It is loaded once and forked for each call.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.errors import NoAnswer, TargetError
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.contract.marathon_stage import BILLING, MarathonStage
from tests.contract.program import Calls, ProgramContract
from tests.contract.steps import change
from tests.support.preforked import preforked

STAND_IN = Path(__file__).parent.parent / "data" / "dcos-go"


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = tmp_path_factory.mktemp("go") / "dcos"
    program.symlink_to(STAND_IN)
    with preforked(program, sys.executable, ["json", "re", "urllib.request", "pathlib", "typing"]) as quick:
        yield quick


class TestDcosGo(ProgramContract):
    look_calls = ("marathon app list --json", "marathon group show /", "marathon task list --json")

    @pytest.fixture
    def program(self, forked: str) -> str:
        return forked

    def test_the_login_falls_back_to_the_environment_once(
        self, recorded: Target, calls: Calls, shop: MarathonStage
    ) -> None:
        recorded.login()
        shop.logins.expire_all()
        recorded.deployments()

        assert [command.split("=")[0] for command in calls.commands()] == [
            "auth login --username",
            "auth login",
            "marathon deployment list --json",
            "auth login",
            "marathon deployment list --json",
        ]

    def test_definitions_come_from_where_nothing_is_lost(
        self, recorded: Target, calls: Calls, shop: MarathonStage
    ) -> None:
        recorded.login()

        billing = next(app for app in recorded.apps("prod") if app.id == BILLING)

        assert billing.definition["resourceLimits"] == shop.configuration(BILLING)["resourceLimits"]
        assert calls.commands()[-2:] == ["marathon app list --json", "marathon group show /"]

    def test_a_missing_plug_in_is_a_clear_error(self, options: TargetOptions, users_folder: Path) -> None:
        shutil.rmtree(next(users_folder.glob("clusters/*/subcommands")))
        target = connect(options)
        target.login()

        with pytest.raises(TargetError) as caught:
            target.apps("prod")

        assert "marathon command" in caught.value.why
        assert "dcos-core-cli" in caught.value.hint
        target.close()

    def test_an_update_without_the_plug_in_was_not_taken(
        self, target: Target, options: TargetOptions, shop: MarathonStage, users_folder: Path
    ) -> None:
        wanted = change(target, BILLING, "1.8.0")
        shutil.rmtree(next(users_folder.glob("clusters/*/subcommands")))
        bare = connect(options)
        bare.login()

        with pytest.raises(TargetError) as caught:
            bare.update([wanted])

        assert not isinstance(caught.value, NoAnswer)
        bare.close()
