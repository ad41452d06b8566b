"""Standard input, output and error where the caller has closed one of them."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def open_closed() -> None:
    """Let every standard stream that is closed lead nowhere.

    Otherwise the next file that is opened gets its number, and what is written to standard error by its number ends
    in the record of a run. Python has None for such a stream; standard input stays so, which means: no terminal.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this one
    sys.stdout, sys.stderr = _opened(sys.stdout, 1), _opened(sys.stderr, 2)


def _opened(stream: TextIO | None, number: int) -> TextIO:
    return stream if stream is not None else os.fdopen(number, "w", encoding="utf-8", closefd=False)


def discard(number: int) -> None:
    """Let a standard stream lead nowhere, so that what is left in its buffer is no error at the very end."""
    handle = os.open(os.devnull, os.O_WRONLY)
    os.dup2(handle, number)
    os.close(handle)
