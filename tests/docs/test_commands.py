"""Every command in the documents is run, and prints what the documents say."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from rollback.sandbox.http_server import listening
from rollback.sandbox.launcher import Sandbox, serving
from tests.docs import documents
from tests.docs.documents import Call

GOOD_DAY = date(2026, 11, 20)  # of the documents; the sandbox counts back from today
ROOT = documents.DOCUMENTS.parent
PACKAGE = ROOT / "rollback"


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


@pytest.fixture
def copy_of_the_project(tmp_path: Path) -> Path:
    """A copy of the package and of the contract, with the files of the page about targets."""
    root = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__", "controlplane")
    for name in ("rollback", "tests/contract", "tests/support"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py"):
        shutil.copy(ROOT / name, root / name)
    module, contract = documents.blocks("adding-a-target.md", "python")
    (root / "rollback" / "targets" / "supervisor.py").write_text(module, encoding="utf-8")
    (root / "tests" / "contract" / "test_supervisor.py").write_text(contract, encoding="utf-8")
    return root


def run_pytest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as the page does."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_the_target_on_that_page_passes_the_contract(copy_of_the_project: Path) -> None:
    (call,) = (one for one in documents.calls("adding-a-target.md") if one.line.startswith("python -m pytest"))

    done = run_pytest(copy_of_the_project, "tests/contract/test_supervisor.py")

    assert call.line == "python -m pytest -q tests/contract/test_supervisor.py"
    assert done.returncode == 0, done.stdout
    assert documents.fits(call.shown, done.stdout), done.stdout


TRAPS = {  # by what finds it: what is right in the module, and what is wrong
    "a_configuration_has_the_same_marks_in_another_process": (
        "json.dumps(value, sort_keys=True)",
        "str(hash(str(value)))",
    ),
    "scaling_is_not_another_configuration": ('version=_hash([one["image"],', 'version=_hash([one["count"],'),
    "a_write_whose_answer_is_lost_says_so": ('method == "GET" else NoAnswer', "method else NoAnswer"),
    "an_update_can_be_followed_until_it_is_up": ('ready=one["ready"]', 'ready=one["count"]'),
    "a_crash_loop_shows_one_failure_after_the_other": ('Failure(failed["id"],', 'Failure("failed",'),
    "another_change_is_noticed_without_carrying_what_may_be_secret": ('{"image": one["image"]}', "dict(one)"),
    "an_undo_keeps_what_others_changed_meanwhile": ('{"image": change.image}', '{"image": change.image, "count": 1}'),
}


def test_the_traps_on_that_page_are_found_by_the_contract(copy_of_the_project: Path) -> None:
    (module, contract), names = documents.blocks("adding-a-target.md", "python"), list(TRAPS)
    for number, (right, wrong) in enumerate(TRAPS.values()):
        assert module.count(right) == 1
        wrong_module, its_contract = (
            module.replace(right, wrong),
            contract.replace('"supervisor"', f'"wrong{number}"'),
        )
        (copy_of_the_project / "rollback" / "targets" / f"wrong{number}.py").write_text(wrong_module)
        (copy_of_the_project / "tests" / "contract" / f"test_wrong{number}.py").write_text(its_contract)

    files = [f"tests/contract/test_wrong{number}.py" for number in range(len(TRAPS))]
    done = run_pytest(copy_of_the_project, *files, "-k", " or ".join(names))

    failed = set(re.findall(r"FAILED \S+wrong(\d)\.py::\w+::test_(\w+)", done.stdout))
    missed = [name for number, name in enumerate(names) if (str(number), name) not in failed]
    assert not missed, done.stdout


def test_a_target_is_added_as_its_page_says(
    folder: Path, shift: Callable[[str], str], sandbox: Sandbox, copy_of_the_project: Path
) -> None:
    package = copy_of_the_project / "rollback"
    made = runpy.run_path(str(copy_of_the_project / "tests" / "contract" / "test_supervisor.py"))
    supervisor = made["MemorySupervisor"](time.monotonic)
    host = sandbox.registry_url.partition("//")[2]
    for name, tag in {"billing": "1.9.0", "web": "5.4.0"}.items():
        app_id = supervisor.put(name, instances=2)
        supervisor.apps[app_id]["image"] = f"{host}/shop/{name}:{tag}-master"
    before = {app_id: dict(app) for app_id, app in supervisor.apps.items()}
    (settings,) = documents.blocks("adding-a-target.md", "yaml")
    commands = [call for call in documents.calls("adding-a-target.md") if call.line.startswith("rollback ")]

    with listening(supervisor.answer) as url:
        there = settings.replace("http://127.0.0.1:8000", url)
        assert there != settings
        (folder / "rollback.yaml").write_text(f"registry: {{url: '{sandbox.registry_url}'}}\n{there}")
        follow(commands, folder, shift, package)

    assert supervisor.apps == before


def test_the_files_on_that_page_are_in_our_own_style(copy_of_the_project: Path) -> None:
    files = ("rollback/targets/supervisor.py", "tests/contract/test_supervisor.py")

    for tool in (
        ["ruff", "check", "--no-cache", "--extend-ignore", "ARG002"],
        ["ruff", "format", "--no-cache", "--check"],
        ["mypy", "--no-incremental"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool, *files],
            cwd=copy_of_the_project,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
