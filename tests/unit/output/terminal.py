"""Streams that are a terminal, or are not."""

from __future__ import annotations

import io


class Stream(io.StringIO):
    """Takes text, and says what it is told to say about itself."""

    def __init__(self, *, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding
