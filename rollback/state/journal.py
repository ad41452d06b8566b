"""Writes the record of a run: appended to, and durable line by line, so that a kill loses nothing that was done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rollback.core.apps import Change, Deployment
from rollback.core.rollout_status import RolloutStatus
from rollback.errors import RecordError
from rollback.state.record import FOLDER, SCHEMA, Captured, Header, app_json, number_of
from rollback.system.files import sync_folder

_CLAIM = ".number"
_CLAIMS_KEPT = 20


class Journal:
    """Writes the record of one run; every line is durable when its method returns."""

    def __init__(self, folder: Path, header: Header, captured: Sequence[Captured], stamp: Callable[[], str]) -> None:
        """Start the file.

        Args:
            folder: the dump folder; the file goes to `runs/` in it.
            header: what is known of the run.
            captured: every app of the plan, as it is before the run.
            stamp: returns the time, RFC 3339.

        Raises:
            RecordError: it cannot be written; nothing may be changed then.
        """
        self.path = folder / FOLDER / f"{header.run}.jsonl"
        self.began_writing = False  # whether anything may have been sent to the target
        self._stamp = stamp
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            header = replace(header, number=_claim_number(self.path.parent))
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._cannot(error) from error
        try:
            self._append("began", schema=SCHEMA, **{**vars(header), "steps": list(header.steps)})
            for before in captured:
                self._append("captured", ready=before.ready, back=before.back, **app_json(before.app))
            sync_folder(self.path.parent)
        except (RecordError, OSError) as error:
            self.close()
            with suppress(OSError):
                self.path.unlink()  # half a beginning says nothing, and nothing was changed
            raise error if isinstance(error, RecordError) else self._cannot(error) from error

    def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
        """About to be sent."""
        self.began_writing = self.began_writing or restoring  # which goes on without a record, too
        images = {change.app.id: change.image for change in changes}
        self._append("writing", images=images, restoring=restoring)
        self.began_writing = True

    def cancelling(self, deployment: Deployment) -> None:
        """About to be rolled back on the target."""
        self.began_writing = True
        self._append("cancelling", deployment=deployment.id, apps=list(deployment.apps))

    def stopping(self, deployment: Deployment) -> None:
        """About to be ended without a rollback."""
        self.began_writing = True
        self._append("stopping", deployment=deployment.id, apps=list(deployment.apps))

    def written(self, changes: Sequence[Change], deployment: Deployment | None, problem: str, *, taken: bool) -> None:
        """What came back."""
        apps = [change.app.id for change in changes]
        answer = deployment.id if deployment else ""
        self._append("written", apps=apps, deployment=answer, problem=problem, taken=taken)

    def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
        """An app's state changed."""
        self._append(
            "judged",
            app=watch.change.app.id,
            state=watch.state.value,
            detail=watch.detail,
            version=watch.version,
            restoring=restoring,
        )

    def ended(self, **outcome: Any) -> None:
        """The last line."""
        self._append("ended", **outcome)

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, event: str, **members: Any) -> None:
        # In ASCII: a message that its sender has cut within a character has no UTF-8 form.
        line = json.dumps({"event": event, "when": self._stamp(), **members}, default=dict) + "\n"
        data = line.encode()
        try:
            size = os.fstat(self._file).st_size
            try:
                rest = data
                while rest:
                    rest = rest[os.write(self._file, rest) :]
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, size)  # a line is whole or it is not there; later ones may still fit
                raise
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> RecordError:
        return RecordError(
            f"the record {self.path} cannot be written",
            why=error.strerror or str(error),
            hint="make room, or choose another folder with --dump",
        )


def _claim_number(runs: Path) -> int:
    """The next number in a folder of records, for this run alone: its claim is a file that nobody else can create.

    Older claims are removed, but not the newest ones: another run may be about to compare its number with them.

    Raises:
        OSError: the folder cannot be written.
    """
    there = list(runs.iterdir())  # unlike `glob` it does not take a folder that it may not list for an empty one
    claims = {path: int(path.suffix[1:]) for path in there if path.stem == _CLAIM and path.suffix[1:].isdigit()}
    records = (path for path in there if path.suffix == ".jsonl")
    number = max([0, *claims.values(), *map(number_of, records)])
    while True:
        number += 1
        try:
            os.close(os.open(runs / f"{_CLAIM}.{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            continue
        break
    for path, claimed in claims.items():
        if claimed <= number - _CLAIMS_KEPT:
            path.unlink(missing_ok=True)
    return number
