"""One direction: what the core loads, and who may import whom."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollback

PACKAGE = Path(rollback.__file__).parent
# Who may import whom: each package may import itself and what stands below it; packages of one line not each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("workflow",),
    ("output",),
    ("execution", "state"),
    ("targets",),
    ("registry",),
    ("config",),
    ("core",),
    ("errors", "secret"),
)
SYSTEM_USERS = {"workflow", "output", "state", "targets", "registry", "config", "commands", "cli"}
OUTSIDE = ("requests", "urllib3", "subprocess", "socket", "yaml", "http.client", "ssl", "rich")
NOT_EACH_OTHER = ({"execution", "state"}, {"targets", "registry"}, {"targets", "config"}, {"registry", "config"})
ROOT = {"__init__", "__main__", "cli", "errors", "secret"}
PACKAGES = sorted({name for names in LAYERS for name in names} | {"system", "sandbox"})


def may_import(package: str, other: str) -> bool:
    """Whether a module of `package` may import one of `other`, both packages or modules directly below `rollback`."""
    if package == other:
        return True
    if other == "sandbox":
        return False  # its own command is the one exception, and has a test of its own
    if package == "sandbox":
        return other in {"core", "system", "errors", "secret"}
    if package == "system":
        return other in {"errors", "secret"}
    if other == "system":
        return package in SYSTEM_USERS
    if {package, other} in NOT_EACH_OTHER:
        return False
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    return level[package] < level[other]


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
            if package == "rollback" and rest and rest != "__version__":
                yield rest


def top(name: str) -> str:
    return name.partition(".")[0]


@functools.cache
def imported_by_package() -> dict[str, dict[str, set[str]]]:
    """By package, by imported package, the modules that do so."""
    found: dict[str, dict[str, set[str]]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".")
        for name in imports(path):
            found.setdefault(top(module), {}).setdefault(top(name), set()).add(module)
    return found


@pytest.mark.parametrize(("package", "other"), [(a, b) for a in PACKAGES for b in PACKAGES if not may_import(a, b)])
def test_no_package_imports_what_stands_above_or_beside_it(package: str, other: str) -> None:
    who = imported_by_package().get(package, {}).get(other, set())

    assert who - {"commands.sandbox"} == set()


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {
        path.parent.name if path.name == "__init__.py" else path.stem for path in PACKAGE.glob("*/__init__.py")
    }
    modules = {path.stem for path in PACKAGE.glob("*.py")}

    assert packages <= set(PACKAGES)
    assert modules == ROOT


def test_two_classes_never_share_a_name() -> None:
    names = Counter(
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, number in names.items() if number > 1] == []


def test_relative_imports_are_not_used() -> None:
    relative = [
        path
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


@pytest.mark.parametrize("package", ["core"])
def test_the_core_loads_nothing_that_reaches_outside(package: str) -> None:
    modules = [f"rollback.{package}.{path.stem}" for path in (PACKAGE / package).glob("[a-z]*.py")]
    code = f"import {', '.join(modules)}, sys, json; print(json.dumps(sorted(sys.modules)))"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(said.stdout))
    assert not loaded & set(OUTSIDE)
    ours = {name.split(".")[1] for name in loaded if name.startswith("rollback.")}
    assert ours <= {"core", "errors", "secret"}


def test_options_are_read_in_commands_alone() -> None:
    # a name of an option as a whole text is a key of docopt's dictionary or a comparison; hints have more words
    readers = {
        f"{path.relative_to(PACKAGE)}: {node.value}"
        for path in PACKAGE.rglob("*.py")
        if top(str(path.relative_to(PACKAGE)).replace("/", ".")) not in {"cli", "commands", "targets"}
        and path.name != "completion.py"  # completes their names; targets give options to other programs
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"--[a-z][a-z-]*", node.value)
    }

    assert readers == set()


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


def test_no_thread_holds_up_a_signal_or_the_end_of_the_program() -> None:
    """Those of `concurrent.futures` are waited for; in `execution` each of them ends at a signal by itself."""
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "ThreadPoolExecutor" in path.read_text(encoding="utf-8")
    }

    assert found == {"execution/rollout.py", "execution/revert.py"}
