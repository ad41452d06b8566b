"""One run per environment and target at a time, on this machine.

The operating system's own file lock is the truth, so that a killed holder's lock is free at once; the file's
content only tells who holds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rollback.errors import Failed, Reason, Refused


@contextmanager
def held(folder: Path, env: str, target: str, holder: Mapping[str, str]) -> Iterator[None]:
    """Hold the lock for as long as the block runs.

    Args:
        folder: the state folder.
        env: deployment name of the environment.
        target: the target's name with its address.
        holder: what others are told: run, by, host, pid, since, link.

    Raises:
        Refused: somebody else holds it.
        Failed: the state folder cannot be used.
    """
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", env).strip("-")
    path = folder / f"{readable}-{hashlib.sha256(f'{env} {target}'.encode()).hexdigest()[:16]}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(
            f"the lock {path} cannot be made",
            why=error.strerror or str(error),
            hint="make the folder writable, or set XDG_STATE_HOME to another one",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused([_taken(env, os.pread(handle, 4096, 0))]) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(dict(holder)).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _taken(env: str, content: bytes) -> Reason:
    try:
        told = ", ".join(f"{key} {value}" for key, value in json.loads(content).items() if value)
    except (ValueError, AttributeError):
        told = "it does not say who"
    return Reason(
        f"{env} is being rolled back by somebody else at this moment",
        why=told,
        hint="wait until that run ends; `rollback history` shows what it did",
    )
