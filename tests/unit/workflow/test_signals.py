"""The wish to stop, whenever it comes."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A signal at each step of a sleeper in turn, whatever it is made of.
ANYWHERE = """
import signal, sys
from rollback.workflow.signals import stoppable

for moment in range(60):
    steps = 0

    def trace(frame, event, argument):
        global steps
        steps += 1
        if steps == moment:
            signal.raise_signal(signal.SIGINT)
        return trace

    with stoppable([]) as clock:
        sys.settrace(trace)
        clock.sleep(0.001)
        sys.settrace(None)
        assert clock.stopping() == (0 < moment <= steps), moment
print("never blocked")
"""
TWO = """
import os, signal, time
from rollback.workflow.signals import stoppable

with stoppable([]) as clock:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)  # handed on by a parent: the same wish
    clock.sleep(60)
    print("woken", clock.stopping(), flush=True)
    time.sleep(0.6)
    os.kill(os.getpid(), signal.SIGTERM)
    clock.sleep(60)
    print("never", flush=True)
"""
AFTER = """
import os, signal, threading
from rollback.workflow.signals import stoppable

with stoppable([]) as clock:
    os.kill(os.getpid(), signal.SIGTERM)
    slow = threading.Event()
    print(clock.call(lambda: slow.wait(0.9) or "put in order", 60), flush=True)
"""
LEFT = """
import os, signal
from types import SimpleNamespace
from rollback.workflow.signals import stoppable

written = SimpleNamespace(began_writing=%s)
lock = SimpleNamespace(left="the lock /m may be left")
with stoppable([lock], %s, "rollback history --run=r", "rollback undo --run=r") as clock:
    os.kill(os.getpid(), signal.SIGTERM)
    clock.signalled_at -= 1
    os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_at_whatever_moment_is_heard_and_blocks_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", ANYWHERE], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (0, "never blocked\n"), done.stderr


def test_the_first_signal_wakes_a_sleeper_and_the_second_one_ends_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (130, "woken True\n")
    assert done.stderr.count("no new write is started") == 1


def test_what_answers_is_still_put_in_order_after_a_signal() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (0, "put in order\n"), done.stderr  # and it took longer than a grace


@pytest.mark.parametrize(
    ("written", "journals", "said"),
    [
        (
            True,
            "[written]",
            "what was sent goes on at the target\n  next: rollback history --run=r, then rollback undo",
        ),
        (False, "[written]", "nothing was changed\n"),
        (False, "[]", "nothing was changed\n"),
    ],
)
def test_the_second_signal_tells_the_truth_and_names_what_is_left(written: bool, journals: str, said: str) -> None:
    code = LEFT % (written, journals)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 130
    assert said in done.stderr
    assert "the lock /m may be left" in done.stderr
    assert ("names this run: rollback undo --run=r" in done.stderr) is (journals != "[]" and not written)
