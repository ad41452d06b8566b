"""Files that are no files, have no end, or are not what their name says."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollback.state.state_store import file_name
from rollback.system.user_folders import state_folder
from tests.faults.scenario import Scene, Told, scene

pytestmark = pytest.mark.timeout(60)  # a command that waits for a pipe's other end waits for ever


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One for all: nothing may change in it."""
    with scene(tmp_path_factory.mktemp("odd")) as stage:
        assert stage.command("plan", *_plan(stage), f"--out={stage.folder / 'plan.json'}").code == 0
        yield stage


@pytest.fixture
def stage(_served: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A folder of its own for each test."""
    folder = tmp_path / "here"
    shutil.copytree(_served.folder, folder)
    yield Scene(_served.sandbox, folder, _served.time, (f"--user={_served.sandbox.user}", *_served.options[1:]))
    assert not _served.writes()


def _plan(stage: Scene) -> tuple[str, ...]:
    return (f"--date={stage.day}", "--env=prod", *stage.common())


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    os.mkfifo(path.with_name(f"{path.name}-pipe"))
    path.symlink_to(f"{path.name}-pipe")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _endless(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 << 30)


def _deep(path: Path) -> None:
    path.write_text("[" * 200_000 + "\n")


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a named pipe": (_pipe, "it is a named pipe, not a regular file"),
    "a link to a named pipe": (_link, "it is a named pipe, not a regular file"),
    "a device": (_device, "it is a device, not a regular file"),
    "a folder": (Path.mkdir, "it is a folder, not a regular file"),
    "five gigabytes": (_endless, "it is larger than"),
    "nested without end": (_deep, ""),
}


def _state(stage: Scene, ending: str) -> Path:
    identity = f"marathon {stage.sandbox.front.api.framework_id}"
    return state_folder() / f"{file_name('prod', identity)}{ending}"


def _in_state(stage: Scene, ending: str) -> Path:
    path = _state(stage, ending)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


DOORS: dict[str, tuple[Callable[[Scene], Path], Callable[[Scene], Told], int]] = {
    "history": (lambda s: s.folder / "rollback.json", lambda s: s.run("--yes"), 2),
    "plan": (
        lambda s: s.folder / "plan.json",
        lambda s: s.command("run", f"--plan={s.folder / 'plan.json'}", *s.common()),
        2,
    ),
    "record": (
        lambda s: s.folder / "runs" / "20991122-040000-prod-aaaa.jsonl",
        lambda s: s.undo("--run=20991122-040000-prod-aaaa"),
        2,
    ),
    "settings": (lambda s: s.folder / "rollback.yaml", lambda s: s.run("--yes"), 2),
    "password": (lambda s: s.folder / "password", lambda s: _with_own_password(s), 2),
    "freeze": (
        lambda s: _in_state(s, ".json"),
        lambda s: s.command("check", "--env=prod", *s.common()),
        2,
    ),
    "lock": (lambda s: _in_state(s, ".lock"), lambda s: s.run("--yes"), 1),
}


def _with_own_password(stage: Scene) -> Told:
    return stage.command(
        "run", f"--date={stage.day}", "--env=prod", f"--config={stage.folder / 'rollback.yaml'}",
        f"--user={stage.sandbox.user}", f"--pwd-file={stage.folder / 'password'}",
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_a_file_that_is_none_is_refused_at_once_and_named(stage: Scene, door: str, kind: str) -> None:
    if kind == "nested without end" and door in {"lock", "password"}:
        return  # of a lock nothing is read unless somebody holds it, and a password may be any text
    place, command, code = DOORS[door]
    make, why = KINDS[kind]
    path = place(stage)
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path)
    if door == "lock" and kind == "five gigabytes":
        return  # a lock's content is replaced, whatever it was

    told = command(stage)

    assert told.code == code, told
    assert path.name in told.err
    assert why in told.err
    assert "next:" in told.err
    assert "a mistake in this program" not in told.err


@pytest.mark.parametrize("kind", KINDS)
def test_one_broken_record_blocks_neither_history_nor_undo(stage: Scene, kind: str) -> None:
    broken = stage.folder / "runs" / "20991122-040000-prod-aaaa.jsonl"
    broken.parent.mkdir()
    KINDS[kind][0](broken)
    good = stage.folder / "runs" / "20251122-040000-prod-bbbb.jsonl"
    began = {
        "event": "began", "when": "", "schema": 1, "run": good.stem, "kind": "run", "env": "prod",
        "target": "marathon at http://elsewhere.example.com", "as_of": "2025-11-20", "by": "ann", "at": "",
        "on_failure": "restore", "steps": [],
    }  # fmt: skip
    app = {
        "event": "captured", "when": "", "ready": True, "id": "/a", "image": "a:1", "version": "v", "instances": 1,
        "checked": True, "deployments": [], "definition": {}, "marks": {},
    }  # fmt: skip
    writing = {"event": "writing", "when": "", "images": {"/a": "a:2"}, "restoring": False}
    good.write_text("".join(json.dumps(line) + "\n" for line in (began, app, writing)))

    listed = stage.command("history")
    undone = stage.undo()

    assert listed.code == 0
    assert good.stem in listed.out
    assert undone.code == 3
    assert "this run was made on another target" in undone.err
    for told in (listed, undone):
        assert f"{broken.name} is passed over" in told.err


def test_a_user_without_home_and_name_is_told_what_to_set(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    monkeypatch.chdir(stage.folder)
    config = stage.folder / "rollback.yaml"

    refused = [stage.run("--yes"), stage.command("check", "--env=prod", *stage.common())]
    found = set(stage.folder.iterdir())
    config.write_text(config.read_text().rstrip()[:-1] + f', "state_folder": {json.dumps(str(stage.folder / "s"))}}}')
    checked = stage.command("check", "--env=prod", *stage.common())

    for told in refused:
        assert told.code == 2
        assert "XDG_STATE_HOME" in told.err
        assert "next:" in told.err
    assert not any(path.name.startswith("~") for path in found)
    assert (checked.code, checked.out.partition(":")[0]) == (0, "FREE")
