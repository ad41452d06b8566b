"""What time it is in the sandbox: the system's, or one that a test moves by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

Clock = Callable[[], datetime]
"""Gives the present moment as an aware UTC datetime; never goes back."""


def system() -> datetime:
    """The system's time."""
    return datetime.now(timezone.utc)


class ManualClock:
    """A clock that does not move by itself.

    Args:
        now: its time at first, an aware datetime.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now

    def __call__(self) -> datetime:
        """The time it shows."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move it on by `seconds`."""
        self._now += timedelta(seconds=seconds)
