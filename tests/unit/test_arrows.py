"""One direction: what the core loads, and who may import whom."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rollback

PACKAGE = Path(rollback.__file__).parent
CORE = ("image", "app", "errors", "history", "selection", "plan", "preflight", "watch", "undoing", "outcome")
OUTSIDE = ("requests", "urllib3", "subprocess", "socket", "yaml", "http.client", "ssl", "rich")
# Who may import whom: a module's rank is that of the first line that names it; imports go to a lower or equal rank.
RANKS = (
    ("errors", "secret"),
    ("image", "app"),
    ("history",),
    ("selection",),
    ("plan",),
    ("preflight", "watch", "policy"),
)
SIDES = ("registry", "targets")  # they reach outside; of ours they import only what follows
SIDES_MAY = {"errors", "secret", "image", "app", "session", "process", "network", "files"}


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports at run time or for types, wherever in it, below `rollback.`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "rollback" and rest and not rest.startswith("__"):
                yield rest


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".").removesuffix(".__init__")


def room(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("module", CORE)
def test_the_core_loads_nothing_that_reaches_outside(module: str) -> None:
    code = f"import rollback.{module}, sys, json; print(json.dumps(sorted(sys.modules)))"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(said.stdout))
    assert not loaded & set(OUTSIDE)
    outside = {name for name in loaded if name.startswith(("rollback.registry", "rollback.targets"))}
    assert outside <= {"rollback.targets", "rollback.targets.base"}  # the port


def found(wrong: Callable[[str, set[str]], set[str]]) -> dict[str, set[str]]:
    """By module, those of its imports that are wrong."""
    told = {named(path): wrong(named(path), set(imports(path))) for path in modules()}
    assert len(told) > 50
    return {module: names for module, names in told.items() if names}


def test_imports_of_the_core_point_down() -> None:
    rank = {name: number for number, names in enumerate(RANKS) for name in names}

    def upward(module: str, its: set[str]) -> set[str]:
        return {name for name in its if module in rank and rank.get(room(name), len(RANKS)) > rank[module]}

    assert found(upward) == {}


def test_registry_and_targets_know_nothing_of_the_rest() -> None:
    def strange(module: str, its: set[str]) -> set[str]:
        mine = room(module)
        return {name for name in its if mine in SIDES and room(name) not in {*SIDES_MAY, mine}}

    assert found(strange) == {}


def test_commands_are_imported_by_the_front_door_alone() -> None:
    def strange(module: str, its: set[str]) -> set[str]:
        may = room(module) in {"cli", "commands"}
        return {name for name in its if room(name) == "commands" and not may}

    assert found(strange) == {}


def test_the_front_door_is_imported_by_nobody() -> None:
    assert found(lambda module, its: its & {"cli.entry", "cli"} if module != "__main__" else set()) == {}


def test_the_sandbox_is_imported_by_its_command_alone() -> None:
    def strange(module: str, its: set[str]) -> set[str]:
        may = room(module) == "sandbox" or module == "commands.sandbox"
        return {name for name in its if room(name) == "sandbox" and not may}

    assert found(strange) == {}


def test_the_registry_and_the_rest_meet_in_the_commands_alone() -> None:
    def strange(module: str, its: set[str]) -> set[str]:
        may = room(module) in {"commands", "registry"}
        return {name for name in its if room(name) == "registry" and not may}

    assert found(strange) == {}


def test_no_module_shadows_one_of_pythons() -> None:
    # `python rollback/` would import it in its place
    names = {path.stem for path in PACKAGE.iterdir()} - {"__init__", "__main__", "__pycache__"}

    assert not names & sys.stdlib_module_names


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["get"]])
def test_the_front_door_loads_nothing_heavy_before_it_is_needed(words: list[str]) -> None:
    code = (
        "import sys, io, json, contextlib; from rollback import cli\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        f"    cli.main({words!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not set(json.loads(said.stdout)) & {*OUTSIDE, "logging", "platformdirs", "dataclasses"}
