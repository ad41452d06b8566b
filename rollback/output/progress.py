"""What happens meanwhile, to standard error: live on a terminal, plain time-stamped lines otherwise."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO, cast

from rollback.core.plain_text import printable
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.output.status_lines import RunStatus
from rollback.output.terminal import Style, TerminalInfo
from rollback.output.text_format import duration, paragraph

if TYPE_CHECKING:
    from rollback.core.plan import Plan
    from rollback.output.live_display import Screen

_LOG_S = 10.0  # a log hears of counting so often
_SURE_S = 1.0  # before that nobody can say how long it will take
_BAR = 24  # characters


class _TolerantStream:
    """A stream whose reader may leave at any moment: a run must not break off half-way because nobody looks."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Progress:
    """Tells of events; never of results.

    Args:
        stream: where to.
        quiet: say nothing at all (warnings go through logging).
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = cast("TextIO", _TolerantStream(stream or sys.stderr))
        self._quiet = quiet
        self._now = now
        self._surface = TerminalInfo.of(self._stream)
        self._live = self._surface.moves
        self._open = False
        self._counting_since: float | None = None
        self._told_at = 0.0
        self._board = RunStatus(now)
        self._screen: Screen | None = None
        self._lock = threading.RLock()

    def doing(self, text: str) -> None:
        """What is done just now, on a terminal alone; the next line takes its place."""
        with self._lock:
            if self._live and not self._quiet and not self._screen:
                self._stream.write(f"\r\x1b[K{printable(text)}")
                self._stream.flush()
                self._open = True

    def say(self, text: str, head: str = "") -> None:
        """One line, whatever a server or a program has put into it.

        Args:
            text: what happened.
            head: what comes before it; on a terminal, a text that has one is broken between words.
        """
        if self._quiet:
            return
        lines = paragraph(head, text, self._surface) if head and self._live else [printable(f"{head}{text}")]
        for line in lines:
            self._say_line(line)

    def _say_line(self, text: str) -> None:
        with self._lock:
            if self._screen:
                self._screen.say(text)
                return
            self._finish()
            self._stream.write(f"{'' if self._live else stamp() + ' '}{text}\n")
            self._stream.flush()

    def count(self, done: int, known: int) -> None:
        """So many images of those known so far have been dated."""
        if self._quiet:
            return
        with self._lock:
            now = self._now()
            if self._counting_since is None:
                self._counting_since = self._told_at = now
            rest = self._remaining(done, known, now - self._counting_since)
            if self._live:
                self._stream.write(f"\r\x1b[K{self._bar(done, known)}{rest}")
                self._stream.flush()
                self._open = True
            elif now - self._told_at >= _LOG_S:
                self._told_at = now
                self.say(f"{done} of {known} images{rest}")

    def _remaining(self, done: int, known: int, elapsed: float) -> str:
        if not done or done >= known or elapsed < _SURE_S:
            return ""
        return f", about {duration(max(elapsed / done * (known - done), 1.0))} left"

    def _bar(self, done: int, known: int) -> str:
        part = round(_BAR * done / known) if known else 0
        surface = self._surface
        bar = surface.paint(surface.full * part, Style.GOOD) + surface.paint(
            surface.empty * (_BAR - part), Style.QUIET
        )
        return f"{bar} {done} of {known} images"

    def begin(self, plan: Plan) -> None:
        """A plan is about to be carried out: from now on there is a line for each of its services."""
        if self._quiet or not plan.changes:
            return
        with self._lock:
            self._finish()
            self._board = RunStatus(self._now, plan)
            if self._live:
                from rollback.output.live_display import Screen  # with rich, which is slow to import

                self._screen = Screen(self._board, self._stream)

    def look(self, watch: RolloutStatus) -> None:
        """An app's state or detail changed."""
        if self._quiet:
            return
        with self._lock:
            if self._screen:
                failed = watch.state is RolloutState.FAILED and not self._board.knows(watch)
                line = self._board.take(watch)
                if failed:  # in the live part there is hardly room for why
                    self._screen.say(f"{line.service} failed: {line.detail}")
                self._screen.refresh()
            else:
                self.say(self._board.text_of(watch, self._surface))

    def close(self) -> None:
        """Leave the cursor at the start of a line."""
        with self._lock:
            if self._screen:
                self._screen.stop()
                self._screen = None
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
        with suppress(OSError):  # where nobody reads any more, there is nothing to show
            self._progress.say(record.getMessage(), head)
