"""Every command in the documents is run, and prints what the documents say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox, serving
from tests.docs import documents
from tests.docs.documents import Call

GOOD_DAY = date(2026, 11, 20)  # of the documents; the sandbox counts back from today
PACKAGE = Path(__file__).parent.parent.parent / "rollback"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(speed=15) as sandbox:
        yield sandbox


@pytest.fixture
def shift(sandbox: Sandbox) -> Callable[[str], str]:
    """Moves the days of a document to those of the sandbox."""
    away = date.fromisoformat(sandbox.story.good_day) - GOOD_DAY

    def moved(text: str) -> str:
        text = re.sub(r"\b2026-\d\d-\d\d\b", lambda day: str(date.fromisoformat(day[0]) + away), text)
        return re.sub(
            r"(?<![\d-])(\d\d)-(\d\d)(?![\d-])",
            lambda day: f"{date(2026, int(day[1]), int(day[2])) + away:%m-%d}",
            text,
        )

    return moved if away != timedelta() else lambda text: text


@pytest.fixture
def folder(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Where the reader is: in the folder into which the sandbox has written its settings."""
    here = tmp_path / "here"
    here.mkdir()
    sandbox.write_settings(here / "rollback.yaml")
    return here


def bash(folder: Path, line: str, package: Path = PACKAGE) -> tuple[int, str]:
    """What a reader's shell does with a line; standard output alone, since on a terminal the rest moves on."""
    bin_folder = folder.parent / "bin"
    if not bin_folder.exists():
        bin_folder.mkdir()
        program = bin_folder / "rollback"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{package}" "$@"\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    return done.returncode, done.stdout + ("" if done.returncode in {0, 1} else done.stderr)


def follow(calls: list[Call], folder: Path, shift: Callable[[str], str], package: Path = PACKAGE) -> None:
    assert calls
    for call in calls:
        line = shift(call.line)
        code, output = bash(folder, line, package)
        assert code == call.code, f"{line}\n{output}"
        shown = tuple(shift(told) for told in call.shown)
        assert documents.fits(shown, output), f"{line}\nprints\n{output}\nand not\n" + "\n".join(shown)


def test_the_tutorial_can_be_followed(folder: Path, shift: Callable[[str], str]) -> None:
    follow(documents.calls("tutorial.md"), folder, shift)

    assert (folder / "timeline.html").exists()


def test_the_how_tos_can_be_followed(folder: Path, shift: Callable[[str], str]) -> None:
    code, output = bash(folder, "rollback get --repo=shop/billing,shop/cart,shop/catalog,shop/web --env=prod")
    assert code == 0, output

    follow(documents.calls("how-to.md"), folder, shift)


def test_the_migration_gate_of_the_how_tos_refuses(
    folder: Path, shift: Callable[[str], str], sandbox: Sandbox
) -> None:
    code, output = bash(folder, "rollback get --repo=shop/billing,shop/cart,shop/catalog,shop/web --env=prod")
    assert code == 0, output
    (gate,) = documents.blocks("how-to.md", "python")
    (hook_settings,) = (block for block in documents.blocks("how-to.md", "yaml") if block.startswith("hooks:"))
    (migrations,) = (block for block in documents.blocks("how-to.md", "json") if block.startswith('{"shop/billing"'))
    (shown,) = documents.blocks("how-to.md", "text")
    (folder / "gate.py").write_text(gate)
    (folder / "gate.py").chmod(0o755)
    with (folder / "rollback.yaml").open("a") as file:
        file.write(hook_settings)
    (folder / "migrations.json").write_text(shift(migrations))

    for line in ("rollback plan --date=2026-11-20 --env=prod", "rollback run --date=2026-11-20 --env=prod --yes"):
        code, output = bash(folder, shift(line))
        assert code == 3, output
        assert documents.fits(tuple(shift(shown).rstrip().splitlines()), output), output
    assert not [seen for seen in sandbox.front.seen if seen[0] in {"PUT", "PATCH", "DELETE"}]
    (folder / "migrations.json").write_text("{}")
    assert bash(folder, shift("rollback plan --date=2026-11-20 --env=prod"))[0] == 0


def test_a_target_is_added_as_its_page_says(
    folder: Path, shift: Callable[[str], str], sandbox: Sandbox, tmp_path: Path
) -> None:
    package = tmp_path / "rollback"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (module,) = documents.blocks("adding-a-target.md", "python")
    (package / "targets" / "jsonfile.py").write_text(module, encoding="utf-8")
    (settings,) = documents.blocks("adding-a-target.md", "yaml")
    (folder / "rollback.yaml").write_text(f"registry: {{url: '{sandbox.registry_url}'}}\n{settings}")
    host = sandbox.registry_url.partition("//")[2]
    before = {
        f"/ds/prod/shop/{name}": {"image": f"{host}/shop/{name}:{tag}-master", "count": 2, "owner": "shop"}
        for name, tag in {"billing": "1.9.0", "web": "5.4.0"}.items()
    }
    (folder / "services.json").write_text(json.dumps(before))

    follow(documents.calls("adding-a-target.md"), folder, shift, package)

    assert json.loads((folder / "services.json").read_text()) == before


def test_the_module_on_that_page_is_in_our_own_style(tmp_path: Path) -> None:
    (module,) = documents.blocks("adding-a-target.md", "python")
    path = tmp_path / "jsonfile.py"
    path.write_text(module, encoding="utf-8")
    config = PACKAGE.parent / "pyproject.toml"

    for tool in (
        ["ruff", "check", "--config", str(config), "--ignore", "ARG002,INP001"],
        ["mypy", "--config-file", str(config), "--no-incremental"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool, str(path)], cwd=PACKAGE.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout
