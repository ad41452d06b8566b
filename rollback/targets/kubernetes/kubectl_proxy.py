"""`kubectl proxy` on a private unix socket: one start and one login for a whole run, a few milliseconds per request.

Whoever can open the socket has the user's rights, so it is in a folder that only this user can enter. The proxy ends
with us; where the system cannot see to that after a SIGKILL, the next start ends it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rollback.errors import Failed, ProgramMissing, TargetError
from rollback.system import process
from rollback.system.background_process import BackgroundProcess
from rollback.system.unix_http import NotSent
from rollback.targets.kubernetes.kubectl import Kubectl, words
from rollback.targets.kubernetes.kubectl_failures import raise_if_not_sent

log = logging.getLogger(__name__)

_PREFIX = "rollback-kubectl-"
_LONGEST_PATH = 103  # bytes of a socket's path: 104 with the final zero on macOS and the BSDs, 108 on Linux
_READY_S = 20.0  # kubectl needs 0.2 s
_WORDS_S = 0.2  # without another line: it has written all


class ProxyUnavailable(NotSent):
    """A proxy cannot be had on this machine; single commands can."""


@dataclass(frozen=True)
class Leftover:
    """A proxy whose owner has died.

    Attributes:
        folder: where its socket is.
        pid: its process; 0 if it has ended as well.
    """

    folder: Path
    pid: int


class KubectlProxy:
    """A running `kubectl proxy`.

    Args:
        kubectl: how it is called.

    Raises:
        ProxyUnavailable: there is no room for a socket, or kubectl cannot serve one.
        NotSent: kubectl refuses to start for another reason; `LoginFailed` if it has no credentials.
        TargetError: the program cannot be started.
    """

    def __init__(self, kubectl: Kubectl) -> None:
        end_leftovers()
        self._lock: IO[str] | None = None
        self._process: BackgroundProcess | None = None
        self._stopping = threading.Lock()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_runtime_folder()))  # mode 0700
        except OSError as error:
            raise ProxyUnavailable(error.strerror or str(error)) from error
        try:
            self._start(kubectl)
        except BaseException:
            self.stop()
            raise

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / "socket"

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """Its process id; 0 after `stop`."""
        return self._process.pid if self._process else 0

    def last_words(self) -> str:
        """What it, or a login program that it ran, has printed last."""
        if not self._process:
            return ""
        while self._process.wait_for_line(_WORDS_S) is not None:  # they may arrive after the answer they explain
            pass
        return words(" ".join(self._process.last_lines[-5:]))

    def stop(self) -> None:
        """End it and remove its folder; harmless when called twice."""
        with self._stopping:
            if self._process:
                self._process.stop()
                self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)
            if self._lock:
                self._lock.close()
                self._lock = None

    def _start(self, kubectl: Kubectl) -> None:
        self._lock = (self._folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the system when we die
        argv = kubectl.argv("proxy", f"--unix-socket={self.socket}")
        try:
            self._process = BackgroundProcess(argv, kubectl.env)
        except ProgramMissing as error:
            raise TargetError(error.what, why=error.why, hint="is this file kubectl?") from error
        (self._folder / "pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + _READY_S
        while (line := self._process.wait_for_line(deadline - time.monotonic())) is not None:
            if line.startswith("Starting to serve"):  # printed once it listens
                return
        said = self.last_words() or f"kubectl proxy was not ready after {_READY_S:g} s"
        if "unix" in said or "listen" in said:
            raise ProxyUnavailable(said)
        raise_if_not_sent(said)
        raise NotSent(said)


def leftovers() -> tuple[Leftover, ...]:
    """Proxies of this user whose owners have died."""
    return tuple(leftover for leftover, _ in _leftovers())


def end_leftovers() -> tuple[Leftover, ...]:
    """End them, and remove their folders; returns what there was."""
    ended = []
    for leftover, lock in _leftovers():
        if leftover.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(leftover.pid, signal.SIGKILL)
        shutil.rmtree(leftover.folder, ignore_errors=True)
        lock.close()
        log.info("ended what a killed run left behind: %s", leftover.folder)
        ended.append(leftover)
    return tuple(ended)


def _leftovers() -> Iterator[tuple[Leftover, IO[str]]]:
    """Each with its lock, which is held until the next one."""
    for base in _bases():
        for folder in sorted(base.glob(f"{_PREFIX}*")):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                    continue
                lock = stack.enter_context((folder / "lock").open("r+"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while the owner lives
                yield Leftover(folder, _pid_of(folder)), lock


def _pid_of(folder: Path) -> int:
    """The proxy's process; 0 if it has ended, or if its number belongs to another program by now."""
    try:
        pid = int((folder / "pid").read_text())
    except (OSError, ValueError):
        return 0
    return pid if str(folder / "socket") in _command_line(pid) else 0


def _command_line(pid: int) -> str:
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""
    try:
        return process.run(["ps", "-o", "command=", "-ww", "-p", str(pid)], timeout_s=10).stdout
    except Failed:
        return ""


def _bases() -> tuple[Path, ...]:
    """Where private folders may be made: the user's runtime folder, the temporary folder, and the shortest one."""
    named = [os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), tempfile.gettempdir(), "/tmp"]  # noqa: S108
    return tuple(dict.fromkeys(Path(name) for name in named))


def _runtime_folder() -> Path:
    """The first base in which a socket has room.

    Raises:
        ProxyUnavailable: there is none, or the system has no unix sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise ProxyUnavailable("this system has no unix sockets")
    for base in _bases():
        length = len(os.fsencode(base / f"{_PREFIX}12345678" / "socket"))
        if base.is_dir() and os.access(base, os.W_OK | os.X_OK) and length <= _LONGEST_PATH:
            return base
    raise ProxyUnavailable("no folder for a unix socket: set TMPDIR to one with a short path")
