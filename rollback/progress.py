"""What happens meanwhile, to standard error: live on a terminal, plain time-stamped lines otherwise."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone
from typing import TextIO

from rollback.screens.words import short
from rollback.watch import State, Watch

_EVERY = 50  # a log gets a line for so many images, a terminal for each


class Progress:
    """Tells of events; never of results.

    Args:
        stream: where to.
        quiet: say nothing at all (warnings go through logging).
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._live = self._stream.isatty()
        self._open = False

    def say(self, text: str) -> None:
        """One line."""
        if self._quiet:
            return
        self._finish()
        self._stream.write(f"{'' if self._live else stamp() + ' '}{text}\n")
        self._stream.flush()

    def count(self, done: int, known: int) -> None:
        """So many images of those known so far have been dated."""
        if self._quiet:
            return
        if self._live:
            self._stream.write(f"\r\x1b[K{done} of {known} images")
            self._stream.flush()
            self._open = True
        elif done and (done % _EVERY == 0):
            self.say(f"{done} of {known} images")

    def look(self, watch: Watch) -> None:
        """An app's state or detail changed."""
        app = watch.change.app
        mark = {State.UP: "up", State.FAILED: "failed", State.WAITING: "waiting"}[watch.state]
        detail = f": {watch.detail}" if watch.detail else ""
        self.say(f"{app.id} {short(watch.change.image)} {mark}{detail}")

    def close(self) -> None:
        """Leave the cursor at the start of a line."""
        self._finish()

    def _finish(self) -> None:
        if self._open:
            self._stream.write("\r\x1b[K")
            self._open = False


def stamp() -> str:
    """The time of a log line, RFC 3339 in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(logging.Handler):
    """Brings the program's own log records to the same place."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        head = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        self._progress.say(f"{head}{record.getMessage()}")
