"""Consent where there is no terminal: what counts as an answer, and what stays untouched on standard input."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from rollback.config.settings import Settings
from rollback.core.plan import Environment
from rollback.errors import Declined, Refused
from rollback.secret import Secret
from rollback.system import standard_input
from rollback.workflow import consent, runner
from rollback.workflow.run_request import RunRequest, policy
from tests.support.records import past
from tests.unit.output.test_hostile_text import plan

QUESTION = "Go?"
SCRIPT = f"""
from rollback.errors import Declined
from rollback.workflow import consent
try:
    consent.require("{QUESTION}", given=False, needed=False)
except Declined:
    print("no")
else:
    print("yes")
"""


@pytest.fixture
def on_standard_input() -> Iterator[Callable[[bytes | None], None]]:
    """Lets a pipe be standard input that holds something and stays open; None for a closed standard input."""
    with ExitStack() as ends:
        before = os.dup(0)
        ends.callback(os.close, before)
        ends.callback(os.dup2, before, 0)

        def holds(content: bytes | None) -> None:
            reading, writing = os.pipe()
            ends.callback(os.close, writing)
            os.write(writing, content or b"")
            os.dup2(reading, 0)
            os.close(reading)
            if content is None:
                os.close(0)

        yield holds


def asked(*, given: bool = False, needed: bool = False) -> str:
    try:
        consent.require(QUESTION, given=given, needed=needed)
    except Declined:
        return "no"
    except Refused as error:
        return error.reasons[0].hint
    return "yes"


def unread() -> bytes:
    """What standard input still holds."""
    return os.read(0, 65_536) if select.select([0], [], [], 0)[0] else b""


@pytest.mark.parametrize(
    ("holds", "answer"),
    [
        (b"n\n", "no"),
        (b"No\r\n", "no"),
        (b"y\n", "yes"),
        (b"n\n" * 3000, "no"),  # what `yes n` has ready
        (b"y\nn\n", "yes"),
        (b"", "yes"),
        (None, "yes"),
        (b"n\nrm file\n", "yes"),
    ],
)
def test_only_what_waits_as_yes_or_no_is_an_answer(
    on_standard_input: Callable[[bytes | None], None], holds: bytes | None, answer: str
) -> None:
    on_standard_input(holds)

    assert asked() == answer
    if holds:
        assert unread() == holds


def test_with_yes_nothing_is_read_and_an_undo_needs_it_whatever_is_piped_in(
    on_standard_input: Callable[[bytes | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_standard_input(b"y\n")

    assert asked(needed=True) == "add --yes"
    monkeypatch.setattr(standard_input, "waiting_lines", lambda: pytest.fail("it was looked at"))
    assert asked(given=True) == "yes"
    assert asked(given=True, needed=True) == "yes"


def test_a_password_before_it_is_no_answer(on_standard_input: Callable[[bytes | None], None]) -> None:
    on_standard_input(b"n\ny\nn\nn\n")

    assert standard_input.read_line() == "n"
    assert asked() == "yes"
    assert standard_input.read_line() == "y"
    assert asked() == "no"


def shell(words: list[str], script: str) -> list[str]:
    """The lines that a script prints, which finds the program that asks in $ASK."""
    done = subprocess.run(
        ["bash", *words],
        input=script,
        env={**os.environ, "PY": sys.executable, "ASK": SCRIPT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_lines_of_a_script_and_of_a_list_stay_for_whoever_reads_them() -> None:
    ask = '"$PY" -c "$ASK"'

    assert shell(["-s"], f"{ask}\necho second\n{ask}\n") == ["yes", "second", "yes"]
    looped = shell(["-c", f"while read -r name; do echo $name; {ask}; done"], "billing\ncart\n")
    assert looped == ["billing", "yes", "cart", "yes"]


@pytest.mark.parametrize(("holds", "answer"), [(b"n\n", "no"), (b"yes\r\n", "yes"), (b"n\nn\nn\n", "yes")])
def test_where_a_pipe_cannot_be_looked_at_only_a_single_word_is_read(
    on_standard_input: Callable[[bytes | None], None], monkeypatch: pytest.MonkeyPatch, holds: bytes, answer: str
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_args, **_options: object())  # a system without tee(2)
    on_standard_input(holds)

    assert asked() == answer
    if len(holds) > 5:
        assert unread() == holds


def test_the_question_names_environment_and_date() -> None:
    made = replace(plan("web"), env=Environment("prod", "master"), as_of="2026-11-20")
    run = RunRequest("run", Settings(), Path(), policy(Settings()), Secret(), "me")
    undo = replace(run, undoes=past("20261122-041512-prod-1a2b", at="2026-11-22T04:15:12Z"))

    assert "of prod to " in runner._question(run, made)
    assert "2026-11-20" in runner._question(run, made)
    assert "of prod back to before the run of 2026-11-22 04:15 UTC" in runner._question(undo, made)
