"""Writes changes to workloads, and tries them beforehand; knows what was read last and what this run has written."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollback.core.apps import Change, Deployment, Remark
from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.system.bounded_call import each
from rollback.targets.kubernetes import preflight, workloads, writing
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden, Invalid, NotFound, Unreachable
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.workloads import WorkloadId

_AT_A_TIME = 8  # requests


@dataclass(frozen=True)
class _Written:
    """A workload that this run has written.

    Attributes:
        captured: its pod template before that. It may hold secrets, so it is kept in memory alone.
        written: its pod template since then.
    """

    captured: Mapping[str, Any]
    written: Mapping[str, Any]


class Writer:
    """Writes changes to the workloads of one cluster. May be used from several threads.

    Args:
        api: how the cluster is reached.
        commands: what an operator types.
    """

    def __init__(self, api: KubernetesApi, commands: KubectlCommands) -> None:
        self._api, self._commands = api, commands
        self._lock = threading.Lock()
        self._entries: dict[str, JsonObject] = {}  # by app id, the workload as it was last read
        self._written: dict[str, _Written] = {}

    @property
    def known(self) -> frozenset[str]:
        """Ids of the apps that were read."""
        with self._lock:
            return frozenset(self._entries)

    def remember(self, entries: Mapping[str, JsonObject]) -> None:
        """Take into account how workloads were read, by app id."""
        with self._lock:
            self._entries.update(entries)

    def has_written(self, app_id: str) -> bool:
        """Whether this run has written an app, or may have."""
        with self._lock:
            return app_id in self._written

    def try_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """What forbids changes: one server-side dry run each.

        Raises:
            LoginRefused: the credentials are not accepted.
            TargetError: the API server cannot be reached.
        """
        unreachable: list[Unreachable] = []

        def look(change: Change) -> list[Remark]:
            entry, what = self.entry(change.app.id), f"the image of {change.app.id} could not be changed"
            found = list(preflight.remarks(change, entry, self._commands))
            if unreachable:  # the others would wait for it, too
                return found
            try:
                self._send(entry, change, self._own(change), what, dry_run=True)
            except LoginRefused:
                raise
            except Unreachable as error:
                unreachable.append(error)
            except TargetError as error:
                found.append(preflight.refused(change, error))
            return found

        remarks = tuple(one for found in each(look, changes, workers=_AT_A_TIME) for one in found)
        if unreachable:
            raise unreachable[0]
        return remarks

    def write(self, change: Change) -> Deployment:
        """Write a change: one request, and one more for a workload that was not read before.

        Raises:
            NoAnswer: sent, and no answer came; it may have been carried out.
            TargetError: refused, not reached, or somebody else has changed the workload; nothing was written.
        """
        identity = WorkloadId.parse(change.app.id)
        what = f"the image of {identity} cannot be changed"
        entry = self.entry(change.app.id)
        goes_forward = change.captured is None and change.image != change.app.image
        if goes_forward and workloads.version(entry) != change.app.version:
            raise self._changed_since(identity)
        before = self._own(change)
        with self._lock:
            captured = before.captured if before else workloads.template(entry)
            self._written[change.app.id] = _Written(captured, writing.with_image(workloads.template(entry), change))
        try:
            answer = self._send(entry, change, before, what)
        except NoAnswer:
            raise
        except TargetError:
            with self._lock:
                if before:
                    self._written[change.app.id] = before
                else:
                    del self._written[change.app.id]
            raise
        self.remember({change.app.id: answer})
        with self._lock:
            self._written[change.app.id] = _Written(captured, workloads.template(answer))
        mark = f"{identity}@{answer['metadata'].get('generation', '')}"
        return Deployment(mark, (change.app.id,), workloads.version(answer))

    def entry(self, app_id: str) -> JsonObject:
        """A workload as it was last read; one request for one that was not.

        Raises:
            TargetError: it cannot be read.
        """
        with self._lock:
            entry = self._entries.get(app_id)
        return entry or self._api.get(WorkloadId.parse(app_id).path, f"{app_id} cannot be read")

    def _own(self, change: Change) -> _Written | None:
        """What this run has written to the app of a change, or may have."""
        with self._lock:
            return self._written.get(change.app.id)

    def _send(
        self, entry: JsonObject, change: Change, own: _Written | None, what: str, *, dry_run: bool = False
    ) -> JsonObject:
        """Send the patch for a change, and return the workload as it is then.

        A refused patch has written nothing. It is sent once more where the workload has got its first annotations
        since it was read, or lost its last ones: a Deployment gets them from its controller a moment after it was
        created.

        Raises:
            TargetError: as for `write`.
        """
        identity = WorkloadId.parse(change.app.id)
        try:
            return self._api.patch(identity.path, self._patch(entry, change, own), what, dry_run=dry_run)
        except Invalid as error:
            now = self._read_again(identity, error)
            if workloads.version(now) != workloads.version(entry):
                raise self._changed_since(identity) from error
            if writing.has_annotations(now) == writing.has_annotations(entry):
                raise
        return self._api.patch(identity.path, self._patch(now, change, own), what, dry_run=dry_run)

    def _read_again(self, identity: WorkloadId, refused: Invalid) -> JsonObject:
        """A workload whose patch was refused; the server does not say whether one of its tests failed.

        Raises:
            NotFound, Forbidden, LoginRefused: it is not there any more, or not for this user.
            Invalid: the refusal, where the workload cannot be read.
        """
        try:
            return self._api.get(identity.path, refused.what)
        except (NotFound, LoginRefused, Forbidden):
            raise
        except TargetError:
            raise refused from None

    def _patch(self, entry: JsonObject, change: Change, own: _Written | None) -> list[dict[str, Any]]:
        """The patch for a change: what this run has written goes back to its whole captured pod template.

        Raises:
            TargetError: somebody else has changed what this run has written.
        """
        goes_back = change.captured is None and change.image in {change.app.image, change.app.restore_image}
        if own is None or not goes_back:
            return writing.image_patch(entry, change)
        if workloads.template(entry) not in (own.written, own.captured):  # the latter: the write was not carried out
            raise self._changed_since(WorkloadId.parse(change.app.id))
        return writing.restore_patch(entry, change, own.captured)

    def _changed_since(self, identity: WorkloadId) -> TargetError:
        return TargetError(
            f"{identity} was not changed",
            why="somebody else has changed its pod template meanwhile",
            hint=f"look at it, then plan again: {self._commands.show(str(identity))}",
        )
