"""How long a fault is tolerated: which requests are repeated, when, and for how long."""

from __future__ import annotations

import email.utils
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from rollback.registry.transport import ConnectionLost, RegistryResponse

_AGAIN = {408, 429, 500, 502, 503, 504}
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The work was called off while a request waited for its turn."""


@dataclass(frozen=True)
class Budget:
    """What a single question may cost before it counts as failed.

    Attributes:
        tries: how often it is sent at most. A request to slow down (429) does not count.
        wait_s: seconds that it may wait in all, between its tries.
        first_s: seconds before the second try; doubles with every further one, and varies by a half.
        longest_s: seconds between two tries at most, unless the server names a time.
    """

    tries: int = 5
    wait_s: float = 120.0
    first_s: float = 0.5
    longest_s: float = 30.0

    def most_s(self, answer_s: float) -> float:
        """Seconds that a question can take at most.

        Args:
            answer_s: seconds that each of its tries can take.
        """
        pauses = sum(min(self.first_s * 2.0**at, self.longest_s) * 1.25 for at in range(self.tries - 1))
        return self.tries * answer_s + min(pauses, self.wait_s)


class RetriesExhausted(Exception):
    """No good answer within the budget.

    Args:
        cause: what came instead, and how long it was tried.
        hint: one next step, if there is one.
    """

    def __init__(self, cause: str, hint: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.hint = hint


class Retrier:
    """Repeats requests. When a server wants us to slow down, all requests to that host wait, not the one alone."""

    def __init__(
        self,
        budget: Budget,
        stop: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Take a budget.

        Args:
            budget: of each question.
            stop: set by somebody else, it ends all waiting.
            clock: seconds, monotonic.
            sleep: waits so many seconds.
        """
        self._budget = budget
        self._stop = stop
        self._clock = clock
        self._sleep = sleep or stop.wait
        self._until: dict[str, float] = {}

    def send(self, host: str, send: Callable[[], RegistryResponse], repeated: Callable[[], None]) -> RegistryResponse:
        """Send until an answer comes that trying again would not change.

        Args:
            host: whose pause is kept.
            send: sends it once.
            repeated: called before each further try.

        Raises:
            GaveUp: none came within the budget.
            Stopped: the work was called off.
        """
        began = self._clock()
        waited, faults = 0.0, 0
        while True:
            self._keep_pause(host)
            requested: float | None = None
            slow_down, hint = False, ""
            try:
                answer = send()
                if answer.status not in _AGAIN:
                    return answer
                cause = f"{host} answered {answer.status} {_phrase(answer.status)}"
                requested = retry_after(answer.headers.get("Retry-After", ""))
                slow_down = answer.status == HTTPStatus.TOO_MANY_REQUESTS
            except ConnectionLost as error:
                cause, hint = str(error), error.hint
                if error.lasting:
                    raise RetriesExhausted(cause, hint) from error
            faults += 1
            pause = self._pause(faults) if requested is None else requested
            spent = self._clock() - began
            if pause > self._budget.wait_s - waited:
                pause_text = f" and wants us to wait {pause:.0f} s" if requested is not None else ""
                raise RetriesExhausted(f"{cause}{pause_text}; given up after {_times(faults)} in {spent:.0f} s", hint)
            if faults >= self._budget.tries and not slow_down:
                raise RetriesExhausted(f"{cause}; given up after {_times(faults)} in {spent:.0f} s", hint)
            waited += pause
            _log.info("%s; trying again in %.1f s", cause, pause)
            if slow_down or requested is not None:
                self._until[host] = max(self._until.get(host, 0.0), self._clock() + pause)
            else:
                self._wait(pause)
            repeated()

    def _keep_pause(self, host: str) -> None:
        while True:
            left = self._until.get(host, 0.0) - self._clock()
            if left <= 0:
                break
            self._wait(left)
        if self._stop.is_set():
            raise Stopped

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)
        if self._stop.is_set():
            raise Stopped

    def _pause(self, faults: int) -> float:
        full = min(self._budget.first_s * 2.0 ** (faults - 1), self._budget.longest_s)
        return full * random.uniform(0.75, 1.25)  # noqa: S311  (spreads the load, guards nothing)


def retry_after(text: str, now: float | None = None) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date, into seconds from now; None if there is none to read."""
    text = text.strip()
    if text.isdigit() and text.isascii():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    return max(0.0, moment.timestamp() - (time.time() if now is None else now))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _times(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"
