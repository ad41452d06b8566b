"""The one door to other programs: no shell, both pipes drained, a time limit, and no secret in what is quoted."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollback.errors import ProgramMissing, ProgramTimeout
from rollback.secret import Secret

_GRACE_S = 2.0  # seconds between asking a program to end and ending it
_PATIENCE_S = 10.0  # seconds that a program may still take after Ctrl-C, so that a write is not cut in half


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

    Raises:
        ProgramMissing: it cannot be started.
        ProgramTimeout: its time was up.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 - a list, never a shell
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment() if env is None else dict(env),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramMissing(f"the program {argv[0]} cannot be started", why=error.strerror or str(error)) from error
    with child:
        try:
            stdout, stderr = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            stdout, stderr = _end(child)
            raise ProgramTimeout(
                f"{Path(argv[0]).name} had not finished after {timeout_s:g} s and was stopped",
                why=_redact(_said(stdout, stderr), secrets)[-500:],
            ) from error
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
                child.communicate(timeout=_PATIENCE_S)
            _end(child)
            raise
    return CompletedProgram(child.returncode, stdout, stderr, _redact(_said(stdout, stderr), secrets))


def _end(child: subprocess.Popen[str]) -> tuple[str, str]:
    """End a program and all that it started; what they had printed by then."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sign)  # the session's leader is also its group's
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            return child.communicate(timeout=_GRACE_S)
    return "", ""  # something left the session and still holds the pipe


def _said(stdout: str, stderr: str) -> str:
    return stderr.strip() or stdout.strip()


def _redact(text: str, secrets: Collection[Secret]) -> str:
    """The text with every secret replaced, longest first, since one may be part of another."""
    for plain in sorted((secret.reveal() for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(plain, "***")
    return text
