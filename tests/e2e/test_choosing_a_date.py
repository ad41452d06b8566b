"""`run` without a date: at a terminal of 80 by 24 the dates are offered, elsewhere that is an error."""

from __future__ import annotations

import re

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import REPOS, settings, tags, written

CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
WHICH = "Which one (a number or a date; Enter to stop)?"


def test_a_number_chooses_a_date_and_the_plan_is_asked_about_as_ever(sandbox: Sandbox, rollback: Command) -> None:
    settings(rollback.folder, sandbox, f"repos: [{REPOS}]\n")  # and no rollback.json: it is made first
    good = sandbox.story.good_day

    with rollback.on_terminal("run", "--env=prod") as terminal:
        shown = CONTROL.sub("", terminal.until(WHICH))
        (line,) = [line for line in shown.splitlines() if re.match(rf" +\d+  {good}  ", line)]
        terminal.type("99\n")
        terminal.until("there is no number 99")
        terminal.type(f"{line.split()[0]}\n")
        terminal.until("[y/N]")
        terminal.type("y\n")
        code = terminal.end()

    assert code == 0, terminal.shown
    assert re.search(r"3 to change: billing 1\.9\.0\S* (→|->) 1\.8\.0", line)
    assert max(map(len, shown.splitlines())) <= 80
    assert (rollback.folder / "rollback.json").exists()
    assert tags(sandbox)["billing"] == "1.8.0-master"


@pytest.mark.parametrize("answer", ["\n", "\x04"])
def test_no_choice_starts_nothing(sandbox: Sandbox, offered: Command, answer: str) -> None:
    with offered.on_terminal("run", "--env=prod") as terminal:
        terminal.until(WHICH)
        terminal.type(answer)
        code = terminal.end()

    assert code == 3
    assert CONTROL.sub("", terminal.shown).split("\r\n")[-2:] == ["Not started; nothing was changed.", ""]
    assert written(sandbox) == []


def test_an_answer_that_is_no_date_of_the_history_is_asked_for_again(sandbox: Sandbox, offered: Command) -> None:
    with offered.on_terminal("run", "--env=prod") as terminal:
        terminal.until(WHICH)
        terminal.type("last tuesday\n")
        terminal.until("'last tuesday' is neither a date nor a time (use a date of this history: ")
        terminal.type("2026-01-01\n")
        terminal.until("2026-01-01 is not a date of this history (use --date=")
        terminal.type("\n")
        code = terminal.end()

    assert code == 3
    assert terminal.shown.count(WHICH) == 3
    assert written(sandbox) == []


def test_without_a_history_and_repositories_it_says_what_to_do(rollback: Command) -> None:
    with rollback.on_terminal("run", "--env=prod") as terminal:
        code = terminal.end()

    assert code == 2
    assert "rollback get --repo=<r> --env=prod" in terminal.shown


def test_elsewhere_a_missing_date_is_an_error(sandbox: Sandbox, offered: Command) -> None:
    piped = offered("run", "--env=prod", stdin="1\n")
    with offered.on_terminal("run", "--env=prod", "--yes") as terminal:
        unasked = terminal.end()

    assert (piped.code, unasked) == (2, 2)
    assert "--date is missing" in piped.err
    assert "--date is missing" in terminal.shown
    assert written(sandbox) == []
