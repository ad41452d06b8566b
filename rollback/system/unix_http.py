"""HTTP over a unix socket, with a deadline for the whole answer and a limit for its size."""

from __future__ import annotations

import http.client
import queue
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 16  # bytes
_IDLE_CONNECTIONS = 16


class NotSent(Exception):
    """Nothing of the request was sent: there is no server at the socket."""


class AnswerLost(Exception):
    """The request was sent, or a part of it, and no whole answer came in time."""


class AnswerTooLarge(Exception):
    """The answer is larger than the limit."""


@dataclass(frozen=True)
class HttpAnswer:
    """An answer, whatever its status.

    Attributes:
        status: the HTTP status code.
        headers: by their names in lower case.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class UnixHttpClient:
    """Sends requests to one unix socket; may be used from several threads.

    Args:
        path: of the socket.
        limit: bytes of a body.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue(_IDLE_CONNECTIONS)

    def send(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> HttpAnswer:
        """Send a request and read the whole answer.

        Only a GET uses a connection again: the server may have closed it, and only a GET can be repeated.

        Args:
            method: `GET`, `POST`, …
            target: path and query.
            body: of the request.
            headers: of the request.
            timeout_s: seconds until the last byte of the answer.

        Raises:
            NotSent: nothing was sent.
            AnswerLost: sent, and the answer did not come.
            AnswerTooLarge: the answer is larger than the limit.
        """
        deadline = time.monotonic() + timeout_s
        if method == "GET":
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                pass
            else:
                try:
                    return self._exchange(connection, method, target, body, headers, deadline)
                except AnswerLost:
                    if time.monotonic() >= deadline:
                        raise
        connection = _Connection(self._path)
        try:
            connection.connect_before(deadline)
        except OSError as error:
            connection.close()
            raise NotSent(error.strerror or str(error)) from error
        return self._exchange(connection, method, target, body, headers, deadline)

    def close(self) -> None:
        """Close idle connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _exchange(
        self,
        connection: _Connection,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> HttpAnswer:
        reusable = False
        try:
            connection.limit_time(deadline)
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
            parts, size = [], 0
            while True:
                connection.limit_time(deadline)
                part = response.read1(_CHUNK)
                if not part:
                    break
                size += len(part)
                if size > self._limit:
                    raise AnswerTooLarge(f"more than {self._limit >> 20} MiB")
                parts.append(part)
            if response.length:  # read1 does not complain about a body that was cut short
                raise AnswerLost("the answer was cut short")
            response.close()
            reusable = not response.will_close
            names = {name.lower(): value for name, value in response.getheaders()}
            return HttpAnswer(response.status, names, b"".join(parts))
        except TimeoutError as error:
            raise AnswerLost("no whole answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise AnswerLost(str(error) or type(error).__name__) from error
        finally:
            self._give_back(connection, reusable=reusable)

    def _give_back(self, connection: _Connection, *, reusable: bool) -> None:
        if reusable:
            try:
                self._idle.put_nowait(connection)
            except queue.Full:
                reusable = False
        if not reusable:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to a unix socket; the host `localhost` is what `kubectl proxy` and others accept by default."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path
        # Ours, too, because http.client drops its own after the headers of an answer that closes the connection.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect_before(self, deadline: float) -> None:
        """Connect, in the time that is left until `deadline`."""
        self.limit_time(deadline)
        self._socket.connect(str(self._path))
        self.sock = self._socket

    def close(self) -> None:
        """Close the socket, whether it was connected or not."""
        super().close()
        self._socket.close()

    def limit_time(self, deadline: float) -> None:
        """Let the next operation take no longer than until `deadline`.

        Raises:
            TimeoutError: it has passed.
        """
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
