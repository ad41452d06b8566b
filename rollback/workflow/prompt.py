"""Questions to the user at a terminal; elsewhere there are none."""

from __future__ import annotations

import getpass
import select
import sys
from collections.abc import Callable
from typing import TypeVar

from rollback.core.plain_text import sanitize
from rollback.errors import BadInput, Declined
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import paragraph
from rollback.secret import Secret

Value = TypeVar("Value")

_SIGNALS_S = 0.2  # after so many seconds at the latest a signal is noticed


def on_terminal() -> bool:
    """Whether there is a terminal on which the user can be prompted."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()  # None: it is closed


def line(question: str) -> str:
    """The user's answer, without blanks around it; the question is in lines that fit the terminal.

    Raises:
        Declined: the user ends the input (Ctrl-D).
    """
    sys.stderr.write("\n".join(paragraph("", question, TerminalInfo.of(sys.stderr))) + " ")
    sys.stderr.flush()
    _wait_for_line()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # the cursor is still behind the question
        sys.stderr.write("\n")
        raise Declined
    return answer.strip()


def _wait_for_line() -> None:
    """Wait until there is something to read, however long the user takes.

    Python looks for signals between its own steps: a Ctrl-C that comes after the last one of these and before the
    read itself has begun would be noticed only with the next line (seen on a busy machine).
    """
    while not select.select([sys.stdin], [], [], _SIGNALS_S)[0]:
        pass


def value(question: str, read: Callable[[str], Value]) -> Value:
    """The user's answer as a value; asks again while it cannot be read.

    Args:
        question: its text.
        read: turns an answer into the value, or raises BadInput.

    Raises:
        Declined: the user ends the input.
    """
    while True:
        try:
            return read(line(question))
        except BadInput as error:
            sys.stderr.write(f"  {sanitize(error.what)}{f' ({sanitize(error.hint)})' if error.hint else ''}\n")


def password(user: str, place: str) -> Secret:
    """The user's password, which is not shown while it is typed; empty if the user enters nothing.

    Args:
        user: whose.
        place: where it is for.

    Raises:
        Declined: the user ends the input.
    """
    try:
        return Secret(getpass.getpass(f"Password of {sanitize(user)} on {sanitize(place)}: ", stream=sys.stderr))
    except EOFError:
        sys.stderr.write("\n")
        raise Declined from None
