"""A call that may never end is waited for in limited time, and only until somebody wants to stop."""

from __future__ import annotations

import threading

import pytest

from rollback.system.bounded_call import bounded


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
