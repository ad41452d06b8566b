"""`--help` fits the terminal, says all of one command and nothing of another."""

from __future__ import annotations

import re

import pytest

from rollback import cli
from rollback.config import usage
from rollback.output import help_text

USAGE = usage.read(cli.__doc__ or "")


def test_the_overview_has_every_command_and_at_most_sixty_lines_of_eighty_columns() -> None:
    shown = help_text.overview(USAGE).splitlines()

    assert len(shown) <= 60
    assert max(map(len, shown)) <= 80
    for command in USAGE.commands:
        assert any(line.startswith(f"  {command} ") for line in shown)
    assert "Exit codes: 0 done" in "\n".join(shown)
    assert "rollback <command> --help" in shown[-1]


def test_the_overview_has_the_options_that_most_commands_have() -> None:
    shown = help_text.overview(USAGE)

    named = set(re.findall(r"^  (?:-h )?(--[a-z-]+)", shown, re.MULTILINE))
    assert {"--env", "--dump", "--config", "--json", "--help", "--version"} <= named
    assert "--steal-lock" not in named


@pytest.mark.parametrize("columns", [30, 44, 80, 200])
@pytest.mark.parametrize("command", USAGE.commands)
def test_a_command_shows_its_own_options_alone_within_the_terminal(command: str, columns: int) -> None:
    shown = help_text.of_command(USAGE, command, columns)

    assert max(map(len, shown.splitlines())) <= max(min(columns, 80), 44)  # no option is broken in two
    described = re.findall(r"^  (?:-h )?(--[a-z-]+)", shown, re.MULTILINE)
    assert sorted(described) == sorted([*USAGE.commands[command].options, "--help"])
    for option in USAGE.of(command):
        assert " ".join(option.text.split()) in " ".join(shown.split())


def test_no_heading_is_without_options() -> None:
    for command in USAGE.commands:
        for block in help_text.of_command(USAGE, command).split("\n\n")[2:]:
            assert block.splitlines()[0].endswith(":")
            assert block.splitlines()[1].startswith("  -")
