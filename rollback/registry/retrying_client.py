"""Carries requests: patiently, counted, and with one error for everything that keeps an answer from coming."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from rollback.registry.address import origin
from rollback.registry.request_counts import RequestCounter, RequestCounts
from rollback.registry.retry import Budget, Retrier
from rollback.registry.transport import RegistryResponse, Transport
from rollback.registry.wait_reporter import WaitReporter
from rollback.system.network import READ_S


class RetryingClient:
    """Sends requests over a transport; requesting the same thing again never changes anything on the other side."""

    def __init__(self, transport: Transport, counter: RequestCounter, budget: Budget) -> None:
        self.stop = threading.Event()
        self._transport = transport
        self._counter = counter
        self._retrier = Retrier(budget, self.stop)
        self._most_s = budget.most_s(READ_S)
        self._deadline = float("inf")
        self._waiting = WaitReporter(self._left_s)

    def set_deadline(self, seconds: float) -> None:
        """Say by when the work has to be done, in seconds from now; for what is said while waiting."""
        self._deadline = time.monotonic() + seconds

    def _left_s(self) -> float:
        return max(0.0, min(self._most_s, self._deadline - time.monotonic()))

    def carry(
        self,
        counted_as: str,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: int,
        body: bytes | None = None,
    ) -> RegistryResponse:
        """Send a request until it is answered.

        Args:
            counted_as: a field of `RequestCounts`.
            method: GET, HEAD or POST.
            url: absolute.
            headers: as they go out.
            limit: bytes that the answer's body may have.
            body: what to post.

        Raises:
            GaveUp: no good answer within the budget.
            TooLarge: the answer is larger than `limit`.
            Stopped: the work was called off.
        """

        def send() -> RegistryResponse:
            self._counter.add(counted_as)
            return self._transport.send(method, url, headers, limit=limit, body=body)

        host = origin(url)[1]
        with self._waiting.waiting_for(host):
            return self._retrier.send(host, send, lambda: self._counter.add("repeats"))

    def once(self, url: str, *, limit: int) -> RegistryResponse:
        """GET a page once, without credentials and without a count.

        Raises:
            ConnectionLost: no usable answer.
            TooLarge: the answer is larger than `limit`.
        """
        with self._waiting.waiting_for(origin(url)[1]):
            return self._transport.send("GET", url, {}, limit=limit)

    def counted(self, name: str) -> None:
        """Count something that happened, a field of `RequestCounts`."""
        self._counter.add(name)

    def counts(self) -> RequestCounts:
        """The requests so far."""
        return self._counter.take()

    def close(self) -> None:
        """Close the connections."""
        self._waiting.close()
        self._transport.close()
