"""The durable file of a run: who, why, before, after, outcome. `undo` and `history` read it.

One file of JSON lines per run, only ever appended to; each line is on disk before the write that it announces is
sent, so that after a kill at any moment the file names everything that may have been changed.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rollback.core import json_text
from rollback.core.apps import App
from rollback.core.command_lines import CommandLines
from rollback.core.preflight import OwnDeployment
from rollback.errors import BadInput
from rollback.state import record_format
from rollback.system import files as file_system

log = logging.getLogger(__name__)

SCHEMA = 1
FOLDER = "runs"
_NOT_RECORDED = frozenset({"owners", "unmanaged"})  # what an undo reads from the target as it is then
_NEWEST = 3  # runs that an error names
_RECENT = 20  # runs; an older one's deployment is not what holds an app today


@dataclass(frozen=True)
class Header:
    """What is known of a run before its first write.

    Attributes:
        run: its id.
        kind: `run` or `undo`.
        env: deployment name of the environment.
        target: the target's name, with its address.
        identity: of the cluster, whatever its address; empty in a record of version 0.1.
        as_of: the requested date or time; for an undo, the run that it undoes.
        by: who.
        reason: why; may be empty.
        incident: what it belongs to; may be empty.
        link: where it was started, e.g. a build's page; may be empty.
        place: host and process id.
        at: RFC 3339 time of its start.
        on_failure: the policy.
        steps: one JSON object per service: service, repo, action, match, app, before, after.
        number: its place among the runs of its dump folder, from 1 on; 0 in a record of version 0.1. Clocks are set
            back, so the times of runs say nothing about their order.
    """

    run: str
    kind: str
    env: str
    target: str
    as_of: str
    by: str
    at: str
    on_failure: str
    reason: str = ""
    incident: str = ""
    link: str = ""
    place: str = ""
    steps: tuple[Mapping[str, Any], ...] = ()
    number: int = 0
    identity: str = ""

    @property
    def title(self) -> str:
        """What the run is, in a few words."""
        return f"run of {self.env} to {self.as_of}" if self.kind == "run" else f"undo of {self.as_of}"


@dataclass(frozen=True)
class Captured:
    """An app as it was before the run.

    Attributes:
        app: as it was.
        ready: whether it was up.
        back: for an undo, the definition to which it was to go back; None if it was to keep its own.
    """

    app: App
    ready: bool
    back: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Record:
    """A run as its file describes it.

    Attributes:
        header: what was known before the first write.
        captured: by app id, what ran before.
        sent: by app id, the images that were sent to it or were about to be, answered or not. Apps that are not
            here were not touched.
        deployments: ids of the deployments that the run is known to have begun.
        returning: those among them that put back what the run had changed.
        unsure: apps that deployments of this run may hold whose ids it never learned.
        outcome: the closing line; empty if the run was killed, or still goes on.
        lines: every line of the file, in order.
        path: the file.
    """

    header: Header
    captured: Mapping[str, Captured]
    sent: Mapping[str, frozenset[str]]
    deployments: frozenset[str]
    outcome: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...]
    path: Path
    unsure: frozenset[str] = frozenset()
    returning: frozenset[str] = frozenset()


def new_run(now: datetime, env: str) -> str:
    """An id for a run that sorts by time and names the environment: `20261122-040512-prod-1a2b`."""
    name = re.sub(r"[^A-Za-z0-9_.]", "_", env)
    return f"{now.astimezone(timezone.utc):%Y%m%d-%H%M%S}-{name}-{secrets.token_hex(2)}"


def read(path: Path) -> Record:
    """Read one run's file.

    A last line that was cut by a kill is left out: what it announced was not sent.

    Raises:
        BadInput: the file cannot be read, or is not a record.
    """
    try:
        text = file_system.read_text(path, errors="replace")
    except OSError as error:
        raise BadInput(
            f"the record {path} cannot be read",
            why=file_system.why(error),
            hint="move it away, or name another run with --run; `rollback history` lists them",
        ) from error
    whole = text.split("\n")[:-1]
    lines: list[Mapping[str, Any]] = []
    try:
        for number, line in enumerate(whole, 1):
            try:
                lines.append(json_text.loads(line))
            except ValueError:
                if number < len(whole) or number == 1:
                    raise
                continue
            record_format.check(lines[-1])
        return _assemble(lines, path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise BadInput(
            f"{path} is not the record of a run",
            why=f"line {len(lines) + 1}: {error}",
            hint="name another run with --run; `rollback history` lists them",
        ) from error


def _assemble(lines: Sequence[Mapping[str, Any]], path: Path) -> Record:
    first = lines[0]
    if first["event"] != "began" or first["schema"] != SCHEMA:
        raise ValueError(f"it does not begin a record of schema {SCHEMA}")
    header = Header(**record_format.members(Header, first))
    captured: dict[str, Captured] = {}
    sent: dict[str, frozenset[str]] = {}
    deployments: set[str] = set()
    unsure: set[str] = set()
    returning: set[str] = set()
    back: set[str] = set()  # apps whose newest write, or rolled back deployment, was on the way back
    outcome: Mapping[str, Any] = {}
    reachable = {
        step["app"]: {str(step[name]) for name in ("before", "after") if step.get(name)}
        for step in header.steps
        if step.get("app")
    }
    for line in lines[1:]:
        if line["event"] == "captured":
            app = App(**record_format.members(App, line))
            captured[app.id] = Captured(app, line["ready"], line.get("back"))
        elif line["event"] == "writing":
            for app_id, image in line["images"].items():
                sent[app_id] = sent.get(app_id, frozenset()) | {image}
            unsure.update(line["images"])
            back = back | set(line["images"]) if line["restoring"] else back - set(line["images"])
        elif line["event"] == "cancelling":
            # A run rolls its own deployment back, to what was before; an undo that of the run before it.
            for app_id in line["apps"]:
                sent[app_id] = sent.get(app_id, frozenset()) | reachable.get(app_id, set())
            unsure.update(line["apps"])
            back.update(line["apps"])
        elif line["event"] == "written" and line["deployment"]:
            deployments.add(line["deployment"])
            if back.issuperset(line["apps"]):
                returning.add(line["deployment"])
            unsure.difference_update(line["apps"])
        elif line["event"] == "ended":
            outcome = line
    if not sent.keys() <= captured.keys():
        raise ValueError(f"it names a write to {min(sent.keys() - captured.keys())}, which it has not captured")
    return Record(
        header,
        captured,
        sent,
        frozenset(deployments),
        outcome,
        tuple(lines),
        path,
        frozenset(unsure),
        frozenset(returning),
    )


def app_json(app: App) -> dict[str, Any]:
    """The members of a `captured` line that are the app's own."""
    members = {name: value for name, value in vars(app).items() if name not in _NOT_RECORDED}
    return {**members, "containers": [vars(container) for container in app.containers]}


def files(folder: Path) -> tuple[Path, ...]:
    """The records in a dump folder, newest first; without those that were cut off in their first line.

    A run that ended before its first line was written has touched nothing.

    Raises:
        BadInput: the folder of the records cannot be read.
    """
    try:
        found = [path for path in (folder / FOLDER).iterdir() if path.name.endswith(".jsonl")]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BadInput(
            f"the records in {folder / FOLDER} cannot be read",
            why=file_system.why(error),
            hint="give this user the right to read the folder, or name another one with --dump",
        ) from error
    return tuple(path for path in sorted(found, key=_age, reverse=True) if _begun(path))


def _age(path: Path) -> tuple[int, str, int]:
    """A sort key: the number; for those without one the second in the name, and then the time of the last line."""
    try:
        return number_of(path), path.name[: len("20261122-040512")], path.stat().st_mtime_ns
    except OSError:
        return 0, path.name, 0


def number_of(path: Path) -> int:
    """The number of a run by its file; 0 for a file that has none or cannot be read."""
    try:
        number = json_text.loads(_first_line(path)).get("number", 0)
    except (OSError, ValueError, AttributeError, RecursionError):
        return 0
    return number if isinstance(number, int) and number > 0 else 0


def _first_line(path: Path) -> bytes:
    with os.fdopen(file_system.open_regular(path), "rb") as file:
        return file.readline(file_system.LARGE)


def _begun(path: Path) -> bool:
    try:
        first = _first_line(path)
        return first.endswith(b"\n") or len(first) == file_system.LARGE
    except OSError:
        return True  # reading it explains why it cannot be read


def readable(folder: Path) -> Iterator[Record]:
    """The records of a dump folder, newest first; one that cannot be read is named in a warning and passed over.

    Raises:
        BadInput: the folder of the records cannot be read.
    """
    for path in files(folder):
        try:
            yield read(path)
        except BadInput as error:
            log.warning("%s is passed over: %s", path, error.why)


def begun(folder: Path, commands: CommandLines) -> dict[str, OwnDeployment]:
    """By id, the deployments that the newest runs of a dump folder are known to have begun.

    Args:
        folder: it.
        commands: writes the command that undoes such a run.
    """
    found: dict[str, OwnDeployment] = {}
    recent: tuple[Path, ...] = ()
    with suppress(BadInput):  # a hint is not worth a refusal
        recent = files(folder)[:_RECENT]
    for path in recent:
        with suppress(BadInput):
            past = read(path)
            for identity in past.deployments:
                run = past.header.run
                own = OwnDeployment(run, identity in past.returning, commands.undo(run))
                found.setdefault(identity, own)
    return found


def find(folder: Path, run: str) -> Record:
    """The record of one run.

    Args:
        folder: the dump folder.
        run: its id.

    Raises:
        BadInput: there is none.
    """
    found = files(folder)
    for path in found:
        if path.stem == run:
            return read(path)
    more = f" and {len(found) - _NEWEST} older ones" if len(found) > _NEWEST else ""
    raise BadInput(
        f"there is no record of the run {run!r:.80} in {folder / FOLDER}",
        why=f"it has {', '.join(path.stem for path in found[:_NEWEST])}{more}" if found else "no runs yet",
        hint="`rollback history` lists the runs; --dump names the folder",
    )
