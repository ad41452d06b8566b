"""With the user at the terminal: the plan, the question, and default No."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import definitions, tags, written

QUESTION = "[y/N]"


def day(sandbox: Sandbox) -> str:
    return f"--date={sandbox.story.good_day}"


def plain(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


@pytest.mark.parametrize("answer", ["\n", "n\n", "yess\n", "\x04"])
def test_anything_but_yes_means_no(sandbox: Sandbox, offered: Command, answer: str) -> None:
    with offered.on_terminal("run", day(sandbox), "--env=prod") as terminal:
        terminal.until(QUESTION)
        terminal.type(answer)
        code = terminal.end()

    assert code == 3
    assert written(sandbox) == []
    assert plain(terminal.shown).partition(QUESTION)[2].split("\r\n")[-2:] == [
        "Not started; nothing was changed.",
        "",
    ]
    assert "REFUSED" not in terminal.shown
    assert "next:" not in terminal.shown


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_yes_means_yes(sandbox: Sandbox, offered: Command, answer: str) -> None:
    with offered.on_terminal("run", day(sandbox), "--env=prod") as terminal:
        terminal.until(QUESTION)
        terminal.type(answer)
        code = terminal.end()

    assert code == 0
    assert "DONE after" in plain(terminal.shown)
    assert tags(sandbox)["billing"] == "1.8.0-master"


def test_the_question_comes_after_the_plan_which_fits_the_terminal(sandbox: Sandbox, offered: Command) -> None:
    with offered.on_terminal("run", day(sandbox), "--env=prod") as terminal:
        shown = plain(terminal.until(QUESTION))
        terminal.type("\n")
        terminal.end()

    plan, _, question = shown.partition("Change 3 services")
    assert "of prod" in question
    assert re.search(r"billing +1\.9\.0-master +(→|->) +1\.8\.0-master", plan)
    assert max(len(line) for line in plan.splitlines()) <= 80


def test_yes_on_the_command_line_asks_nothing(sandbox: Sandbox, offered: Command) -> None:
    with offered.on_terminal("run", day(sandbox), "--env=prod", "--yes") as terminal:
        assert terminal.end() == 0

    assert QUESTION not in terminal.shown


def test_undo_asks_too(sandbox: Sandbox, offered: Command) -> None:
    offered("run", day(sandbox), "--env=prod")
    before = definitions(sandbox)

    with offered.on_terminal("undo") as terminal:
        terminal.until(QUESTION)
        terminal.type("\n")
        code = terminal.end()

    assert code == 3
    assert definitions(sandbox) == before


def test_ctrl_c_at_the_question_changes_nothing(sandbox: Sandbox, offered: Command) -> None:
    with offered.on_terminal("run", day(sandbox), "--env=prod") as terminal:
        terminal.until(QUESTION)
        terminal.type("\x03")
        code = terminal.end()

    assert code == 130
    assert written(sandbox) == []
    assert "Traceback" not in terminal.shown


@pytest.mark.parametrize("piped", ["n\n", "NO\n", "n\ny\n"])
def test_a_piped_no_is_an_answer(sandbox: Sandbox, offered: Command, piped: str) -> None:
    said = offered("run", day(sandbox), "--env=prod", stdin=piped)

    assert said.code == 3
    assert written(sandbox) == []
    assert said.err.splitlines()[-1] == "Not started; nothing was changed."
    assert said.out == ""


def test_a_no_is_a_refusal_in_json(sandbox: Sandbox, offered: Command) -> None:
    said = offered("run", day(sandbox), "--env=prod", "--json", stdin="n\n")

    assert (said.code, said.json()["verdict"]) == (3, "REFUSED")


@pytest.mark.parametrize("piped", ["y\n", "", "billing\ncart\n", "n\nrm file\n"])
def test_what_is_piped_in_and_is_no_answer_changes_nothing(sandbox: Sandbox, offered: Command, piped: str) -> None:
    said = offered("run", day(sandbox), "--env=prod", stdin=piped)

    assert said.code == 0, said.err
    assert tags(sandbox)["billing"] == "1.8.0-master"


def test_yes_reads_nothing(sandbox: Sandbox, offered: Command) -> None:
    said = offered("run", day(sandbox), "--env=prod", "--yes", stdin="n\n")

    assert said.code == 0, said.err


def test_an_undo_without_a_terminal_needs_yes_whatever_is_piped_in(sandbox: Sandbox, offered: Command) -> None:
    offered("run", day(sandbox), "--env=prod")

    said = offered("undo", stdin="y\n")

    assert said.code == 3
    assert "--yes" in said.err


def test_commands_in_a_script_on_standard_input_all_run(sandbox: Sandbox, offered: Command) -> None:
    script = f"{offered.program[0]} run {day(sandbox)} --env=prod >/dev/null 2>&1; echo first $?\necho second\n"

    done = subprocess.run(
        ["bash", "-s"],
        cwd=offered.folder,
        env={**os.environ, **offered.variables},
        input=script,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "first 0\nsecond\n"
