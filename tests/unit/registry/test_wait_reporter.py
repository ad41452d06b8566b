"""What is said while a registry does not answer."""

from __future__ import annotations

import threading

import pytest

from rollback.registry.wait_reporter import WaitReporter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(clock: Clock) -> WaitReporter:
    made = WaitReporter(lambda: 42.4, clock=clock)
    made.close()  # the tests look themselves
    return made


def test_after_a_second_of_silence_the_host_is_named(
    reporter: WaitReporter, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with reporter.waiting_for("registry.example.com"):
        clock.now += 0.9
        reporter.look()
        before = caplog.text
        clock.now += 0.2
        reporter.look()

    assert before == ""
    assert [record.getMessage() for record in caplog.records] == ["waiting for registry.example.com, for up to 42 s"]


def test_answers_to_others_are_no_silence(
    reporter: WaitReporter, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def other() -> None:
        with reporter.waiting_for("registry.example.com"):
            pass

    with reporter.waiting_for("registry.example.com"):
        for _ in range(5):
            clock.now += 0.9
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            reporter.look()

    assert caplog.records == []


def test_a_long_silence_is_said_again_but_not_at_every_look(
    reporter: WaitReporter, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with reporter.waiting_for("registry.example.com"):
        for _ in range(130):
            clock.now += 0.25
            reporter.look()

    assert len(caplog.records) == 2


def test_nothing_is_said_where_nothing_is_asked(
    reporter: WaitReporter, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with reporter.waiting_for("registry.example.com"):
        pass
    clock.now += 10
    reporter.look()

    assert caplog.records == []
