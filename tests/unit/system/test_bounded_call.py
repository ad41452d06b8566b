"""A call that may never end is waited for in limited time, and only until somebody wants to stop."""

from __future__ import annotations

import signal
import threading

import pytest

from rollback.system.bounded_call import bounded, each


def test_a_result_and_an_error_come_through() -> None:
    def fail() -> None:
        raise KeyError("x")

    assert bounded(lambda: 7, within_s=5) == 7
    with pytest.raises(KeyError):
        bounded(fail, within_s=5)


def test_what_never_ends_is_left_behind() -> None:
    never = threading.Event()

    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        bounded(never.wait, within_s=0.01)
    never.set()


def test_a_wish_to_stop_ends_the_waiting() -> None:
    never = threading.Event()

    with pytest.raises(TimeoutError, match="interrupted"):
        bounded(never.wait, within_s=60, stopping=lambda: True)
    never.set()


def test_an_answer_that_comes_in_the_grace_after_the_wish_counts() -> None:
    assert bounded(lambda: threading.Event().wait(0.01), within_s=60, stopping=lambda: True, grace_s=30) is False


def test_each_keeps_the_order_whoever_is_done_first() -> None:
    barrier = threading.Barrier(3)

    def double(number: int) -> int:
        barrier.wait(10)
        return number * 2

    assert each(double, [3, 1, 2], workers=3) == [6, 2, 4]
    assert each(double, [], workers=3) == []


def test_each_raises_what_the_first_call_raised_and_begins_no_more() -> None:
    begun = []

    def fail(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="7"):
        each(fail, [7, 8, 9], workers=1)

    assert begun == [7]


def test_a_signal_does_not_wait_for_calls_under_way() -> None:
    over = threading.Event()
    here = threading.get_ident()

    def interrupt(item: int) -> bool:
        if item == 1:
            signal.pthread_kill(here, signal.SIGINT)
        return over.wait(60)

    with pytest.raises(KeyboardInterrupt):
        each(interrupt, [1, 2], workers=2)

    assert not over.is_set()
    over.set()
