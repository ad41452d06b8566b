"""A question at a terminal can be ended at any moment."""

from __future__ import annotations

import os
import pty
import select
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any

import pytest

from rollback.errors import Declined
from rollback.workflow import prompt
from tests.unit.output.terminal import Stream


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other side of a terminal that is the standard input."""
    other, this = pty.openpty()
    stdin: TextIOWrapper = os.fdopen(this, "r")
    monkeypatch.setattr("sys.stdin", stdin)
    yield other
    stdin.close()
    os.close(other)


def test_an_answer_is_read_without_its_blanks_and_the_end_of_the_input_is_a_no(keyboard: int) -> None:
    os.write(keyboard, b" yes \n")
    assert prompt.line("Go on?") == "yes"

    os.write(keyboard, b"\x04")
    with pytest.raises(Declined):
        prompt.line("Go on?")


def test_a_question_that_is_wider_than_the_terminal_breaks_between_words(
    keyboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Stream(terminal=True)
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "60")
    question = (
        "Put 3 services of prod back to before the run of 2026-11-22 03:12 UTC (04:12 CET), 20261122-031207-prod?"
    )
    os.write(keyboard, b"y\n")

    assert prompt.line(f"{question} [y/N]") == "y"

    lines = screen.getvalue().split("\n")
    assert max(map(len, lines)) <= 60
    assert " ".join(lines) == f"{question} [y/N] "


def test_the_wait_for_an_answer_pauses_often_so_that_python_looks_for_signals(
    keyboard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def nothing_yet(
        _reading: Any, _writing: Any, _odd: Any, limit_s: float
    ) -> tuple[list[Any], list[Any], list[Any]]:
        pauses.append(limit_s)
        if len(pauses) == 3:
            os.write(keyboard, b"y\n")
        return ([sys.stdin] if len(pauses) == 3 else [], [], [])

    monkeypatch.setattr(select, "select", nothing_yet)

    assert prompt.line("Go on?") == "y"
    assert len(pauses) == 3
    assert all(0 < limit_s <= 1 for limit_s in pauses)
