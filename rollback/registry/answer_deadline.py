"""Cuts off answers that take too long as a whole.

The timeout of a socket counts from byte to byte, so a server that sends one of them now and then, of its headers or
its body, could keep a request for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

ANSWER_S = 120.0  # seconds for a whole answer, however steadily it drips


class AnswerOverdue(Exception):
    """An answer was not whole in time.

    Args:
        answer_s: seconds that it had.
    """

    def __init__(self, answer_s: float) -> None:
        super().__init__(f"not finished within {answer_s:g} s")
        self.answer_s = answer_s


class _Exchange:
    """A request and its answer: until when, over which connection, and whether it was cut off."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.connection: Any = None
        self.sockets: list[Any] = []
        self.cut = False


class AnswerDeadline:
    """Watches the requests in flight, from a thread of its own that starts with the first of them."""

    def __init__(self, answer_s: float = ANSWER_S) -> None:
        """Watch nothing yet.

        Args:
            answer_s: seconds for a whole answer, the connection included.
        """
        self._answer_s = answer_s
        self._running: dict[int, _Exchange] = {}  # by thread
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def limited(self) -> Iterator[None]:
        """While this lasts, the calling thread's connection is cut off once the answer is overdue.

        Raises:
            AnswerOverdue: it was; whatever came of the answer is not whole.
        """
        if self._thread is None:
            self._start()
        me = threading.get_ident()
        exchange = self._running[me] = _Exchange(time.monotonic() + self._answer_s)
        try:
            yield
        except Exception as error:
            if exchange.cut:
                raise AnswerOverdue(self._answer_s) from error
            raise
        finally:
            self._running.pop(me, None)
        if exchange.cut:  # the end of a connection can look like the end of the headers
            raise AnswerOverdue(self._answer_s)

    def use(self, connection: Any) -> None:
        """Name the connection (of `http.client`) that the calling thread is about to use."""
        exchange = self._running.get(threading.get_ident())
        if exchange:
            exchange.connection = connection
            if connection.sock is not None:  # the connection lets go of it once the headers are read
                exchange.sockets.append(connection.sock)

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="registry-answer-deadline", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._closed.wait(min(1.0, self._answer_s / 4)):
            now = time.monotonic()
            for exchange in self._running.copy().values():
                if now > exchange.until:
                    exchange.cut = True
                    for used in (*exchange.sockets, exchange.connection and exchange.connection.sock):
                        _shut(used)


def _shut(used: Any) -> None:
    """End both directions of a socket, so that whoever reads from it wakes up."""
    inner = getattr(used, "socket", used)  # TLS within TLS, through an https proxy
    if isinstance(inner, socket.socket):
        with suppress(OSError):
            socket.socket.shutdown(inner, socket.SHUT_RDWR)
