"""The front door: what is printed where, and the exit code."""

from __future__ import annotations

import logging
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
    ("line", "told"),
    [
        ("", "rollback --help"),
        ("get --env=prod", "--repo is missing"),
        ("get --repo=a --env=prod --bogus", "there is no option --bogus"),
        ("get --repo=a --env=prod --slack=x", "--slack does not belong to get"),
        ("run --date=x --env=a --env=b", "--env is given twice"),
        ("bogus", "rollback --help"),
        ("get run", "rollback get --help"),
        ("run --date=x --env=prod stray", "rollback run --help"),
    ],
)
def test_words_that_make_no_command_are_told_apart(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


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


def test_options_may_be_shortened_as_docopt_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def main(options: Any, _progress: Any) -> CommandResult:
        seen.append(options)
        return CommandResult("")

    monkeypatch.setattr(get, "main", main)

    cli.main(["get", "--rep=a", "--env", "prod"])

    assert (seen[0]["--repo"], seen[0]["--env"], seen[0]["--dump"], seen[0]["--last"]) == ("a", "prod", ".", "10")
