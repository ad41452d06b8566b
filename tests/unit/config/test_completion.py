"""What Tab finds, asked as the scripts ask, and through the real shells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback import cli, targets
from rollback.config import completion, usage

HELP = cli.__doc__ or ""
COMMANDS = usage.read(HELP).commands
SHOP = {
    "all": ["shop/billing", "shop/cart", "shop/catalog"],
    "rollbacks": {"2026-11-18": [], "2026-11-20": [], "2026-10-01": []},
    "env": "prod",
    "tag_env": "master",
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rollback.json").write_text(json.dumps(SHOP))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20261122-040512-prod-1a2b.jsonl").write_text("")


def found(*words: str) -> list[str]:
    there = completion.TargetWords(targets.kinds(), lambda name, section: targets.kind(name, section).owners)
    return completion.answer(HELP, words, there).splitlines()


def test_owners_are_those_that_the_target_knows_and_those_of_the_settings(tmp_path: Path) -> None:
    sections = {
        "eu": {"kind": "kubernetes", "context": "eu", "namespace": "{env}", "accept_owners": ["postgrescluster"]},
        "old": {"kind": "marathon", "url": "http://m.example.com"},
    }
    (tmp_path / "rollback.yaml").write_text(json.dumps({"target": "eu", "targets": sections}))

    assert found("run", "--accept-owner=") == [
        f"--accept-owner={name}" for name in ("argocd", "flux", "keel", "postgrescluster")
    ]
    assert found("plan", "--accept-owner=flux,k") == ["--accept-owner=flux,keel"]
    assert found("undo", "--target=old", "--accept-owner=") == []


def test_first_comes_a_command() -> None:
    assert set(found("")) == set(COMMANDS)
    assert found("un") == ["undo"]
    assert found("--v") == ["--version"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "completion"])
def test_every_option_of_a_command_is_offered_and_no_other(command: str) -> None:
    offered = {word.rstrip("=") for word in found(command, "")}

    usage = HELP[HELP.index(f"  rollback {command} ") : HELP.index("Commands:")].split("\n  rollback ")[0]
    assert offered == {word.split("=")[0].strip("[]()|") for word in usage.split() if "--" in word}


def test_an_option_that_stands_there_already_is_not_offered_again() -> None:
    assert "--date=" in found("run", "")
    assert "--date=" not in found("run", "--date=2026-11-20", "")


def test_dates_come_from_the_last_history_newest_first() -> None:
    assert found("run", "--date=2026-11") == ["--date=2026-11-20", "--date=2026-11-18"]


def test_the_history_of_another_folder_is_looked_up_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "rollback.json").write_text(json.dumps({"rollbacks": {"2020-02-02": []}}))

    assert found("run", "--dump=there", "--date=") == ["--date=2020-02-02"]


def test_environments_come_from_the_history_and_the_settings(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text("environments: {qa: quality}\n")

    assert found("plan", "--env=") == ["--env=prod", "--env=master", "--env=qa", "--env=quality"]


def test_lists_go_on_after_a_comma_without_what_is_there() -> None:
    assert found("plan", "--only=ca") == ["--only=cart", "--only=catalog"]
    assert found("plan", "--only=cart,") == ["--only=cart,billing", "--only=cart,catalog"]


def test_runs_files_folders_and_choices_are_known(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("")

    assert found("undo", "--run=") == ["--run=20261122-040512-prod-1a2b"]
    assert found("run", "--plan=pl") == ["--plan=plan.json"]
    assert found("run", "--dump=r") == ["--dump=runs/"]
    assert found("run", "--on-failure=k") == ["--on-failure=keep"]
    assert found("completion", "") == ["bash", "fish", "zsh"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rollbacks": 7}', '{"all": 7, "rollbacks": {}}'])
def test_a_broken_history_finds_nothing_and_says_nothing(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rollback.json").write_text(text)

    assert found("run", "--date=") == []
    assert found("get", "--repo=") == []
    assert capsys.readouterr() == ("", "")


def test_broken_settings_find_the_usual_environments(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text("environments: 7\n")

    assert "--env=stage" in found("run", "--env=")


def test_nothing_that_a_shell_could_run_is_offered(tmp_path: Path) -> None:
    hostile = {"all": ["shop/a$(touch owned)", "shop/b;c", "shop/ok"], "rollbacks": {"`touch owned`": []}}
    (tmp_path / "rollback.json").write_text(json.dumps(hostile))

    assert found("get", "--repo=") == ["--repo=shop/ok"]
    assert found("run", "--date=") == []


# The real shells ---------------------------------------------------------------------------------------------------


def ask(program: str, script: str) -> list[str]:
    """Run a script in a shell that has our command on its PATH and its completion loaded."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    flags = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[Path(program).name]
    done = subprocess.run(
        [program, *flags, "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


BASH = """source <(rollback completion bash)
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
_rollback; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def test_bash_gets_what_stands_behind_the_equals_sign(part: Callable[[str], str]) -> None:
    bash = part("bash")

    assert ask(bash, BASH.format(line="rollback ru")) == ["run"]
    assert "--date=" in ask(bash, BASH.format(line="rollback run "))
    assert ask(bash, BASH.format(line="rollback run --env=prod --date=2026-11")) == ["2026-11-20", "2026-11-18"]


def test_zsh_gets_whole_words(part: Callable[[str], str]) -> None:
    zsh = part("zsh")
    head = "compdef() { :; }; compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- $@; }\n"
    script = f"{head}source <(rollback completion zsh)\nwords=(rollback {{}}); CURRENT=$#words; _rollback; true"

    assert ask(zsh, script.replace("{}", "ru")) == ["run"]
    assert ask(zsh, script.replace("{}", "run --date=2026-11")) == ["--date=2026-11-20", "--date=2026-11-18"]


def test_fish_completes_as_at_its_prompt(part: Callable[[str], str]) -> None:
    fish = part("fish")
    load = "rollback completion fish | source\n"

    assert ask(fish, f"{load}complete -C 'rollback ru'") == ["run"]
    assert sorted(ask(fish, f"{load}complete -C 'rollback run --date=2026-11'")) == [
        "--date=2026-11-18",
        "--date=2026-11-20",
    ]
