"""The contract through the real `dcos` 0.6.1, the Python generation; it is loaded once and forked for each call."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.contract.marathon_stage import BILLING, USER, MarathonStage
from tests.contract.program import Calls, ProgramContract, set_up

MODULES = (
    "dcoscli.main",
    "dcoscli.auth.main",
    "dcoscli.cluster.main",
    "dcoscli.config.main",
    "dcoscli.marathon.main",
)


class TestDcos(ProgramContract):
    @pytest.fixture
    def program(self, forked_dcos: str) -> str:
        return forked_dcos

    def test_the_installed_program_answers_as_the_forked_one(
        self, part: Callable[[str], str], program: str, shop: MarathonStage, users_folder: Path
    ) -> None:
        set_up(users_folder, shop.url, token=shop.logins.token(USER))
        for words in (
            ["marathon", "app", "list", "--json"],
            ["marathon", "app", "show", "/nowhere"],
            ["marathon", "app", "update", BILLING, "--force"],
            ["marathon", "app", "list", "--no-such-option"],
            ["auth", "login", "--password-env=NONE", f"--username={USER}"],
        ):
            ended = [
                subprocess.run(
                    [which, *words], input=b'{"cpus": "many"}', capture_output=True, timeout=60, check=False
                )
                for which in (part("dcos"), program)
            ]

            assert ended[0].stdout + ended[0].stderr
            for part_of_it in ("returncode", "stdout", "stderr"):
                assert getattr(ended[0], part_of_it) == getattr(ended[1], part_of_it), words

    def test_a_login_and_a_list_are_one_process_each(self, recorded: Target, calls: Calls) -> None:
        recorded.login()
        recorded.apps("prod")

        assert calls.commands() == [
            f"auth login --username={USER} --password-env=DCOS_PASSWORD",
            "marathon app list --json",
        ]

    def test_a_login_that_is_only_in_the_environment_is_used(
        self, program: str, shop: MarathonStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DCOS_DIR", str(tmp_path / "none"))
        monkeypatch.setenv("DCOS_URL", shop.url)
        monkeypatch.setenv("DCOS_ACS_TOKEN", shop.logins.token(USER))
        target = connect(TargetOptions("dcos", {"kind": "dcos", "program": program}))

        target.login()

        assert BILLING in {app.id for app in target.apps("prod")}
        assert shop.url in target.name
        assert not (tmp_path / "none").exists()
        target.close()

    def test_the_single_settings_file_of_old_is_read_and_left_alone(
        self, program: str, shop: MarathonStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DCOS_DIR", str(tmp_path / "none"))
        single = tmp_path / "dcos.toml"
        single.write_text(f'[core]\ndcos_url = "{shop.url}"\n')
        single.chmod(0o600)
        monkeypatch.setenv("DCOS_CONFIG", str(single))
        before = single.read_text()
        target = connect(TargetOptions("dcos", {"kind": "dcos", "program": program}, USER, Secret("correct horse")))

        target.login()

        assert BILLING in {app.id for app in target.apps("prod")}
        assert single.read_text() == before
        target.close()
