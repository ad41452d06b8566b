"""Asking without credentials."""

from __future__ import annotations

from collections.abc import Mapping


class Anonymous:
    """Asks without credentials; a 401 is final."""

    def header(self, repo: str) -> str:
        """No header."""
        return ""

    def challenged(self, repo: str, sent: str, headers: Mapping[str, str]) -> bool:
        """There is nothing better to offer."""
        return False

    def admitted(self) -> None:
        """Nothing follows from it."""

    def redact(self, text: str) -> str:
        """There are no secrets."""
        return text
