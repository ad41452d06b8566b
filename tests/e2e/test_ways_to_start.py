"""The installed command, the module and the folder are the same program, and a start loads little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rollback as package
from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import INSTALLED, Command
from tests.e2e.conftest import REPOS

WAYS = {
    "installed": (INSTALLED,),
    "module": (sys.executable, "-m", "rollback"),
    "folder": (sys.executable, str(Path(package.__file__).parent) + "/"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_start_it_is_the_same_program(sandbox: Sandbox, rollback: Command, way: str) -> None:
    command = Command(rollback.folder, WAYS[way])

    version = command("--version")
    got = command("get", f"--repo={REPOS}", "--env=prod", "--json")
    ran = command("run", f"--date={sandbox.story.good_day}", "--env=prod", "--json")
    wrong = command("run", "--env=prod")

    assert (version.code, version.out) == (0, f"{package.__version__}\n")
    assert (got.code, ran.code, wrong.code) == (0, 0, 2), got.err + ran.err
    assert ran.json()["verdict"] == "DONE"
    assert "--date is missing" in wrong.err


@pytest.mark.parametrize("way", WAYS)
def test_no_warning_of_pythons_is_an_error(rollback: Command, way: str) -> None:
    command = Command(rollback.folder, WAYS[way], {"PYTHONWARNINGS": "error"})

    said = command("history")

    assert (said.code, said.err) == (0, "")


def test_a_module_of_the_current_folder_is_not_taken_for_one_of_ours(rollback: Command) -> None:
    for name in ("requests", "yaml", "docopt", "image", "plan"):
        (rollback.folder / f"{name}.py").write_text("raise SystemExit('the wrong one')")

    for way in ("installed", "folder"):
        assert Command(rollback.folder, WAYS[way])("history").code == 0


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("run", "--help")])
def test_help_and_version_load_few_modules_and_no_library(words: tuple[str, ...]) -> None:
    """Counted, for what a start costs is mostly what it imports, and clocks are of no use on a busy machine."""

    def loaded(*program: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *program], capture_output=True, text=True, check=True, timeout=60
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    ours = loaded(INSTALLED, *words) - loaded("-c", "pass")

    assert "rollback.cli" in ours
    assert not ours & {"docopt", "requests", "ssl", "urllib3", "yaml"}
    assert len(ours) <= 20, sorted(ours)
