"""One run per environment and cluster at a time.

On one machine the operating system's own file lock is the truth, so that a killed holder's lock is free at once and
the file's content only says who holds it. Between machines, a marker on the target is (`shared_state: target`).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rollback.core import json_text
from rollback.core.plain_text import sanitize
from rollback.core.timestamps import with_local
from rollback.errors import Failed, NoAnswer, Reason, Refused, TargetError
from rollback.state.state_store import file_name
from rollback.system import files
from rollback.targets.capabilities import Markers

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0  # how often it is checked whether the marker is still ours


class Lock(Protocol):
    """A lock that is held."""

    def lost(self) -> bool:
        """Whether somebody else has claimed it on purpose."""
        ...

    def release(self) -> str:
        """Give it back; harmless when it is lost.

        Returns:
            What stays behind, as `left`, and why; empty if nothing does.
        """
        ...

    @property
    def left(self) -> str:
        """What stays behind if the program ends before it is given back, in a sentence; empty if nothing does."""
        ...


class FileLock:
    """Held on this machine.

    Args:
        folder: the state folder.
        env: deployment name of the environment.
        key: the cluster's identity, or one of its addresses, at which version 0.1 looks.
        holder: what others see: run, by, host, pid, since, link.
        steal: take it although somebody else holds it.

    Raises:
        Refused: somebody else holds it.
        Failed: the state folder cannot be used.
    """

    def __init__(self, folder: Path, env: str, key: str, holder: Mapping[str, str], *, steal: bool = False) -> None:
        self._path = folder / f"{file_name(env, key)}.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if steal:
                self._path.unlink(missing_ok=True)  # the other one keeps a file that has no name any more
            self._handle = files.open_regular(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise Failed(
                f"the lock {self._path} cannot be made",
                why=error.strerror or str(error),
                hint="make it writable, or choose another: XDG_STATE_HOME, or state_folder in the settings",
            ) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(dict(holder)).encode(), 0)
        except BlockingIOError:
            holder_text = os.pread(self._handle, 4096, 0).decode(errors="replace")
            os.close(self._handle)
            raise Refused([_taken(env, _holder(holder_text))]) from None
        except OSError as error:
            os.close(self._handle)
            raise Failed(
                f"the lock {self._path} cannot be made",
                why=error.strerror or str(error),
                hint="make it writable, or choose another: XDG_STATE_HOME, or state_folder in the settings",
            ) from error

    def lost(self) -> bool:
        """See `Lock`."""
        try:
            return self._path.stat().st_ino != os.fstat(self._handle).st_ino
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def release(self) -> str:
        """See `Lock`."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        return ""

    @property
    def left(self) -> str:
        """See `Lock`: the operating system frees it."""
        return ""


class MarkerLock:
    """Held for every machine that reaches the target, once it is claimed.

    It is held only as long as every one of its markers is ours.

    Args:
        markers: the target.
        ids: of the markers, in the order in which every run claims them.
        env: deployment name of the environment.
        holder: as for `FileLock`; with `host` and `pid`.
        steal: take it although somebody else holds it.
    """

    def __init__(
        self, markers: Markers, ids: Sequence[str], env: str, holder: Mapping[str, str], *, steal: bool = False
    ) -> None:
        self._markers, self._ids, self._env, self._holder, self._steal = markers, ids, env, holder, steal
        self._labels = {key: value for key, value in holder.items() if value}
        self._looked, self._lost = time.monotonic(), False
        self._held: set[str] = set()
        self._unanswered: set[str] = set()  # may be made, or may still be made by a request that is under way

    def claim(self) -> None:
        """Make every marker. What is made until this fails, `release` removes.

        Whoever waits for this no longer gives the lock back all the same.

        Raises:
            Refused: somebody else holds it, or one of its markers.
            TargetError: the target cannot be queried.
        """
        self._unanswered = set(self._ids)
        for marker in self._ids:
            try:
                other = self._claim(marker)
            except NoAnswer:
                self._unanswered = {marker}
                raise
            except TargetError:
                self._unanswered = set()
                raise
            if other is not None:
                self._unanswered = set()
                raise Refused([_taken(self._env, other)])
            self._held.add(marker)
        self._unanswered = set()

    def _claim(self, marker: str) -> Mapping[str, str] | None:
        """Make one marker.

        Returns:
            The labels of the one that is in the way; None if ours is made.
        """
        if self._markers.place(marker, self._labels):
            return None
        other = self._markers.labels(marker) or {}
        if not self._steal and not _is_dead(other, self._holder["host"]):
            return other
        log.warning("taking over the lock %s of %s", marker, other.get("run", "an unknown run"))
        self._markers.remove(marker, other)
        return None if self._markers.place(marker, self._labels) else self._markers.labels(marker) or {}

    def lost(self) -> bool:
        """See `Lock`. At most one look per marker every five seconds."""
        if not self._lost and time.monotonic() - self._looked >= _LOOK_EVERY_S:
            self._looked = time.monotonic()
            self._lost = any(self._is_lost(marker) for marker in sorted(self._held))
        return self._lost

    def _is_lost(self, marker: str) -> bool:
        """Whether a marker is no longer ours; not if the target does not say it."""
        try:
            return (self._markers.labels(marker) or {}).get("run") != self._holder["run"]
        except TargetError:
            return False

    def release(self) -> str:
        """See `Lock`: removes the markers that are ours. A claim without an answer may still arrive after it."""
        reasons = []
        for marker in self._left():
            try:
                removed = self._markers.remove(marker, {"run": self._holder["run"]})
            except TargetError as error:
                reasons.append(error.why or error.what)
                continue
            self._held.discard(marker)
            if removed:
                self._unanswered.discard(marker)
        return f"{self.left} ({'; '.join(dict.fromkeys(reasons))})" if reasons else self.left

    @property
    def left(self) -> str:
        """See `Lock`."""
        if not self._left():
            return ""
        return (
            f"the lock {', '.join(self._left())} may be left on the target; the next run on this machine takes it "
            "over, one on another machine needs --steal-lock"
        )

    def _left(self) -> tuple[str, ...]:
        return tuple(marker for marker in self._ids if marker in self._held | self._unanswered)


def _is_dead(other: Mapping[str, str], host: str) -> bool:
    """Whether the holder was a process of this machine that is gone."""
    if other.get("host") != host or not other.get("pid", "").isdigit():
        return False
    try:
        os.kill(int(other["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _holder(text: str) -> Mapping[str, str]:
    try:
        return {str(key): str(value) for key, value in json_text.loads(text).items()}
    except (ValueError, AttributeError):
        return {}


def _taken(env: str, other: Mapping[str, str]) -> Reason:
    shown = {**other, **({"since": with_local(other["since"])} if "since" in other else {})}
    holder_text = ", ".join(f"{sanitize(key)} {sanitize(value, 200)}" for key, value in shown.items() if value)
    return Reason(
        f"{env} is being rolled back by somebody else at this moment",
        why=holder_text or "it does not say who",
        hint="wait until that run ends; if nobody is there any more, --steal-lock",
    )
