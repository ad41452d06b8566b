"""Where the state of an environment is kept between runs: in the state folder, or on the target itself."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from rollback.errors import Failed, TargetError
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState
from rollback.state.known_addresses import Cluster
from rollback.system import files
from rollback.system.files import write_whole
from rollback.targets.capabilities import Markers

log = logging.getLogger(__name__)

_LABEL = "rollback-state"


class StateStore(Protocol):
    """Keeps one environment's state."""

    def load(self) -> EnvironmentState:
        """The state; an empty one if nothing was ever kept.

        Raises:
            Failed: it cannot be determined.
        """
        ...

    def exists(self) -> bool:
        """Whether anything was ever kept, even if the state is empty by now; never raises."""
        ...

    def change(self, how: Callable[[EnvironmentState], EnvironmentState]) -> None:
        """Replace the state by what `how` makes of it.

        Raises:
            Failed: it cannot be kept.
        """
        ...


def file_name(env: str, key: str) -> str:
    """A file name that is readable and that differs for every environment and key.

    Args:
        env: deployment name of the environment.
        key: the cluster's identity; for what version 0.1 kept, the target's name with its address.
    """
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", env).strip("-.")
    return f"{readable}-{hashlib.sha256(f'{env} {key}'.encode()).hexdigest()[:16]}"


class FolderStateStore:
    """A file of the state folder: known to this machine alone.

    Version 0.1 kept a file per address. What these hold counts, too, until the first change moves it into the
    cluster's own file.

    Args:
        folder: the state folder.
        env: deployment name of the environment.
        cluster: the cluster, with its addresses.
    """

    def __init__(self, folder: Path, env: str, cluster: Cluster) -> None:
        self._path, *self._former = (folder / f"{file_name(env, key)}.json" for key in cluster.keys)

    def load(self) -> EnvironmentState:
        """See `StateStore`."""
        return freeze.merged(state for state in map(_read, (self._path, *self._former)) if state)

    def exists(self) -> bool:
        """See `StateStore`."""
        return any(path.exists() for path in (self._path, *self._former))

    def change(self, how: Callable[[EnvironmentState], EnvironmentState]) -> None:
        """See `StateStore`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with ExitStack() as held:
                former = [path for path in self._former if path.exists()]
                # In one order, so that two of them never wait for each other; 0.1 waits at the file of its address.
                for path in sorted((self._path, *former)):
                    gate = files.open_regular(path.with_suffix(".gate"), os.O_RDWR | os.O_CREAT)
                    held.callback(os.close, gate)
                    fcntl.flock(gate, fcntl.LOCK_EX)
                write_whole(self._path, freeze.dumps(how(self.load())), mode=0o600)
                for path in former:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise Failed(
                f"the state {self._path} cannot be written",
                why=files.why(error),
                hint="make it writable, or choose another: XDG_STATE_HOME, or state_folder in the settings",
            ) from error


def of_unknown_addresses(folder: Path, env: str, keys: Iterable[str]) -> dict[Path, EnvironmentState]:
    """What version 0.1 kept of an environment under addresses that nobody has used since; it may be any cluster's.

    Args:
        folder: the state folder.
        env: deployment name of the environment.
        keys: every identity and address that is known.

    Raises:
        Failed: one of the files cannot be read.
    """
    known = {file_name(env, key) for key in keys}
    prefix = file_name(env, "").rpartition("-")[0]
    others = sorted(path for path in folder.glob(f"{prefix}-*.json") if path.stem not in known)
    # Names of environments may begin alike, `prod` and `prod-eu`: only a hash follows.
    own = (path for path in others if re.fullmatch(r"[0-9a-f]{16}", path.stem.removeprefix(f"{prefix}-")))
    return {path: state for path in own if (state := _read(path))}


def _read(path: Path) -> EnvironmentState | None:
    """The state in a file; None if there is no such file."""
    try:
        return freeze.loads(files.read_text(path, most=files.SMALL))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failed(
            f"the state {path} cannot be read",
            why=files.why(error) if isinstance(error, OSError) else str(error),
            hint="remove the file if nothing needs to stay frozen",
        ) from error


class TargetStateStore:
    """Labels of markers without instances: known to every machine that reaches the target.

    Labels of real services are never touched, since that restarts them. Where the markers differ, since somebody has
    used some of their places alone, whatever one of them holds against a deployment counts.

    Args:
        markers: the target.
        ids: of the markers; each is to have the whole state.
    """

    def __init__(self, markers: Markers, ids: Sequence[str]) -> None:
        self._markers = markers
        self._ids = ids

    def load(self) -> EnvironmentState:
        """See `StateStore`."""
        return _merged(self._read())

    def exists(self) -> bool:
        """See `StateStore`. What is kept on the target is whole: that there is no marker is an answer, too."""
        return True

    def change(self, how: Callable[[EnvironmentState], EnvironmentState]) -> None:
        """See `StateStore`; an empty state is no marker at all. Where one cannot be written, the others go back."""
        before = self._read()
        state = how(_merged(before))
        labels = None if state == EnvironmentState() else {_LABEL: freeze.dumps(state)}
        written: list[str] = []
        try:
            for marker in self._ids:
                self._write(marker, labels)
                written.append(marker)
        except TargetError:
            for marker in written:
                self._put_back(marker, before[marker])
            raise

    def _read(self) -> dict[str, Mapping[str, str] | None]:
        return {marker: self._markers.labels(marker) for marker in self._ids}

    def _write(self, marker: str, labels: Mapping[str, str] | None) -> None:
        if labels is None:
            self._markers.remove(marker, {})
        elif not self._markers.place(marker, labels):
            self._markers.relabel(marker, labels)

    def _put_back(self, marker: str, labels: Mapping[str, str] | None) -> None:
        try:
            self._write(marker, labels)
        except TargetError as error:
            log.warning("%s was changed and cannot be put back: %s", marker, error.why or error.what)


def _merged(found: Mapping[str, Mapping[str, str] | None]) -> EnvironmentState:
    """The state that the labels of all markers make together.

    Raises:
        Failed: those of one of them are no state.
    """
    states = []
    for marker, labels in found.items():
        if labels is None:
            continue
        try:
            states.append(freeze.loads(labels.get(_LABEL, "")))
        except ValueError as error:
            raise Failed(
                f"the state in the labels of {marker} cannot be read",
                why=str(error),
                hint="remove that marker if nothing needs to stay frozen",
            ) from error
    return freeze.merged(states)
