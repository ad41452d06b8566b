"""Programs that run beside us: what they print, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.errors import ProgramMissing
from rollback.system.background_process import BackgroundProcess

WAITS = "import time; print('ready', flush=True); time.sleep(1000)"


@pytest.fixture
def started() -> Iterator[list[BackgroundProcess]]:
    processes: list[BackgroundProcess] = []
    yield processes
    for one in processes:
        one.stop()


def start(code: str, started: list[BackgroundProcess]) -> BackgroundProcess:
    made = BackgroundProcess([sys.executable, "-c", code], dict(os.environ))
    started.append(made)
    return made


def wait_until_ended(pid: int) -> None:
    """Zombies count as ended: whoever inherits them collects them when it likes."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} still runs")


def test_its_lines_arrive_from_both_outputs(started: list[BackgroundProcess]) -> None:
    made = start("import sys; print('one', flush=True); print('two', file=sys.stderr)", started)

    assert [made.wait_for_line(60), made.wait_for_line(60), made.wait_for_line(60)] == ["one", "two", None]
    assert made.last_lines == ("one", "two")


def test_it_reads_nothing_from_our_standard_input(started: list[BackgroundProcess]) -> None:
    assert start("import sys; print(repr(sys.stdin.read()))", started).wait_for_line(60) == "''"


def test_it_runs_until_it_is_stopped(started: list[BackgroundProcess]) -> None:
    made = start(WAITS, started)
    assert made.wait_for_line(60) == "ready"
    assert made.running

    made.stop()
    made.stop()

    assert not made.running


def test_it_goes_on_when_the_thread_that_started_it_has_ended(started: list[BackgroundProcess]) -> None:
    thread = threading.Thread(target=start, args=(WAITS, started))
    thread.start()
    thread.join()

    assert started[0].wait_for_line(60) == "ready"
    assert started[0].wait_for_line(0.1) is None
    assert started[0].running


def test_a_program_that_does_not_stop_is_killed(
    started: list[BackgroundProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollback.system.background_process._STOP_S", 0.1)
    made = start(f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}", started)
    assert made.wait_for_line(60) == "ready"

    made.stop()

    wait_until_ended(made.pid)


def test_much_output_is_drained_and_its_end_is_kept(started: list[BackgroundProcess]) -> None:
    made = start("[print(n) for n in range(50000)]", started)

    wait_until_ended(made.pid)
    made.stop()

    assert made.last_lines[-1] == "49999"
    assert len(made.last_lines) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
def test_it_ends_when_we_are_killed(tmp_path: Path) -> None:
    script = f"""
import os, sys, time
from rollback.system.background_process import BackgroundProcess
made = BackgroundProcess([sys.executable, "-c", {WAITS!r}], dict(os.environ))
made.wait_for_line(60)
print(made.pid, flush=True)
time.sleep(1000)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)

    wait_until_ended(pid)


def test_a_program_that_ends_at_once_says_why(started: list[BackgroundProcess]) -> None:
    made = start("raise SystemExit('error: no such context')", started)

    assert made.wait_for_line(60) == "error: no such context"
    assert made.wait_for_line(60) is None


def test_a_program_that_cannot_be_started_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")  # without the detour over Python

    with pytest.raises(ProgramMissing, match="/missing/kubectl"):
        BackgroundProcess(["/missing/kubectl"], {})
