"""Hooks of the user around runs in the sandbox: when they are called, and what their answers do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.faults.scenario import CART, Scene, scene

GATE = """\
with open("calls", "a") as file:
    file.write(document["hook"] + " " + document["command"] + " " + document.get("verdict", "") + "\\n")
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.chdir(tmp_path)
    with scene(tmp_path) as made:
        yield made


def hook(stage: Scene, name: str, code: str = "") -> Path:
    """Write a hook that notes its call, and name it in the settings."""
    path = stage.folder / f"{name}.py"
    path.write_text(f"#!{sys.executable} -IS\nimport json, sys\ndocument = json.load(sys.stdin)\n{GATE}{code}")
    path.chmod(0o755)
    settings = stage.folder / "rollback.yaml"
    config: dict[str, Any] = json.loads(settings.read_text())
    config.setdefault("hooks", {"timeout_s": 10})[name] = path.name
    settings.write_text(json.dumps(config))
    return path


def calls(stage: Scene) -> list[str]:
    file = stage.folder / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_a_hook_that_refuses_keeps_a_run_and_an_undo_from_beginning(stage: Scene) -> None:
    assert stage.run().code == 0
    written = stage.writes()
    hook(stage, "preflight", "sys.exit('the schema of cart is newer')")

    never = SimpleNamespace(require=lambda *_args, **_options: pytest.fail("the user was asked"))
    undone = stage.undo(consent=never)
    newest = next(iter(json.loads((stage.folder / "rollback.json").read_text())["rollbacks"]))
    planned = stage.command("plan", f"--date={newest}", "--env=prod", *stage.common())
    run = stage.command("run", f"--date={newest}", "--env=prod", *stage.common(), consent=never)

    assert (undone.code, planned.code, run.code) == (3, 3, 3)
    for told in (undone, planned, run):
        assert "the schema of cart is newer" in told.err
    assert calls(stage) == ["preflight undo ", "preflight plan ", "preflight run "]
    assert stage.writes() == written


def test_no_hook_is_called_before_an_automatic_restore(stage: Scene) -> None:
    hook(stage, "preflight", "import os\nsys.exit(os.path.getsize('calls') > 20)")
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    before = stage.tags()

    told = stage.run()

    assert told.code == 5, told.out
    assert calls(stage) == ["preflight run "]
    stage.later()
    assert stage.tags() == before


@pytest.mark.parametrize("fault", ["sys.exit('no pager')", "while True: print('x' * 10000)"])
def test_a_hook_for_the_end_gets_every_ending_and_changes_none(stage: Scene, fault: str) -> None:
    hook(stage, "after", fault)

    first, second = stage.run(), stage.run()
    undone = stage.undo()
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    restored = stage.run()
    hook(stage, "preflight", "sys.exit('not today')")
    refused = stage.run()

    assert [told.code for told in (first, second, undone, restored, refused)] == [0, 0, 0, 5, 3]
    assert [line for line in calls(stage) if line.startswith("after")] == [
        "after run DONE",
        "after run NOTHING TO DO",
        "after undo DONE",
        "after run RESTORED",
        "after run REFUSED",
    ]
    assert "no pager" in first.err or "printed more than 1 MiB" in first.err


@pytest.mark.parametrize("what", ["the settings", "the hook", "the folder"])
def test_settings_in_a_folder_of_everybody_run_nothing(stage: Scene, what: str) -> None:
    path = hook(stage, "preflight")
    {"the settings": stage.folder / "rollback.yaml", "the hook": path, "the folder": stage.folder}[what].chmod(0o777)

    told = stage.run()

    assert told.code == (2 if what == "the settings" else 3), told.err
    assert "everybody can write to it" in told.err
    assert not calls(stage)
    assert not stage.writes()
