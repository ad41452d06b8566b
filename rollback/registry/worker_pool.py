"""A few threads that work off a queue of jobs, which grows while they work."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Result = TypeVar("Result")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Done(Generic[Result]):
    """What a job brought: results, and jobs that follow from it."""

    results: tuple[Result, ...] = ()
    more: list[Callable[[], Done[Result]]] = field(default_factory=list)


Job = Callable[[], Done[Result]]


def work(
    jobs: Iterable[Job[Result]],
    *,
    workers: int,
    stop: threading.Event,
    report: Callable[[Result], None],
    until: float = float("inf"),
) -> None:
    """Work off the jobs and all that follow from them.

    Args:
        jobs: the first ones.
        workers: how many threads.
        stop: set when the work ends early, so that a job which waits gives up.
        report: receives each result, in the caller's thread, in the order of arrival.
        until: when it has to be done, in seconds of the monotonic clock.

    Raises:
        TimeoutError: it was not done by then; jobs that still run are left behind.
        Exception: what the first job raised that failed; the others are dropped.
    """
    waiting: queue.SimpleQueue[Job[Result] | None] = queue.SimpleQueue()
    finished: queue.SimpleQueue[Done[Result] | BaseException] = queue.SimpleQueue()

    def hand() -> None:
        while (job := waiting.get()) is not None and not stop.is_set():
            try:
                finished.put(job())
            except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
                finished.put(error)
                stop.set()

    # Daemons, since Ctrl-C must not wait for a registry that does not answer.
    threads = [threading.Thread(target=hand, name=f"registry-{number}", daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    left = 0
    try:
        for job in jobs:
            waiting.put(job)
            left += 1
        while left:
            done = _next(finished, until)
            left -= 1
            if isinstance(done, BaseException):
                raise done
            for job in done.more:
                waiting.put(job)
            left += len(done.more)
            for result in done.results:
                report(result)
    except BaseException:
        stop.set()
        _drain(waiting)
        raise
    finally:
        for _thread in threads:
            waiting.put(None)
        for thread in threads:
            thread.join(timeout=0.0 if stop.is_set() else 5.0)


def _next(finished: queue.SimpleQueue[Value], until: float) -> Value:
    try:
        return finished.get(timeout=min(max(0.0, until - time.monotonic()), threading.TIMEOUT_MAX))
    except queue.Empty:
        raise TimeoutError from None


def _drain(jobs: queue.SimpleQueue[Job[Result] | None]) -> None:
    while True:
        try:
            jobs.get_nowait()
        except queue.Empty:
            return
