"""A target knows its own world: nothing else in the package names a kind of target, or types its commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import rollback
from rollback.targets import kinds

PACKAGE = Path(rollback.__file__).parent
PROGRAMS = {"dcos", "kubectl", "curl"}


def texts() -> Iterator[tuple[str, str]]:
    """Every string outside `targets/` and `sandbox/` with the module that it is in; docstrings left aside."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith(("targets/", "sandbox/")):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
                yield module, node.value


def test_no_kind_of_target_is_named_but_the_default_one() -> None:
    named = {(module, text) for module, text in texts() if text in kinds()}

    assert named == {("config/settings.py", "dcos")}


def test_no_command_for_a_target_is_typed_outside_its_package() -> None:
    command = re.compile(rf"(?:^|[\s`'\"])(?:{'|'.join(PROGRAMS)}) [a-z-]")

    assert [(module, text) for module, text in texts() if command.search(text)] == []
