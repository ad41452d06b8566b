"""Things that go wrong between a client and its Marathon, on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from rollback.sandbox.http_messages import Request, Response, as_json
from rollback.sandbox.marathon.login import page

_TITLES = {403: "Forbidden", 502: "Bad Gateway", 504: "Gateway Time-out"}
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


class FaultKind(str, Enum):
    """What happens to a request."""

    DROP = "drop"  # it is carried out and the connection closes without an answer
    ANSWER = "answer"  # it is not carried out; an error is answered
    ANSWER_AFTER = "answer-after"  # it is carried out, and an error is answered all the same
    DELAY = "delay"  # it is carried out, late


@dataclass(frozen=True)
class Fault:
    """What happens to the next requests of a kind.

    Attributes:
        mishap: what happens.
        status: the error that is answered.
        seconds: how late, in real time.
        method: of the requests meant; empty for every write, `*` for all.
        path: how their path in Marathon begins, such as `/v2/apps`.
        times: how many of them.
        skip: how many pass unharmed before the first.
    """

    mishap: FaultKind
    status: int = 503
    seconds: float = 0.0
    method: str = ""
    path: str = "/"
    times: int = 1
    skip: int = 0

    def means(self, request: Request) -> bool:
        """Whether it is about requests of this kind."""
        fits = self.method == "*" or (request.method == self.method if self.method else request.method in _WRITES)
        return fits and request.path.startswith(self.path)


class Faults:
    """The faults that are to come, each used once for every request that it means."""

    def __init__(self) -> None:
        self._coming: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let it happen from now on."""
        with self._lock:
            self._coming.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._coming.clear()

    def apply(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """Answer a request, with what the first fault that means it does to it."""
        fault = self._take(request)
        if fault is None:
            return answer(request)
        if fault.mishap is FaultKind.ANSWER:
            return _error(fault.status)
        if fault.mishap is FaultKind.DELAY:
            time.sleep(fault.seconds)
            return answer(request)
        response = answer(request)
        return replace(response, dropped=True) if fault.mishap is FaultKind.DROP else _error(fault.status)

    def _take(self, request: Request) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._coming):
                if not fault.means(request):
                    continue
                if fault.skip:
                    self._coming[index] = replace(fault, skip=fault.skip - 1)
                    return None
                if fault.times > 1:
                    self._coming[index] = replace(fault, times=fault.times - 1)
                else:
                    del self._coming[index]
                return fault
        return None


def _error(status: int) -> Response:
    """The answer of whatever sends that status: Marathon, its servlet or the proxy."""
    if status == 409:
        message = (
            "App is locked by one or more deployments. Override with the option '?force=true'. "
            "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
        )
        return as_json(409, {"message": message, "deployments": [{"id": "5d8ff4b2-3c1e-4b57-9f0e-1f8a53c9b6aa"}]})
    if status == 503:
        return Response(503, b"503 Service Unavailable: cache is not ready", {"Content-Type": "text/plain"})
    if status in _TITLES:
        return page(status, _TITLES[status])
    return as_json(status, {"message": f"the sandbox was configured to answer {status}"})
