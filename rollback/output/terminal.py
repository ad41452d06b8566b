"""What a stream can show: how wide it is, which characters, and whether colour."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

_MARKS = "→●◆─…"  # a stream that cannot carry these gets plain ASCII
_FALLBACK = (80, 24)  # columns and lines of a terminal that does not say


class Style(str, Enum):
    """Colours that can be read on a light and on a dark ground: the terminal's own, by their meaning."""

    GOOD = "32"
    BAD = "31"
    CARE = "33"
    QUIET = "2"
    STRONG = "1"
    CHOSEN = "7"  # reversed


@dataclass(frozen=True)
class TerminalInfo:
    """What is known of a stream.

    Attributes:
        width: columns; None where nothing may be cut, as in a pipe or a file.
        unicode: whether it shows more than ASCII.
        colour: whether it shows colour.
        height: lines; only meaningful with a width.
        moves: whether what was written can be written over.
    """

    width: int | None = None
    unicode: bool = True
    colour: bool = False
    height: int = 24
    moves: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> TerminalInfo:
        """Look at a stream and at the variables that people set: `LANG` and its like, `NO_COLOR`, `TERM`."""
        unicode = _encodes(stream) and not _plain_locale(environ)
        if not stream.isatty():
            return cls(None, unicode)
        columns, lines = shutil.get_terminal_size(_FALLBACK)
        moves = environ.get("TERM", "") not in {"", "dumb"}
        colour = moves and not environ.get("NO_COLOR")  # https://no-color.org
        return cls(columns, unicode, colour, lines, moves)

    @property
    def arrow(self) -> str:
        """From old to new."""
        return "→" if self.unicode else "->"

    @property
    def released(self) -> str:
        """The mark of a release."""
        return "●" if self.unicode else "*"

    @property
    def deployed(self) -> str:
        """The mark of an image that an app got that day."""
        return "◆" if self.unicode else "#"

    @property
    def carried(self) -> str:
        """A stretch over which an image is carried."""
        return "─" if self.unicode else "-"

    @property
    def full(self) -> str:
        """The done part of a bar."""
        return "█" if self.unicode else "#"

    @property
    def empty(self) -> str:
        """The rest of a bar."""
        return "░" if self.unicode else "."

    @property
    def more(self) -> str:
        """The mark for text that is left out."""
        return "…" if self.unicode else "..."

    def paint(self, text: str, *inks: Style) -> str:
        """Colour a text, where there is colour."""
        if not self.colour or not inks or not text:
            return text
        return f"\x1b[{';'.join(ink.value for ink in inks)}m{text}\x1b[0m"

    def fit(self, text: str, width: int) -> str:
        """Shorten a text to a width, at its end."""
        if len(text) <= width:
            return text
        return text[: max(width - len(self.more), 0)] + self.more[: max(width, 0)]


def _encodes(stream: TextIO) -> bool:
    try:
        _MARKS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _plain_locale(environ: Mapping[str, str]) -> bool:
    """Whether the locale is C or POSIX, by name or because none is set.

    The stream's encoding is no evidence: Python writes UTF-8 in the C locale, and sets `LC_CTYPE=C.UTF-8` itself
    when it starts there (PEP 538, PEP 540), so that this value alone says nothing about the terminal.
    """
    if environ.get("PYTHONIOENCODING") or environ.get("PYTHONUTF8") == "1":
        return False
    chosen = environ.get("LC_ALL") or environ.get("LC_CTYPE") or ""
    if chosen in {"", "C.UTF-8"} and not environ.get("LC_ALL"):
        chosen = environ.get("LANG") or "C"
    return chosen in {"C", "POSIX"}
