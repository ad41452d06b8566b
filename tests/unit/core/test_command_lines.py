"""The commands that users are shown: complete for where they type them."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

import rollback
from rollback import cli
from rollback.core.command_lines import CommandLines
from rollback.workflow import context

PACKAGE = Path(rollback.__file__).parent
HERE = CommandLines(
    "/srv/our dumps", "/etc/rollback.yaml", "prod-eu", "https://registry.example.com", "argocd", "ann"
)
LINES = {
    "undo": HERE.undo("r1"),
    "run": HERE.run("2026-11-20", "prod"),
    "run of a plan": HERE.run_plan("plan.json"),
    "check": HERE.check("prod"),
    "thaw": HERE.thaw("prod"),
    "get": HERE.get("shop/a,shop/b", "prod"),
    "doctor": HERE.doctor(),
    "history": HERE.history("r1"),
}


def test_where_nothing_was_given_nothing_is_added() -> None:
    assert CommandLines().undo("r1") == "rollback undo --run=r1"
    assert CommandLines().thaw("prod") == "rollback thaw --env=prod"


def test_it_has_what_was_given_and_reads_the_password_anew() -> None:
    assert LINES["undo"] == (
        "rollback undo --run=r1 '--dump=/srv/our dumps' --config=/etc/rollback.yaml --target=prod-eu "
        "--accept-owner=argocd --user=ann --pwd=-"
    )


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_the_program_takes_it_as_it_is_shown_with_every_option_that_it_has(line: str) -> None:
    command, options = cli.parse(shlex.split(line)[1:])

    given = {
        "--dump": HERE.dump,
        "--config": HERE.config,
        "--target": HERE.target,
        "--registry": HERE.registry,
        "--accept-owner": HERE.owners,
        "--user": HERE.user,
        "--pwd": "-",
    }
    less = {"--config"} if command == "history" else set()  # it only reads the folder
    assert {name: options[name] for name in given if name in options and name not in less} == {
        name: value for name, value in given.items() if name in options and name not in less
    }


def test_what_is_to_be_filled_in_is_not_quoted() -> None:
    assert CommandLines(dump="a b").get("<r>", "<e>") == "rollback get --repo=<r> --env=<e> '--dump=a b'"


def test_a_record_elsewhere_is_named_by_its_folder() -> None:
    assert CommandLines(dump="here").undo("r1", "/srv/there") == "rollback undo --run=r1 --dump=/srv/there"


def test_another_way_to_undo_is_that_of_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBACK_UNDO_HINT", "press the button\x1b[2J\nwith RUN={run}, {not this}")

    commands = context.command_lines(config="x.yaml")

    assert commands.undo("r1") == "press the button [2J with RUN=r1, {not this}"
    assert commands.thaw("prod") == "rollback thaw --env=prod --config=x.yaml"


def test_no_command_is_put_together_elsewhere() -> None:
    # a command with a value: without one, `rollback get` is its name
    pattern = re.compile(r"rollback (undo|run|plan|thaw|check|get|history|doctor) (--[a-z-]+=|\{)")
    found = set()
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        helps = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        found |= {
            f"{path.relative_to(PACKAGE)}: {text[:80]}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in helps
            for text in [node.value if isinstance(node, ast.Constant) else ast.unparse(node)]
            if isinstance(text, str) and pattern.search(text)
        }

    assert found == set()
