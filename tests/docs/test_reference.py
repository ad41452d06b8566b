"""The reference says what the code does."""

from __future__ import annotations

import dataclasses
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollback.config import settings
from rollback.config.settings import Settings
from rollback.core import history_file
from rollback.errors import BadInput, Failed, Refused
from rollback.execution import outcome
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output import json_report
from rollback.targets import kinds
from tests.docs import documents
from tests.support.image_factory import built, image

ROOT = documents.DOCUMENTS.parent
MINE = ("tutorial.md", "how-to.md", "reference.md", "how-it-decides.md", "architecture.md", "adding-a-target.md")


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_setting_is_listed_with_its_default() -> None:
    listed = {codes(key)[0]: codes(default) for key, default, _ in documents.rows("reference.md", "## Settings")}

    assert {key: yaml.safe_load(text[0]) if text else None for key, text in listed.items()} == dict(
        _defaults(Settings)
    )


def _defaults(kind: Any, path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    made = kind()
    for field in dataclasses.fields(kind):
        value = getattr(made, field.name)
        if dataclasses.is_dataclass(value):
            found += _defaults(type(value), f"{path}{field.name}.")
        elif field.name not in {"source", "lines", "distrust"}:  # where it was read, not what
            plain = value.value if isinstance(value, Enum) else [*value] if isinstance(value, tuple) else value
            found.append((f"{path}{field.name}", None if plain == "" else plain))
    return found


def test_every_kind_of_target_is_listed_with_its_keys() -> None:
    import importlib

    listed = {
        codes(kind)[0]: set(codes(re.sub(r"\([^)]*\)", "", keys)))
        for kind, keys in documents.rows("reference.md", "### Kinds of target")
    }

    assert listed == {
        kind: set(importlib.import_module(f"rollback.targets.{kind}").KIND.settings) for kind in kinds()
    }


def test_every_variable_of_ours_is_listed() -> None:
    listed = {name for cell, _ in documents.rows("reference.md", "## Environment variables") for name in codes(cell)}
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "rollback").rglob("*.py")
        if path.name not in {"scenario.py"}
    ]
    used = {name for text in sources for name in re.findall(r"\"(ROLLBACK_[A-Z_]*[A-Z])\"", text)}

    assert {name for name in listed if name.startswith("ROLLBACK_")} == used


def test_every_exit_code_is_listed() -> None:
    listed = {int(code) for code, _ in documents.rows("reference.md", "## Exit codes")}

    ours = {*outcome.CODES.values(), outcome.INTERRUPTED, Failed.exit_code, BadInput.exit_code, Refused.exit_code}
    assert listed == ours


def test_every_member_of_rollback_json_is_listed() -> None:
    listed = {codes(name)[0] for name, _ in documents.rows("reference.md", "### rollback.json")}

    assert listed == set(history_file.as_json(built([image("shop/web:1-master", "2026-11-20")])))


def test_every_event_of_a_record_is_listed() -> None:
    listed = {codes(name)[0] for name, _ in documents.rows("reference.md", "### A record")}

    source = (ROOT / "rollback" / "state" / "journal.py").read_text(encoding="utf-8")
    assert listed == set(re.findall(r"_append\(\s*\"(\w+)\"", source))


def test_every_member_of_a_result_is_listed() -> None:
    row = Row("web", "/web", "a", "b", "b", "changed")
    result = json_report.outcome_json(Outcome(Verdict.DONE, 0, "", (row,)))

    part = documents.text("reference.md").partition("### What `run --json` prints")[2]
    assert set(codes(part)) == {*result, *result["services"][0]} - {"services"}


@pytest.mark.parametrize("name", MINE)
def test_every_settings_example_is_valid(name: str, tmp_path: Path) -> None:
    for block in documents.blocks(name, "yaml"):
        if "kind: supervisor" in block:  # a kind that the reader adds on that page
            continue
        assert settings.parse(block, tmp_path / "rollback.yaml")


@pytest.mark.parametrize("name", MINE)
def test_every_link_within_the_documents_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", documents.text(name)):
        assert (documents.DOCUMENTS / target).exists(), target


def test_every_package_on_the_map_exists() -> None:
    for cell, _ in documents.rows("architecture.md", "## Packages"):
        for name in codes(cell):
            assert (ROOT / "rollback" / name).exists(), name


@pytest.mark.parametrize("name", MINE)
def test_every_option_that_is_named_exists(name: str) -> None:
    from rollback import cli

    known = set(re.findall(r"--[a-z][a-z-]*", cli.__doc__ or ""))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", documents.text(name)))
    assert named <= known
