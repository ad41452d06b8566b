"""The installed command, the module and the folder are the same program, and it is quick to start."""

from __future__ import annotations

import subprocess
import sys
import time
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
_TIMES = 9


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


def test_help_and_version_are_quick() -> None:
    def best(*words: str) -> float:
        begun = time.perf_counter()
        subprocess.run(words, capture_output=True, check=True)
        return time.perf_counter() - begun

    bare, version = (
        min(times)
        for times in zip(
            *((best(sys.executable, "-c", "pass"), best(INSTALLED, "--version")) for _ in range(_TIMES)), strict=True
        )
    )

    assert version <= 3 * bare, f"{version * 1000:.0f} ms against {bare * 1000:.0f} ms"
