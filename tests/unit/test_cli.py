"""The front door: what is printed where, and the exit code."""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from rollback import __version__, cli
from rollback.commands import get
from rollback.errors import BadInput, Failed, Partly, Reason, Refused, TargetError
from rollback.output.progress import Handler
from rollback.workflow.command_result import CommandResult

GET = ["get", "--repo=a", "--env=prod"]
Raiser = Callable[[BaseException], None]


@pytest.fixture
def raises(monkeypatch: pytest.MonkeyPatch) -> Raiser:
    """Let `get` end with an exception."""

    def arrange(error: BaseException) -> None:
        def main(*_: object) -> CommandResult:
            raise error

        monkeypatch.setattr(get, "main", main)

    return arrange


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Failed("x"), 1),
        (TargetError("x"), 1),
        (BadInput("x"), 2),
        (Refused([Reason("x")]), 3),
        (Partly("x"), 4),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (ZeroDivisionError("secret detail"), 1),
    ],
)
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_every_end_has_its_code_and_prints_no_result(
    raises: Raiser, error: BaseException, code: int, debug: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    raises(error)

    assert cli.main([*GET, *debug]) == code
    assert capfd.readouterr().out == ""


def test_an_error_says_what_why_and_next(raises: Raiser, capsys: pytest.CaptureFixture[str]) -> None:
    raises(BadInput("it is wrong", why="line one\nline two", hint="do this"))

    cli.main(GET)

    assert capsys.readouterr().err == ("rollback: it is wrong\n  why:  line one\n        line two\n  next: do this\n")


def test_a_refusal_tells_every_reason(raises: Raiser, capsys: pytest.CaptureFixture[str]) -> None:
    raises(Refused([Reason("first", "because", "do this"), Reason("second")]))

    cli.main(GET)

    assert capsys.readouterr().err == "rollback: first\n  why:  because\n  next: do this\nrollback: second\n"


def test_a_mistake_of_the_program_shows_no_traceback_unless_it_is_asked_for(
    raises: Raiser, capsys: pytest.CaptureFixture[str]
) -> None:
    raises(ZeroDivisionError("detail"))
    cli.main(GET)
    plain = capsys.readouterr().err

    cli.main([*GET, "--debug"])

    assert "Traceback" not in plain
    assert "detail" not in plain
    assert "--debug" in plain
    assert "ZeroDivisionError: detail" in capsys.readouterr().err


def test_the_result_goes_to_standard_output_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_options: Any, progress: Any) -> CommandResult:
        progress.say("on the way")
        logging.getLogger("rollback.somewhere").warning("a warning")
        return CommandResult("the result\n", code=5)

    monkeypatch.setattr(get, "main", main)

    assert cli.main(GET) == 5
    said = capsys.readouterr()
    assert said.out == "the result\n"
    assert "on the way" in said.err
    assert "warning: a warning" in said.err


class Full(io.StringIO):
    """A stream that cannot be written to the end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
@pytest.mark.parametrize(
    ("words", "came_to", "code"),
    [
        (["run", "--date=2026-11-20", "--env=prod"], 0, 0),
        (["run", "--date=2026-11-20", "--env=prod"], 5, 5),
        (["undo", "--yes"], 4, 4),
        (["thaw", "--env=prod"], 0, 0),
        (["check", "--env=prod"], 0, 2),
        (["check", "--env=prod"], 1, 2),
        (["history"], 0, {errno.ENOSPC: 1, errno.EPIPE: 141}),
    ],
)
def test_a_result_that_cannot_be_printed_makes_no_other_truth(
    words: list[str],
    came_to: int,
    code: int | dict[int, int],
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    result = CommandResult("the result\n", {"run": "20261122-041512-prod-1a2b"}, came_to)
    monkeypatch.setattr(importlib.import_module(f"rollback.commands.{words[0]}"), "main", lambda *_: result)
    monkeypatch.setattr("sys.stdout", Full(number))

    ended = cli.main([*words, "--config=c.yaml"])

    said = capfd.readouterr().err
    assert ended == (code[number] if isinstance(code, dict) else code)
    assert "Traceback" not in said
    assert "mistake" not in said
    if words[0] in {"run", "undo"}:
        assert "the report could not be printed" in said
        assert "rollback history --run=20261122-041512-prod-1a2b" in said


@pytest.mark.parametrize("words", [["check", "--env=prod"], ["thaw", "--env=prod"], ["check"]])
def test_an_error_that_nobody_can_read_keeps_its_code(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def main(*_: object) -> CommandResult:
        raise BadInput("it is wrong")

    for command in ("check", "thaw"):
        monkeypatch.setattr(importlib.import_module(f"rollback.commands.{command}"), "main", main)
    monkeypatch.setattr("sys.stderr", Full(errno.ENOSPC))

    assert cli.main(words) == 2


@pytest.mark.parametrize("error", [ModuleNotFoundError("yaml"), RecursionError(), MemoryError(), OSError(5, "x")])
def test_a_check_that_crashes_anywhere_has_said_neither_yes_nor_no(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> CommandResult:
        raise error

    monkeypatch.setattr(cli, "_command", broken)

    assert cli.main(["check", "--env=prod"]) == 2


def test_foreign_loggers_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(logging.getLogger().handlers)
    monkeypatch.setattr(get, "main", lambda *_: CommandResult(""))

    cli.main([*GET, "--debug"])

    assert logging.getLogger().handlers == before
    assert not any(isinstance(handler, Handler) for handler in logging.getLogger("rollback").handlers)


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_is_a_result(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert "Exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["thaw --help", "--help thaw", "thaw --env=prod -h", "-h --env=prod thaw"])
def test_help_of_a_command_shows_that_command_alone(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 0

    shown = capsys.readouterr()
    assert "rollback thaw --env=<e> [options]" in shown.out
    assert "--reason=<why>" in shown.out
    assert "--date" not in shown.out
    assert shown.err == ""


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("line", "what", "why"),
    [
        ("", "no command is given", "the commands are get, plan,"),
        ("--env=prod", "no command is given", "the commands are get, plan,"),
        ("gett --env=prod", "there is no command 'gett'", "did you mean rollback get?"),
        ("--env prod gett", "there is no command 'gett'", "did you mean rollback get?"),
        ("unfreeze", "there is no command 'unfreeze'", "did you mean rollback thaw?"),
        ("Hunter2!", "there is no such command", "the commands are get, plan,"),
        ("get --repo=a", "--env is missing", "write --env=<e>: Environment, by either of its names"),
        ("run", "--env is missing", "write --env=<e>"),
        ("plan", "--date and --env are missing", "write --date=<d> --env=<e>"),
        ("completion", "<shell> is missing", "write rollback completion <shell>"),
        ("run --plan=p --json=yes", "--json takes no value", "write --json alone"),
        ("run --env", "--env has no value", "write --env=<e>: Environment"),
        ("run --env --date=x", "--env has no value", "write --env=<e>: Environment"),
        ("run --date=x --env=a --env=b", "--env is given twice", "once"),
        ("get --repo=a --env=prod --bogus", "get has no option --bogus", "no option has a similar name"),
        ("get --repo=a --env=prod --last=3 --jsn", "get has no option --jsn", "did you mean --json?"),
        ("check --env=prod --html=x", "check has no option --html", "it is an option of get and history"),
        ("run --services=a", "run has no option --services", "did you mean --only=<s>?"),
        ("run --environment=prod", "run has no option --environment", "did you mean --env=<e>?"),
        ("run --dat=x --env=prod", "run has no option --dat", "written out: did you mean --date=<d>?"),
        ("run --da x --env=prod", "run has no option --da", "written out: did you mean --date=<d>?"),
        ("run --d=x --env=prod", "run has no option --d", "--date=<d>, --dump=<dr>, --dry-run or --debug?"),
        ("run -date=x --env=prod", "run has no option -date", "two hyphens: did you mean --date=<d>?"),
        (
            "run \N{EM DASH}date=x --env=p",
            "run has no option \N{EM DASH}date",
            "two hyphens: did you mean --date=<d>?",
        ),
        (
            "run --plan=p --date=x --env=prod",
            "--date and --plan cannot be used",
            "[--date=<d>] --env=<e> | --plan=<file>",
        ),
        ("run --plan=p --strict", "--strict and --plan cannot be used", "[--date=<d>] --env=<e> | --plan=<file>"),
        ("run --plan=p --freeze=1h --no-freeze", "--freeze and --no-freeze cannot be used", "use one of"),
        ("undo abc --run=abc", "<id> and --run cannot be used together", "<id> | --run=<id>"),
        ("get run", "get and run are two commands", "give one of them"),
        ("run --date=x --env=prod stray", "a word belongs to no option", "write --name=value"),
        ("run date=2026-11-20 env=prod", "a word belongs to no option", "did you mean --date=<d>?"),
        ("run 2026-11-20 --env=prod", "a word belongs to no option", "did you mean --date=<d>?"),
    ],
)
def test_a_usage_error_is_three_lines_with_what_is_meant(
    line: str, what: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(line.split()) == 2
    said = capsys.readouterr()
    first, second, third = said.err.splitlines()
    assert first.startswith("rollback: ")
    assert what in first
    assert second.startswith("  why:  ")
    assert why in second
    assert third.startswith("  next: rollback ")
    assert third.endswith("--help")
    assert said.out == ""


def test_the_next_step_is_the_help_of_the_command_that_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for line, next_step in (("run --bogus", "run --help"), ("rnu", "run --help"), ("nonsense", "rollback --help")):
        cli.main(line.split())
        assert capsys.readouterr().err.endswith(f"{next_step}\n")


@pytest.mark.parametrize(
    "line",
    [
        "run --env=prod --pwd=hunter2",
        "run --env=prod --pwd hunter2",
        "run --env=prod --pwd --hunter2",
        "run --env=prod --pw --hunter2",
        "run --env=prod --pwdhunter2",
        "run --env=prod --pwd:hunter2",
        "run --env=prod --password=hunter2",
        "run --env=prod --password:hunter2",
        "run --env=prod --slackhttps://hooks/hunter2",
        "run --env=prod --passwordhunter2",
        "run --env=prod -pwdhunter2",
        "run --env=prod -p hunter2",
        "hunter2",
        "hunter2 run --date=x",
        "run --env=prod --slack --hunter2 --date=x --bogus",
        "run --date=x --env=prod hunter2",
        "run --date=x --env=prod --pwd=a --pwd=hunter2",
        "get --repo=a --env=prod --pwd=hunter2",
    ],
)
def test_a_usage_error_never_shows_a_password(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err


@pytest.mark.parametrize(
    "line",
    [
        "get --repo=a --env=prod --json",
        "--repo=a --env prod get --json",
        "--env prod --json get --repo a",
        "--json get --env=prod --repo=a",
    ],
)
def test_options_may_be_before_or_after_the_command(line: str) -> None:
    command, options = cli.parse(line.split())

    assert (command, options["--repo"], options["--env"], options["--json"]) == ("get", "a", "prod", True)
    assert (options["--dump"], options["--last"]) == (".", "10")


def test_a_value_may_be_a_commands_name_or_begin_with_a_hyphen() -> None:
    command, options = cli.parse(["run", "--env", "get", "--date=x", "--pwd", "-", "--reason", "-x"])

    assert (command, options["--env"], options["--pwd"], options["--reason"]) == ("run", "get", "-", "-x")


@pytest.mark.parametrize("command", ["undo", "history"])
@pytest.mark.parametrize("words", [("20261122-031207-prod-3a17",), ("--run=20261122-031207-prod-3a17",)])
def test_a_run_is_named_with_or_without_its_option(command: str, words: tuple[str, ...]) -> None:
    _, options = cli.parse([command, *words])

    assert (options["--run"] or options["<id>"]) == "20261122-031207-prod-3a17"


def test_a_plan_is_run_with_the_options_that_it_does_not_hold_itself() -> None:
    _, options = cli.parse(["run", "--plan=p", "--reason=x", "--freeze=1h", "--accept-owner=argocd", "--yes"])

    assert (options["--plan"], options["--freeze"], options["--date"]) == ("p", "1h", None)
