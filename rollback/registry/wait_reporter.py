"""Says what is being waited for, so that a registry that does not answer is not met with silence."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SILENCE_S = 1.0  # seconds without any answer before something is said
_AGAIN_S = 30.0  # seconds before it is said again
_log = logging.getLogger(__name__)


class WaitReporter:
    """Watches the requests of one client, from a thread of its own that starts with the first of them."""

    def __init__(
        self,
        left_s: Callable[[], float],
        *,
        silence_s: float = SILENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch nothing yet.

        Args:
            left_s: for how many more seconds a request can take at most, its repetitions included.
            silence_s: seconds without any answer before something is said.
            clock: seconds, monotonic.
        """
        self._left_s = left_s
        self._silence_s = silence_s
        self._clock = clock
        self._pending: dict[int, tuple[float, str]] = {}  # by thread: since when, and for which host
        self._answered = clock()
        self._said = float("-inf")
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting_for(self, host: str) -> Iterator[None]:
        """While this lasts, an answer of a host is awaited."""
        if self._thread is None:
            self._start()
        me = threading.get_ident()
        self._pending[me] = (self._clock(), host)
        try:
            yield
        finally:
            self._pending.pop(me, None)
            self._answered = self._clock()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def look(self) -> None:
        """Say what is waited for, if there has been no answer for long enough."""
        pending = self._pending.copy()
        if not pending:
            return
        now = self._clock()
        since, host = min(pending.values())
        if now - max(since, self._answered) >= self._silence_s and now - self._said >= _AGAIN_S:
            self._said = now
            _log.warning("waiting for %s, for up to %.0f s", host, self._left_s())

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="registry-wait-reporter", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._closed.wait(self._silence_s / 4):
            self.look()
