"""Threads over a growing queue."""

from __future__ import annotations

import threading
import time

import pytest

from rollback.registry.cache_protocol import SingleFlight
from rollback.registry.worker_pool import Done, Job, work


def counted(number: int) -> Job[int]:
    """A job that brings its number, and the job with the next lower one."""
    return lambda: Done((number,), [counted(number - 1)] if number else [])


def test_jobs_that_follow_from_jobs_are_done_too() -> None:
    found: list[int] = []

    work([counted(3), counted(5)], workers=3, stop=threading.Event(), report=found.append)

    assert sorted(found) == sorted([3, 2, 1, 0, 5, 4, 3, 2, 1, 0])


def test_no_jobs_end_at_once() -> None:
    found: list[int] = []

    work([], workers=2, stop=threading.Event(), report=found.append)

    assert found == []


def test_jobs_are_done_at_the_same_time_but_never_more_than_hands() -> None:
    gate = threading.Barrier(4, timeout=10)

    def together() -> Done[int]:
        return Done((gate.wait(),))

    found: list[int] = []
    work([together] * 8, workers=4, stop=threading.Event(), report=found.append)

    assert sorted(found) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_the_first_failure_ends_the_work_and_drops_the_rest() -> None:
    done: list[int] = []
    stop = threading.Event()

    def fail() -> Done[int]:
        raise ValueError("this one")

    def late() -> Done[int]:
        done.append(1)
        return Done()

    with pytest.raises(ValueError, match="this one"):
        work([fail, *[late] * 100], workers=1, stop=stop, report=done.append)

    assert stop.is_set()
    assert done == []


def test_a_value_is_found_out_once_for_all_who_want_it() -> None:
    once: SingleFlight[int] = SingleFlight()
    begun, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def find() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(10)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(once.get("key", find))) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert (found, calls) == ([7] * 5, [1])


def test_a_failure_to_find_out_is_not_remembered() -> None:
    once: SingleFlight[int] = SingleFlight()

    def fail() -> int:
        raise KeyError("first")

    with pytest.raises(KeyError):
        once.get("key", fail)

    assert once.get("key", lambda: 1) == 1


def test_what_is_not_done_in_time_is_left_behind() -> None:
    never, stop = threading.Event(), threading.Event()

    def stuck() -> Done[int]:
        never.wait()
        return Done((1,))

    with pytest.raises(TimeoutError):
        work([stuck], workers=2, stop=stop, report=print, until=time.monotonic() + 0.05)

    assert stop.is_set()
    never.set()
