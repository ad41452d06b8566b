"""Which run an undo undoes, and what that run may have left on the target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from rollback.state.record import FOLDER, Record

_AS_BEFORE = frozenset({"restored", "not taken", "not reached", "same", "stays"})  # states in a report


@dataclass(frozen=True)
class UndoChoice:
    """The run that is undone, and newer ones that are not.

    Attributes:
        record: the run.
        passed_over: newer runs that changed nothing, or put back everything, newest first.
    """

    record: Record
    passed_over: tuple[Record, ...] = ()


def choose(records: Iterable[Record], folder: Path, env: str | None) -> UndoChoice:
    """The newest run that left something changed; where none did, the newest of all, so that it can be said of it.

    Args:
        records: the runs of a dump folder, newest first.
        folder: it, for errors.
        env: only runs of this environment; None for the only one that there is.

    Raises:
        BadInput: there is no such run, or there are runs of several environments and none is named.
    """
    wrote = [record for record in records if record.sent and env in {None, record.header.env}]
    environments = sorted({record.header.env for record in wrote})
    if len(environments) > 1:
        newest = {name: next(r for r in wrote if r.header.env == name).header.run for name in environments}
        raise BadInput(
            f"the runs in {folder / FOLDER} are of several environments",
            why="; ".join(f"{name}: newest {run}" for name, run in newest.items()),
            hint=f"name one with --env={environments[0]}, or a run with --run",
        )
    passed_over: list[Record] = []
    for record in wrote:
        if left_changed(record):
            return UndoChoice(record, tuple(passed_over))
        passed_over.append(record)
    if passed_over:
        return UndoChoice(passed_over[0], tuple(passed_over[1:]))
    raise BadInput(
        f"there is no run{f' of {env}' if env else ''} to undo in {folder / FOLDER}",
        hint="name the folder of its rollback.json with --dump; `rollback history` lists the runs",
    )


def left_changed(record: Record) -> frozenset[str]:
    """The apps that a run may have left in another state than before it.

    An announced write is not a change yet: the target may have refused it, or the run may have put it back. Where the
    run has no outcome, everything counts that was not refused and not seen back.
    """
    rows = {row.get("app"): row.get("state") for row in record.outcome.get("services", ())}
    if record.outcome:
        return frozenset(app_id for app_id in record.sent if rows.get(app_id) not in _AS_BEFORE)
    refused: set[str] = set()
    taken: set[str] = set()
    back: set[str] = set()
    for line in record.lines:
        event = line["event"]
        if event == "writing":
            back -= set(line["images"])
        elif event == "cancelling":
            taken.update(line["apps"])
            back -= set(line["apps"])
        elif event == "written":
            (refused if line.get("taken") is False else taken).update(line["apps"])
        elif event == "judged" and line["restoring"] and record.header.kind == "run" and line["state"] == "up":
            back.add(line["app"])
    return frozenset(record.sent) - (refused - taken) - back


def unanswered(record: Record, now: datetime, within_s: float) -> dict[str, float]:
    """Apps for which a write of this run may still arrive, and for how long, in seconds.

    Args:
        record: the run.
        now: the time.
        within_s: for so many seconds after it was announced a write without an answer may arrive.
    """
    announced: dict[str, str] = {}
    for line in record.lines:
        if line["event"] == "writing":
            announced.update(dict.fromkeys(line["images"], str(line["when"])))
        elif line["event"] == "cancelling":
            announced.update(dict.fromkeys(line["apps"], str(line["when"])))
        elif line["event"] == "written" and (line["deployment"] or line.get("taken") is False):
            for app_id in line["apps"]:
                announced.pop(app_id, None)
    left = {}
    for app_id, when in announced.items():
        try:
            age_s = (now - Instant.parse(when).time).total_seconds()
        except (BadInput, ValueError):
            age_s = 0.0  # in doubt it was just now
        if age_s < within_s:  # a negative age is a clock that was set back: it counts as just now
            left[app_id] = within_s - max(age_s, 0.0)
    return left
