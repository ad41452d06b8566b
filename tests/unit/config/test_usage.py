"""The help text, read: every command and option is described, and docopt reads the same."""

from __future__ import annotations

import re

import pytest

from rollback import cli
from rollback.commands import get
from rollback.config import usage

TEXT = cli.__doc__ or ""
USAGE = usage.read(TEXT)


def test_every_command_of_the_usage_is_described_and_the_other_way_round() -> None:
    forms = re.findall(r"^  rollback ([a-z]+)", TEXT, re.MULTILINE)

    assert list(USAGE.commands) == forms


def test_every_option_of_a_command_is_described_once_and_every_described_one_is_used() -> None:
    used = {name for command in USAGE.commands.values() for name in command.options}
    described = re.findall(r"^  (?:-\w )?(--[a-z-]+)\S* {2,}", TEXT, re.MULTILINE)

    assert sorted(described) == sorted(USAGE.options)
    assert used == set(USAGE.options) - {"--help", "--version"}


@pytest.mark.parametrize("command", USAGE.commands)
def test_a_value_is_called_the_same_in_usage_and_description(command: str) -> None:
    for name, value in re.findall(r"(--[a-z-]+)(?:=(<[a-z]+>))?", USAGE.commands[command].form):
        assert USAGE.options[name].value == value, name


def test_docopt_reads_a_commands_own_options_with_their_defaults() -> None:
    command, options = cli.parse(["--env", "prod", "get", "--repo=shop/billing"])

    assert command == "get"
    assert {name for name in options if name.startswith("--")} == {*USAGE.commands["get"].options}
    assert (options["get"], options["--env"], options["--last"], options["--dump"]) == (True, "prod", "10", ".")
    assert (options["--date"], options["--json"]) == (None, False)


def test_run_makes_a_history_with_the_defaults_of_get() -> None:
    _, own = cli.parse(["get", "--env=prod"])
    _, run = cli.parse(["run", "--env=prod"])

    assert {**get.DEFAULTS, **run}.items() >= own.items() - {("get", True)}


def test_the_short_form_keeps_what_is_required() -> None:
    assert USAGE.commands["get"].short == "get [--repo=<r>] --env=<e> [options]"
    assert USAGE.commands["run"].short == "run ([--date=<d>] --env=<e> | --plan=<file>) [options]"
    assert USAGE.commands["completion"].short == "completion <shell>"
