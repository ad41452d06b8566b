"""A text that never shows itself."""

from __future__ import annotations


class Secret:
    """Wraps a password, token or webhook address when it is read; `reveal()` at the call that needs it.

    Its text form is `***`, so that it cannot reach a log, an error or a repr by accident. Empty is false.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***" if self._text else "(none)"

    def __getstate__(self) -> object:
        raise TypeError("a secret is not stored")
