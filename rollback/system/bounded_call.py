"""Waiting for something that may never answer, for a limited time and only as long as nobody wants to stop.

A time limit on a socket counts from byte to byte, so an answer that arrives slowly enough never exceeds it. Here the
whole call is limited: it goes on in a thread of its own, which is left behind when its time is up.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOOK_S = 0.05  # how often it is checked whether to stop


class _Call(Generic[Result]):
    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]


def bounded(
    function: Callable[[], Result],
    *,
    within_s: float,
    stopping: Callable[[], bool] = lambda: False,
    grace_s: float = 0.0,
) -> Result:
    """Call a function and return its result, or raise what it raises.

    Args:
        function: what may take long.
        within_s: seconds that it may take.
        stopping: whether somebody wants to stop; looked at often.
        grace_s: seconds that it may still take after that.

    Raises:
        TimeoutError: its time was up, or somebody wants to stop; what it does may still be done.
    """
    call = _Call(function)
    thread = threading.Thread(target=call.run, daemon=True)
    thread.start()
    end, stopped = time.monotonic() + within_s, False
    while thread.is_alive():
        if not stopped and stopping():
            stopped, end = True, min(end, time.monotonic() + grace_s)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("interrupted" if stopped else f"no complete answer within {within_s:g} s")
        thread.join(min(left, _LOOK_S))
    return call.result()


def each(function: Callable[[Item], Result], items: Iterable[Item], *, workers: int) -> list[Result]:
    """Call a function for every item, some at a time.

    A signal does not wait for calls that are under way, nor does the end of the program, as they do for threads of
    `concurrent.futures`.

    Args:
        function: may be called from several threads.
        items: what it is called with.
        workers: how many calls are under way at a time.

    Returns:
        The results, in the order of the items.

    Raises:
        Exception: what the first call in the order of the items raised that failed; the rest is dropped.
    """
    waiting = deque(enumerate(items))
    total = len(waiting)
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def work() -> None:
        while True:
            try:
                place, item = waiting.popleft()
            except IndexError:
                return
            try:
                results[place] = function(item)
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                errors[place] = error
                waiting.clear()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, total))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[place] for place in range(total)]
