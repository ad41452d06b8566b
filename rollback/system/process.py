"""The one door to other programs: no shell, limits of time and output, and no secret in what is quoted."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from rollback.errors import ProgramMissing, ProgramStopped
from rollback.secret import Secret

LARGEST = 64 << 20  # bytes that a program may print; `dcos` lists a thousand apps in 5 MiB
_GRACE_S = 2.0  # seconds between SIGTERM and SIGKILL
# A signal has to be obeyed within a second: a write that is under way may still take the first part of it, so that it
# is not cut in half, and SIGTERM the second.
_LAST_WORDS_S = 0.5
_HURRY_S = 0.3
_LOOK_S = 0.05  # how often it is looked whether somebody wants to stop
_CHUNK = 1 << 16  # bytes; what a pipe holds on Linux


@dataclass(frozen=True)
class CompletedProgram:
    """How a program ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        stdout: what it printed, as it is: data, never to be shown.
        stderr: likewise.
        quote: what it has to say about a failure, fit to be shown: secrets are replaced by `***`.
    """

    code: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    quote: str

    @property
    def said(self) -> str:
        """What it has to say about a failure, as it is: stderr, or stdout where that is empty."""
        return _said(self.stdout, self.stderr)


def find(program: str, *, hint: str = "") -> str:
    """The full path of a program that is named by its path, or by its name on PATH.

    Raises:
        ProgramMissing: there is none, or it may not be run.
    """
    found = shutil.which(program)
    if found:
        return str(Path(found).absolute())
    where = "not a program that can be run" if os.sep in program else "not found on PATH"
    raise ProgramMissing(f"the program {program} is missing", why=f"{program}: {where}", hint=hint)


def environment(*, without: Collection[str] = (), **members: str) -> dict[str, str]:
    """Our environment for a child: without our own settings, which may hold secrets, and without `without`.

    Args:
        without: names that the child should not see.
        members: what it should see besides.
    """
    own = {name: text for name, text in os.environ.items() if not name.startswith("ROLLBACK_")}
    return {name: text for name, text in own.items() if name not in without} | members


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    secrets: Collection[Secret] = (),
    largest: int = LARGEST,
    stopping: Callable[[], bool] | None = None,
) -> CompletedProgram:
    """Run a program to its end.

    It gets a session of its own, so that Ctrl-C at the terminal reaches us and not a program that is in the
    middle of a write, and so that whatever it has started ends with it when its time is up.

    Args:
        argv: the program and its arguments.
        stdin: what it reads; it never sees our own standard input.
        env: its whole environment; None for `environment()`.
        timeout_s: seconds until it is ended.
        secrets: texts that go in by `env` or `stdin`, never by `argv`, and that no error quotes.
        largest: the number of bytes that it may print; more than that is neither kept nor read.
        stopping: whether somebody wants to stop; it is then ended within a second.

    Raises:
        ProgramMissing: it cannot be started.
        ProgramStopped: its time was up, it printed too much, or somebody wants to stop.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 - a list, never a shell
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() if env is None else dict(env),
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramMissing(f"the program {argv[0]} cannot be started", why=error.strerror or str(error)) from error
    pipes = _Pipes(child, stdin.encode("utf-8", "replace"), largest)
    name = Path(argv[0]).name
    try:
        end = time.monotonic() + timeout_s
        while not pipes.pump(min(end, time.monotonic() + _LOOK_S) if stopping else end):
            if pipes.too_much:
                raise ProgramStopped(f"{name} printed more than {_size(largest)} and was stopped")
            if time.monotonic() >= end:
                raise ProgramStopped(f"{name} had not finished after {timeout_s:g} s and was stopped")
            if stopping and stopping():
                pipes.pump(time.monotonic() + _LAST_WORDS_S)
                raise ProgramStopped(f"{name} was stopped", why="interrupted")
    except ProgramStopped as error:
        _end(child, pipes, _HURRY_S if error.why else _GRACE_S)
        said = redact(_said(*pipes.texts()), secrets)[-500:]
        raise ProgramStopped(error.what, why=error.why or said) from None
    except BaseException:
        with contextlib.suppress(KeyboardInterrupt):  # a second one does not leave the program behind
            pipes.pump(time.monotonic() + _LAST_WORDS_S)
        _end(child, pipes, _HURRY_S)
        raise
    finally:
        pipes.close()
    stdout, stderr = pipes.texts()
    return CompletedProgram(child.returncode, stdout, stderr, redact(_said(stdout, stderr), secrets))


def redact(text: str, secrets: Collection[Secret]) -> str:
    """The text with every secret replaced, longest first, since one may be part of another."""
    for plain in sorted((secret.reveal() for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(plain, "***")
    return text


class _Pipes:
    """The three pipes of a program, served together, with no more kept than may be printed."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, largest: int) -> None:
        self._child = child
        self._rest = memoryview(stdin)
        self._largest = largest
        self._printed: dict[object, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
        self._selector = selectors.DefaultSelector()
        self.too_much = False  # once it is, nothing more is kept
        for pipe, event in (
            (child.stdin, selectors.EVENT_WRITE),
            (child.stdout, selectors.EVENT_READ),
            (child.stderr, selectors.EVENT_READ),
        ):
            assert pipe  # noqa: S101 - all three were requested
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, event)

    def pump(self, until: float) -> bool:
        """Serve the pipes until all are closed and the program has ended.

        Args:
            until: when to return at the latest, in seconds of the monotonic clock.

        Returns:
            Whether it has ended; False, too, once it has printed more than it may.
        """
        while self._selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self._selector.select(left):
                self._serve(key.fileobj)  # type: ignore[arg-type]
            if not self.too_much and sum(map(len, self._printed.values())) > self._largest:
                self.too_much = True
                return False
        try:
            self._child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:  # it has closed its output and goes on
            return False
        return True

    def texts(self) -> tuple[str, str]:
        """What it has printed to standard output and to standard error."""
        out, err = (bytes(printed).decode("utf-8", "replace") for printed in self._printed.values())
        return _plain(out), _plain(err)

    def close(self) -> None:
        """Close our ends."""
        for key in tuple(self._selector.get_map().values()):
            self._done(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()

    def _serve(self, pipe: IO[bytes]) -> None:
        if pipe is self._child.stdin:
            try:
                self._rest = self._rest[os.write(pipe.fileno(), self._rest[:_CHUNK]) :] if self._rest else self._rest
            except BrokenPipeError:  # it does not read what it was given
                self._rest = self._rest[:0]
            if not self._rest:
                self._done(pipe)
            return
        chunk = os.read(pipe.fileno(), _CHUNK)
        if not self.too_much:
            self._printed[pipe] += chunk
        if not chunk:
            self._done(pipe)

    def _done(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        with contextlib.suppress(OSError):
            pipe.close()


def _end(child: subprocess.Popen[bytes], pipes: _Pipes, grace_s: float) -> None:
    """End a program and all that it started; its last words are kept."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sign)  # the session's leader is also its group's
        if pipes.pump(time.monotonic() + grace_s):
            return
    with contextlib.suppress(subprocess.TimeoutExpired):  # something has left the session and still holds a pipe
        child.wait(grace_s)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _size(number: int) -> str:
    return f"{number >> 20} MiB" if number >= 1 << 20 else f"{number} bytes"


def _said(stdout: str, stderr: str) -> str:
    return stderr.strip() or stdout.strip()
