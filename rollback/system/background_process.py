"""Programs that run beside us for a while, and that end when we do, however we end."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from rollback.errors import ProgramMissing

_LINES_KEPT = 20  # of its output, for the case that it fails
_LINE_LIMIT = 2000  # characters of one line
_STOP_S = 2.0  # seconds between SIGTERM and SIGKILL

# Linux sends the signal when the *thread* that started the child ends; a fork cancels the request, an exec does not
# (prctl(2), PR_SET_PDEATHSIG). So the child requests it itself, just before it becomes the program. Its parent may
# have died before that, hence the comparison.
_TIED_TO_PARENT = """\
import os, signal, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class BackgroundProcess:
    """A program that runs until `stop`, or until we end; on Linux also when we are killed with SIGKILL.

    It gets no standard input and a session of its own, so that Ctrl-C at the terminal reaches us alone.

    Args:
        argv: the program's full path, as `process.find` returns it, and its arguments; never a secret.
        env: its whole environment.

    Raises:
        ProgramMissing: it cannot be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._output: queue.Queue[str | None] = queue.Queue(_LINES_KEPT)
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        started: queue.SimpleQueue[subprocess.Popen[str] | OSError] = queue.SimpleQueue()
        # The thread lives as long as the program: see _TIED_TO_PARENT.
        self._reader = threading.Thread(target=self._run, args=(list(argv), dict(env), started), daemon=True)
        self._reader.start()
        child = started.get()
        if isinstance(child, OSError):
            raise ProgramMissing(f"the program {argv[0]} cannot be started", why=child.strerror or str(child))
        self._child = child
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The newest lines that it wrote to standard output or standard error, the oldest first."""
        return tuple(self._last_lines)

    def wait_for_line(self, timeout_s: float) -> str | None:
        """Wait for its next line of output.

        Returns:
            The line; None if it ended, or wrote none within `timeout_s` seconds.
        """
        try:
            return self._output.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """End it; harmless when called twice."""
        atexit.unregister(self.stop)
        with contextlib.suppress(ProcessLookupError):
            self._child.terminate()
        try:
            self._child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._reader.join(_STOP_S)  # what it has started may still hold the pipe

    def _run(
        self, argv: list[str], env: dict[str, str], started: queue.SimpleQueue[subprocess.Popen[str] | OSError]
    ) -> None:
        if sys.platform == "linux" and sys.executable:
            argv = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid()), *argv]
        try:
            child = subprocess.Popen(  # noqa: S603 - a list, never a shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=env,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            started.put(error)
            return
        started.put(child)
        with contextlib.suppress(OSError, ValueError), child.stdout or contextlib.nullcontext() as output:
            while output and (line := output.readline(_LINE_LIMIT)):
                self._last_lines.append(line.rstrip("\n"))
                with contextlib.suppress(queue.Full):  # nobody waits for lines any more
                    self._output.put_nowait(line.rstrip("\n"))
        with contextlib.suppress(queue.Full):
            self._output.put_nowait(None)
        child.wait()
