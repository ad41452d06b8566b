"""An error of a registry or a target has a next step wherever it is made, and a target's says which target it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rollback
from rollback import errors, targets
from rollback.errors import AppLocked, LoginRefused, NoAnswer, RollbackError, TargetError
from rollback.targets.base import TargetOptions

ROOT = Path(rollback.__file__).parent
ADAPTERS = sorted([*(ROOT / "targets").rglob("*.py"), *(ROOT / "registry").rglob("*.py")])


def kinds() -> set[str]:
    """The names of all errors that tell what, why and what next, those of the adapters included."""
    names = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RollbackError)
    }
    for file in ADAPTERS:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in names for base in node.bases):
                names.add(node.name)
    return names


def made(source: str, names: set[str]) -> Iterator[ast.Call]:
    """The places in which an error is made."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node


def lacks_next_step(call: ast.Call) -> bool:
    hint = next((one.value for one in call.keywords if one.arg == "hint"), None)
    return hint is None or (isinstance(hint, ast.Constant) and not hint.value)


def test_every_error_of_an_adapter_is_made_with_a_next_step() -> None:
    names = kinds()
    calls = [(file, call) for file in ADAPTERS for call in made(file.read_text(), names)]

    assert len(calls) > 80
    assert [f"{file.relative_to(ROOT)}:{call.lineno}" for file, call in calls if lacks_next_step(call)] == []


@pytest.mark.parametrize("source", ["TargetError('x', why='y')", "TargetError('x', hint='')"])
def test_an_error_without_one_would_be_found(source: str) -> None:
    assert [lacks_next_step(call) for call in made(source, kinds())] == [True]


class Odd:
    """A target that raises what it is given."""

    name = "dcos at https://dcos.example.com"

    def __init__(self, error: TargetError) -> None:
        self._error = error

    def apps(self, env: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TargetError("no apps", why="timeout"), "timeout (dcos at https://dcos.example.com)"),
        (LoginRefused("no login"), "dcos at https://dcos.example.com"),
        (
            NoAnswer("no answer", why="https://dcos.example.com/acs is silent"),
            "https://dcos.example.com/acs is silent",
        ),
        (AppLocked("locked", why="deployment d1"), "deployment d1"),
    ],
)
def test_an_error_of_a_target_names_its_address_once(
    error: TargetError, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ModuleType("odd")
    vars(kind)["connect"] = lambda _options: Odd(error)
    monkeypatch.setattr(targets, "_module", lambda _name, _section: kind)
    target = targets.connect(TargetOptions("odd", {}))

    for _ in range(2):  # the same error may come up again
        with pytest.raises(type(error)) as caught:
            target.apps("prod")

        assert caught.value is error
        assert error.why == why
