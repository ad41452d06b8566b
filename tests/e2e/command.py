"""The installed command in a process of its own, without a terminal or with one."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INSTALLED = str(Path(sys.executable).parent / "rollback")
_PATIENCE_S = 180.0
# Makes standard input the controlling terminal, so that Ctrl-C typed there is a signal, and becomes the command.
_ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True)
class Said:
    """How the command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Command:
    """The command, as a user calls it in a folder.

    Attributes:
        folder: where it is called.
        program: its words, up to the command's name.
        variables: environment variables besides the usual ones.
    """

    folder: Path
    program: Sequence[str] = (INSTALLED,)
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, stdin: str | None = None, **variables: str) -> Said:
        """Call it without a terminal, and wait for its end."""
        done = subprocess.run(
            [*self.program, *words],
            cwd=self.folder,
            env={**os.environ, **self.variables, **variables},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
            start_new_session=True,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def line(self, text: str, **variables: str) -> Said:
        """Call it by a line as a user types it, `rollback …`."""
        first, *words = text.split()
        assert first == "rollback"
        return self(*words, **variables)

    def start(self, *words: str, **streams: Any) -> subprocess.Popen[str]:
        """Start it, to be looked at while it runs."""
        return subprocess.Popen(
            [*self.program, *words],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            text=True,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )

    @contextlib.contextmanager
    def on_terminal(self, *words: str, columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
        """Call it on a terminal."""
        here, there = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, *self.program, *words],
            cwd=self.folder,
            env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": str(lines), **self.variables},
            stdin=there,
            stdout=there,
            stderr=there,
        )
        os.close(there)
        terminal = Terminal(process, here)
        try:
            yield terminal
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.close(here)


class Terminal:
    """A terminal with the command on it."""

    def __init__(self, process: subprocess.Popen[bytes], handle: int) -> None:
        self.process = process
        self._handle = handle
        self.shown = ""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def until(self, text: str) -> str:
        """Read until it shows a text."""
        end = time.monotonic() + _PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < end, f"it never showed {text!r}: {self.shown}"
            assert self._read(0.2) or self.process.poll() is None, f"it ended without {text!r}: {self.shown}"
        return self.shown

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._handle, text.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        end = time.monotonic() + _PATIENCE_S
        while self._read(0.2) or self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.shown}"
        return self.process.wait()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._handle], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._handle, 65_536)
        except OSError:  # the other side is closed
            return False
        self.shown += self._decode(data)  # a read may end within a character
        return bool(data)


def interrupt(process: subprocess.Popen[str]) -> None:
    """What Ctrl-C does."""
    os.kill(process.pid, signal.SIGINT)


def free_port() -> int:
    """A port on which nobody listens."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
