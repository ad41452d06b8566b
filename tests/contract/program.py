"""What is promised of the target `dcos` beyond the contract, whichever generation of the program it calls."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from rollback.core.apps import Deployment
from rollback.core.timestamps import Instant
from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from rollback.targets.capabilities import ImageMemory
from tests.contract.marathon_contract import MarathonContract
from tests.contract.marathon_stage import BILLING, CART, NOW, PASSWORD, USER, WEB, MarathonStage
from tests.contract.stage import Fate, image
from tests.contract.steps import change, look

PLUGIN_TOML = 'name = "dcos-core-cli"\n\n[[executables]]\npath = "bin/dcos"\n'
CLUSTER = "0ad2d02e-3bd5-4cf5-9d3a-5f0ae6a8b0e4"


@dataclass(frozen=True)
class Calls:
    """Every call of the program: its arguments and what it saw in its environment."""

    log: Path

    def all(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def commands(self) -> list[str]:
        return [" ".join(call["argv"]) for call in self.all()]


class ProgramContract(MarathonContract):
    """A subclass has a fixture `program` with the path of a `dcos`."""

    operator_program = "dcos"
    look_calls: tuple[str, ...] = ("marathon app list --json", "marathon task list --json")
    too_slow_s = 3.0  # such a program takes half a second when nothing else goes on

    @pytest.fixture
    def users_folder(self, stage: MarathonStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder as `dcos cluster setup` leaves it, with a login that has run out."""
        folder = tmp_path / "dot-dcos"
        set_up(folder, stage.url, token="run-out")
        monkeypatch.setenv("DCOS_DIR", str(folder))
        return folder

    @pytest.fixture
    def calls(self, tmp_path: Path) -> Calls:
        return Calls(tmp_path / "calls")

    @pytest.fixture
    def recorder(self, program: str, tmp_path: Path, calls: Calls) -> str:
        """A program that writes down how it is called and then becomes the real one."""
        return script(
            tmp_path / "recorder",
            "\nimport json, os, sys\n"
            f"with open({str(calls.log)!r}, 'a') as log:\n"
            "    log.write(json.dumps({'argv': sys.argv[1:], 'env': dict(os.environ)}) + '\\n')\n"
            f"os.execv({program!r}, [{program!r}, *sys.argv[1:]])\n",
        )

    @pytest.fixture
    def options(self, program: str, users_folder: Path) -> TargetOptions:
        return TargetOptions("dcos", {"kind": "dcos", "program": program}, USER, Secret(PASSWORD))

    @pytest.fixture
    def recorded(self, options: TargetOptions, recorder: str) -> Iterator[Target]:
        target = connect(replace(options, settings={"kind": "dcos", "program": recorder}))
        yield target
        target.close()

    @pytest.fixture
    def dead_options(self, options: TargetOptions, users_folder: Path) -> TargetOptions:
        set_up(users_folder, "http://127.0.0.1:9", token="")
        return options

    def test_the_password_is_on_no_command_line_and_in_no_other_call(self, recorded: Target, calls: Calls) -> None:
        recorded.login()
        recorded.apps("prod")

        assert PASSWORD not in "".join(calls.commands())
        knowing = [call for call in calls.all() if PASSWORD in call["env"].values()]
        assert knowing
        assert all(call["argv"][:2] == ["auth", "login"] for call in knowing)

    @pytest.mark.parametrize("password", [USER, "shop", "app"])
    def test_a_password_that_occurs_in_data_disturbs_nothing(
        self, options: TargetOptions, shop: MarathonStage, password: str
    ) -> None:
        shop.logins._users[USER] = password
        target = connect(replace(options, password=Secret(password)))
        target.login()

        assert BILLING in {app.id for app in target.apps("prod")}
        assert target.cancel(Deployment("7d0f6ac1-2f0e-4a05-8b0e-35ae0f0d2c11", (BILLING,))) is None
        target.close()

    def test_the_users_own_folder_stays_as_it_was(self, options: TargetOptions, users_folder: Path) -> None:
        before = contents(users_folder)
        right = connect(options)
        right.login()
        right.apps("prod")
        right.close()
        wrong = connect(replace(options, password=Secret("wrong horse")))

        with pytest.raises(LoginRefused):
            wrong.login()

        assert contents(users_folder) == before

    def test_the_private_folder_is_ours_alone_and_goes_at_the_end(self, recorded: Target, calls: Calls) -> None:
        recorded.login()
        folder = Path(str(calls.all()[-1]["env"]["DCOS_DIR"]))
        mode = stat.S_IMODE(folder.stat().st_mode)
        texts = [file.read_text() for file in folder.rglob("dcos.toml")]

        recorded.close()

        assert mode == 0o700
        assert texts
        assert PASSWORD not in "".join(texts)
        assert not folder.exists()

    def test_what_disturbs_the_program_stays_out_of_its_environment(
        self, recorded: Target, calls: Calls, shop: MarathonStage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        disturbing = {
            "TERM": "xterm",
            "DCOS_TIMEOUT": "30",
            "DCOS_ACS_TOKEN": "run-out",
            "DCOS_DEBUG": "true",
            "ROLLBACK_PASSWORD": PASSWORD,
        }
        for name, text in disturbing.items():
            monkeypatch.setenv(name, text)

        recorded.login()

        assert BILLING in {app.id for app in recorded.apps("prod")}
        assert not any(set(disturbing) & set(call["env"]) for call in calls.all())

    def test_without_a_user_the_existing_login_is_used(
        self, options: TargetOptions, shop: MarathonStage, users_folder: Path
    ) -> None:
        set_up(users_folder, shop.url, token=shop.logins.token(USER))
        target = connect(replace(options, user="", password=Secret()))

        target.login()

        assert BILLING in {app.id for app in target.apps("prod")}
        target.close()

    def test_one_cluster_of_several_is_chosen_by_its_name(
        self, options: TargetOptions, shop: MarathonStage, users_folder: Path, program: str
    ) -> None:
        set_up(users_folder, "http://127.0.0.1:9", name="other", cluster_id="1" + CLUSTER[1:])
        chosen = connect(replace(options, settings={"kind": "dcos", "program": program, "cluster": "shop"}))

        chosen.login()

        assert shop.url in chosen.name
        assert BILLING in {app.id for app in chosen.apps("prod")}
        chosen.close()

    def test_two_logins_at_the_same_time_do_not_disturb_each_other(
        self, options: TargetOptions, shop: MarathonStage
    ) -> None:
        first, second = connect(options), connect(options)
        first.login()
        second.login()
        second.close()

        assert first.apps("prod")
        first.close()

    def test_a_program_that_is_not_there_is_a_clear_error(self, options: TargetOptions) -> None:
        target = connect(replace(options, settings={"kind": "dcos", "program": "/nowhere/dcos"}))

        with pytest.raises(TargetError) as caught:
            target.login()

        assert "/nowhere/dcos" in caught.value.what
        assert "install" in caught.value.hint

    def test_a_program_that_hangs_is_ended(self, options: TargetOptions, tmp_path: Path) -> None:
        slow = tmp_path / "slow"
        slow.write_text("#!/bin/sh\nsleep 60\n")
        slow.chmod(0o700)
        target = connect(replace(options, settings={"kind": "dcos", "program": str(slow)}, timeout_s=0.3))

        with pytest.raises(TargetError) as caught:
            target.login()

        assert not isinstance(caught.value, NoAnswer)
        assert "0.3 s" in caught.value.why
        target.close()

    def test_a_look_costs_the_same_for_many_apps_as_for_one(
        self, recorded: Target, calls: Calls, shop: MarathonStage
    ) -> None:
        recorded.login()
        for app_id in (BILLING, CART, WEB):
            recorded.update([change(recorded, app_id, "1.0.0")])
        shop.later(30)
        calls.log.unlink()

        recorded.status([BILLING, CART, WEB])

        assert sorted(calls.commands()) == list(self.look_calls)

    def test_a_moment_of_the_past_costs_two_calls_for_each_app(
        self, recorded: Target, calls: Calls, shop: MarathonStage
    ) -> None:
        shop.later(3600)
        shop.front.foreign(BILLING, {"cpus": 1})
        shop.later(60)
        recorded.login()
        recorded.apps("prod")
        before = len(calls.commands())

        for app_id in (BILLING, CART):
            cast(ImageMemory, recorded).image_at(app_id, Instant.parse(NOW.isoformat()))

        said = calls.commands()[before:]
        assert [command.split(" --")[0].rpartition(" /")[0] or command.split(" --")[0] for command in said] == [
            "marathon app version list",
            "marathon app show",
            "marathon app version list",  # what CART has now it had then, too
        ]

    def test_a_failure_costs_one_call_for_the_app_that_failed(
        self, recorded: Target, calls: Calls, shop: MarathonStage
    ) -> None:
        shop.fail(image("billing", "1.8.0"), Fate.CRASHES)
        recorded.login()
        recorded.update([change(recorded, BILLING, "1.8.0")])
        for _ in range(3):
            shop.later(1)
            recorded.status([BILLING, CART, WEB])

        shown = [command for command in calls.commands() if "app show" in command]
        earlier = [command for command in shown if "--app-version" in command]
        assert set(shown) - set(earlier) == {f"marathon app show {BILLING}"}
        assert len(earlier) == len(set(earlier)), "an earlier version is read once"

    def test_a_known_failure_is_seen_at_every_look(self, target: Target, shop: MarathonStage) -> None:
        shop.fail(image("billing", "1.8.0"), Fate.CRASHES)
        target.update([change(target, BILLING, "1.8.0")])
        seen = []
        for _ in range(3):
            shop.later(2)
            seen.append(look(target, BILLING).failure is not None)

        assert seen == sorted(seen)
        assert seen[-1]


def script(file: Path, source: str) -> str:
    """A program out of Python source; its first line is replaced by the quickest way to start this very Python."""
    file.write_text(f"#!{sys.executable} -IS\n{source.partition(chr(10))[2]}", encoding="utf-8")
    file.chmod(0o700)
    return str(file)


def set_up(folder: Path, url: str, *, token: str = "", name: str = "shop", cluster_id: str = CLUSTER) -> None:
    """Write the folder of a cluster as `dcos cluster setup` does. The first one is attached."""
    cluster = folder / "clusters" / cluster_id
    plug_in = cluster / "subcommands" / "dcos-core-cli" / "env"
    (plug_in / "bin").mkdir(parents=True, exist_ok=True)
    (plug_in / "bin" / "dcos").touch()
    (plug_in / "plugin.toml").write_text(PLUGIN_TOML)
    stored = f'dcos_acs_token = "{token}"\n' if token else ""
    file = cluster / "dcos.toml"
    file.write_text(f'[core]\n{stored}dcos_url = "{url}"\nssl_verify = "false"\n\n[cluster]\nname = "{name}"\n')
    file.chmod(0o600)
    if not list(folder.glob("clusters/*/attached")):
        (cluster / "attached").touch()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
