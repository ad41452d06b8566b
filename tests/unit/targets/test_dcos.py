"""The `dcos` program: what its words mean, what is copied for it, and whom it is asked about."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.core.apps import App, Change, Failure, Status
from rollback.errors import AppLocked, LoginRefused, NoAnswer, TargetError
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from rollback.targets.dcos import config_dir
from rollback.targets.dcos.config_dir import PrivateFolder
from rollback.targets.dcos.failure_tracker import FailureTracker
from rollback.targets.dcos.program import Absent

UUID = "5d8ff4b2-3c1e-4b57-9f0e-1f8a53c9b6aa"
APP = App("/a/b", "a:1", "1", 1, False, (), {"container": {"type": "DOCKER", "docker": {"image": "a:1"}}})


Saying = Callable[..., Target]


@pytest.fixture
def saying(tmp_path: Path) -> Iterator[Saying]:
    """Makes a target whose program says the same, whatever it is asked."""
    made = []

    def make(*, out: str = "", err: str = "", code: int = 0, **options: Any) -> Target:
        (tmp_path / "out").write_text(out)
        (tmp_path / "err").write_text(err)
        program = tmp_path / "dcos"
        program.write_text(
            f"#!/bin/sh\ncat >/dev/null\ncat '{tmp_path}/out'\ncat '{tmp_path}/err' >&2\nexit {code}\n"
        )
        program.chmod(0o700)
        made.append(connect(TargetOptions("dcos", {"kind": "dcos", "program": str(program)}, **options)))
        return made[-1]

    yield make
    for target in made:
        target.close()


def update(target: Target) -> object:
    return target.update([Change(APP, "a:2")])


class TestWords:
    @pytest.mark.parametrize(
        ("err", "kind", "step"),
        [
            ("Changes blocked: deployment already in progress for app.", AppLocked, "wait for that deployment"),
            ("Error: App '/a/b' does not exist", Absent, "dcos marathon app list"),
            (
                "Error decoding response from [http://x/service/marathon/v2/apps/a/b]: HTTP 401: Unauthorized",
                LoginRefused,
                "dcos auth login",
            ),
            ("Your core.dcos_acs_token is invalid. Please run: `dcos auth login`", LoginRefused, "dcos auth login"),
            (
                'Error while fetching [http://x]: HTTP 422: "{"message":"Object is not valid"}".',
                TargetError,
                "Marathon's log",
            ),
            ("Error decoding response from [http://x]: HTTP 403: Forbidden", TargetError, "permission"),
            (
                "Error: Max number (100) of running deployments is achieved. Wait until …",
                TargetError,
                "wait until some deployments are done",
            ),
            ("dcos: 'marathon' is not a dcos command. See 'dcos help'.", TargetError, "dcos package install"),
            ("Error: no cluster is attached. Please run `dcos cluster attach`", TargetError, "dcos cluster setup"),
            ('Missing required config parameter: "core.dcos_url".', TargetError, "dcos cluster setup"),
            ("Error loading JSON.", TargetError, "Marathon's log"),
        ],
    )
    def test_a_refused_write_was_not_taken_and_has_a_next_step(
        self, saying: Saying, err: str, kind: type[TargetError], step: str
    ) -> None:
        with pytest.raises(TargetError) as caught:
            update(saying(err=err, code=1))

        assert type(caught.value) is kind
        assert caught.value.what == "the update of /a/b failed"
        assert step in caught.value.hint

    @pytest.mark.parametrize(
        ("err", "read", "write"),
        [
            ("URL [x] is unreachable.", "then try: dcos marathon about", "dcos marathon deployment list"),
            ("HTTP 502: Bad Gateway", "then try: dcos marathon about", "dcos marathon deployment list"),
            ("", "then try: dcos marathon about", "dcos marathon deployment list"),
        ],
    )
    def test_the_cluster_and_a_next_step_are_named_whatever_the_program_says(
        self, saying: Saying, monkeypatch: pytest.MonkeyPatch, err: str, read: str, write: str
    ) -> None:
        monkeypatch.setenv("DCOS_URL", "https://u:secret@dcos.example.com")
        target, hints = saying(err=err, code=1), []

        attempts: tuple[Callable[[], object], ...] = (lambda: target.apps("prod"), lambda: update(target))
        for attempt in attempts:
            with pytest.raises(TargetError) as caught:
                attempt()
            assert caught.value.why.endswith("(dcos at https://dcos.example.com)")
            hints.append(caught.value.hint)

        assert read in hints[0]
        assert write in hints[1]

    @pytest.mark.parametrize(
        "err",
        [
            "URL [http://x/service/marathon/v2/apps/a/b] is unreachable.",
            "Request to URL [http://x/service/marathon/v2/apps/a/b] timed out.",
            "Error decoding response from [http://x/service/marathon/v2/apps/a/b]: HTTP 502: Bad Gateway",
            "Error decoding response from [http://x/service/marathon/v2/apps/a/b]: HTTP 504: Gateway Time-out",
            "Error: Futures timed out after [30 seconds]",
            "Traceback (most recent call last):\n  File x, line 1\nValueError: no JSON",
            "",
        ],
    )
    def test_whatever_else_happens_to_a_write_may_have_happened_after_it(self, saying: Saying, err: str) -> None:
        with pytest.raises(NoAnswer):
            update(saying(err=err, code=1))

    @pytest.mark.parametrize("out", ["", "Created deployment None", "{}"])
    def test_a_write_that_names_no_deployment_is_no_answer(self, saying: Saying, out: str) -> None:
        with pytest.raises(NoAnswer):
            update(saying(out=out))

    def test_the_usage_in_place_of_an_update_means_a_missing_plug_in(self, saying: Saying) -> None:
        with pytest.raises(TargetError) as caught:
            update(saying(out="Usage:\n    dcos [command]\n"))

        assert not isinstance(caught.value, NoAnswer)
        assert "plug-in" in caught.value.hint

    def test_an_accepted_write_names_its_deployment(self, saying: Saying) -> None:
        target = saying(out=f"Created deployment {UUID}\n")

        assert update(target) == target.update([Change(APP, "a:2")])

    def test_a_traceback_is_told_by_its_last_line(self, saying: Saying) -> None:
        err = "Traceback (most recent call last):\n  File x, line 1\ntoml.TomlDecodeError: bad"

        with pytest.raises(TargetError) as caught:
            saying(err=err, code=1).apps("prod")

        assert caught.value.why == "toml.TomlDecodeError: bad"

    @pytest.mark.parametrize("out", ["not JSON", '{"apps": []}', "[1]", '"text"'])
    def test_another_output_than_a_list_is_a_clear_error(self, saying: Saying, out: str) -> None:
        with pytest.raises(TargetError):
            saying(out=out).deployments()

    @pytest.mark.parametrize("out", ["[]", "null"])
    def test_an_empty_list_is_one_in_either_language(self, saying: Saying, out: str) -> None:
        assert saying(out=out).deployments() == ()

    def test_a_refusal_that_is_printed_twice_is_quoted_once(self, saying: Saying) -> None:
        target = saying(
            err="Error: Invalid credentials.\nError: Invalid credentials.", code=1, user="u", password=Secret("p")
        )

        with pytest.raises(LoginRefused) as caught:
            target.login()

        assert caught.value.why == "Error: Invalid credentials."

    def test_a_password_that_the_program_repeats_is_hidden(self, saying: Saying) -> None:
        err = "Authentication failed for u with hunter2"
        target = saying(err=err, code=1, user="u", password=Secret("hunter2"))

        with pytest.raises(LoginRefused) as caught:
            target.login()

        assert caught.value.why == "Authentication failed for u with ***"

    def test_a_user_without_a_password_is_not_asked_for_one_at_a_terminal(self, saying: Saying) -> None:
        with pytest.raises(LoginRefused) as caught:
            saying(user="u").login()

        assert "--pwd" in caught.value.hint


class TestFolder:
    def test_the_copy_is_private_and_links_the_programs_of_plug_ins(self, tmp_path: Path) -> None:
        users = tmp_path / "dcos"
        plug_ins = users / "clusters" / "c1" / "subcommands"
        (plug_ins / "core" / "env" / "bin").mkdir(parents=True)
        (plug_ins / "core" / "env" / "plugin.toml").write_text("path")
        (plug_ins / "core" / "package.json").write_text("{}")
        (plug_ins / "linked").symlink_to(plug_ins / "core")
        (users / "clusters" / "c1" / "dcos.toml").write_text("[core]\n")
        (users / "clusters" / "c1" / "dcos.toml").chmod(0o644)
        os.mkfifo(users / "pipe")

        copy = config_dir.private_copy(users)

        found = Path(copy.name)
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
        assert stat.S_IMODE((found / "clusters/c1/dcos.toml").stat().st_mode) == 0o600
        core = found / "clusters/c1/subcommands/core"
        assert not any(part.is_symlink() for part in (core.parent, core, core / "env", core / "env/plugin.toml"))
        assert (core / "env/bin").is_symlink()
        assert (core / "package.json").read_text() == "{}"
        assert not (core.parent / "linked").exists()
        (core / "env/plugin.toml").write_text("rewritten")
        assert (plug_ins / "core/env/plugin.toml").read_text() == "path"
        assert not (found / "pipe").exists()
        copy.cleanup()
        assert (users / "clusters/c1/subcommands/core").is_dir()

    def test_a_folder_that_is_not_there_is_an_empty_one(self, tmp_path: Path) -> None:
        copy = config_dir.private_copy(tmp_path / "none")

        assert [entry.name for entry in Path(copy.name).iterdir()] == [".in-use"]
        copy.cleanup()

    def test_folders_of_processes_that_are_gone_are_removed_and_no_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        alive = PrivateFolder()
        killed, just_now, fresh, of_old, unlocked = (
            tmp_path / f"rollback-dcos-{name}" for name in ("killed", "killed-just-now", "fresh", "old", "unlocked")
        )
        for folder in (killed, just_now, fresh, of_old, unlocked):
            folder.mkdir()
        (just_now / ".in-use").touch()
        moment_ago = time.time() - 10
        os.utime(just_now, (moment_ago, moment_ago))
        an_hour_ago = time.time() - 3600
        os.utime(unlocked, (an_hour_ago, an_hour_ago))
        (killed / ".in-use").touch()
        (tmp_path / "rollback-dcos-link").symlink_to(of_old)
        for folder in (killed, of_old, Path(alive.name)):
            os.utime(folder, (1, 1))

        removed = config_dir.remove_leftovers()

        assert removed == (killed, just_now, of_old)
        assert not killed.exists()
        assert fresh.exists()
        assert unlocked.exists()
        assert Path(alive.name).exists()
        alive.cleanup()
        assert not Path(alive.name).exists()

    def test_a_program_beside_the_settings_is_never_one_on_the_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for folder in ("here", "path"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "dcos").write_text(f"#!/bin/sh\necho {folder}\n")
            (tmp_path / folder / "dcos").chmod(0o755)
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
        target = connect(TargetOptions("dcos", {"program": "./dcos"}))

        (check,) = target.diagnose()

        assert check.found == f"{tmp_path / 'here' / 'dcos'}: here"

    def test_doctor_names_what_killed_processes_left_behind_and_a_login_removes_it(
        self, saying: Saying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        killed = tmp_path / "rollback-dcos-killed"
        killed.mkdir()
        (killed / ".in-use").touch()
        os.utime(killed, (1, 1))
        target = saying(out="dcos 1.2.0")

        checks = list(target.diagnose())
        target.login()
        target.close()

        assert [(check.level.value, str(killed) in check.found) for check in checks] == [
            ("ok", False),
            ("warn", True),
        ]
        assert str(killed) in checks[1].next_step
        assert not killed.exists()

    def test_the_address_is_that_of_the_cluster_in_use(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            cluster = tmp_path / "clusters" / f"id-{name}"
            cluster.mkdir(parents=True)
            (cluster / "dcos.toml").write_text(
                f'[cluster]\nname = "{name}"\n[core]\ndcos_url = "https://u:p@{name}/"\n'
            )
        (tmp_path / "clusters" / "id-two" / "attached").touch()

        assert config_dir.address(tmp_path, "") == "https://two"
        assert config_dir.address(tmp_path, "one") == "https://one"
        assert config_dir.address(tmp_path, "id-one") == "https://one"
        assert config_dir.address(tmp_path, "three") == ""

    def test_an_address_in_the_environment_wins(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DCOS_URL", "https://elsewhere/")

        assert config_dir.address(tmp_path, "") == "https://elsewhere"


class TestWitness:
    def test_the_first_look_suspects_nobody(self) -> None:
        assert FailureTracker().apps_with_recent_failures([status(live="1")]) == []

    def test_a_task_that_is_gone_is_suspicious(self) -> None:
        witness = FailureTracker()
        witness.apps_with_recent_failures([status(live="12")])

        assert witness.apps_with_recent_failures([status(live="23")]) == ["/a"]

    def test_a_new_version_starts_anew(self) -> None:
        witness = FailureTracker()
        witness.apps_with_recent_failures([status(live="1")])
        witness.with_known_failure(status(), Failure("f1", "bad"))

        assert witness.apps_with_recent_failures([status(version="2", live="9")]) == []
        assert witness.with_known_failure(status(version="2"), None).failure is None

    def test_a_back_off_is_suspicious_and_waiting_for_offers_is_not(self) -> None:
        witness = FailureTracker()

        assert witness.apps_with_recent_failures(
            [status(waiting="back-off 3 s"), status("/b", unplaced="no offers")]
        ) == ["/a"]

    def test_a_known_failure_stays_until_a_newer_one(self) -> None:
        witness = FailureTracker()
        witness.apps_with_recent_failures([status()])
        witness.with_known_failure(status(), Failure("f1", "bad"))

        assert witness.with_known_failure(status(), None).failure == Failure("f1", "bad")
        assert witness.with_known_failure(status(), Failure("f2", "worse")).failure == Failure("f2", "worse")


def status(app_id: str = "/a", version: str = "1", waiting: str = "", unplaced: str = "", live: str = "") -> Status:
    return Status(app_id, "a:1", version, 1, (), 0, 0, 0, waiting=waiting, unplaced=unplaced, live=frozenset(live))
