"""The target `marathon`: Marathon's HTTP API, directly or behind DC/OS. One write carries the whole fleet."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rollback.core.apps import App, Change, Deployment, OperatorCommands, Remark, Status
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import AppLocked, NoAnswer, TargetError
from rollback.targets.base import UNREADABLE, Check, Target, TargetKind, TargetOptions
from rollback.targets.capabilities import Unmanaged
from rollback.targets.marathon import app_ids, drift, pods, response_errors, serialization
from rollback.targets.marathon import placeholder_app as mark
from rollback.targets.marathon.api import MarathonClient
from rollback.targets.marathon.configurations import Configurations
from rollback.targets.marathon.image_versions import ImageVersions
from rollback.targets.marathon.operator_commands import HttpCommands

# Members that an app comes without unless they are requested; deployments and counts always come.
_EMBEDDED = ("apps.tasks", "apps.deployments", "apps.counts", "apps.lastTaskFailure", "apps.readiness")

_AT_ONCE = 8  # requests for versions at a time


KIND = TargetKind(
    settings={"url": str, "ca_bundle": str, "insecure": bool, "token_file": str},
    app_id=app_ids.DEFAULT,
    example=app_ids.EXAMPLE,
    variables={"url": "ROLLBACK_MARATHON_URL"},
    check=app_ids.mistakes,
    questions={"url": "Address of Marathon, or of the DC/OS cluster"},
)


def connect(options: TargetOptions) -> Target:
    """Make the target; sends no request yet.

    Settings: `url` (of Marathon or of DC/OS), `ca_bundle` (a file), `insecure` (true: certificates are not
    verified), `token_file` (a file with a token, instead of a user).

    Raises:
        BadInput: there is no usable `url`.
    """
    return Marathon(options)


class Marathon:
    """A `Target` over HTTP."""

    has_deployments = True
    batch = 0  # all changes in one deployment: one lock, the order of the dependencies, one undo

    def __init__(self, options: TargetOptions) -> None:
        self._api = MarathonClient(options)
        self._configurations = Configurations()
        self._versions = ImageVersions(self._version_list, self._version, _AT_ONCE)
        self._ids: tuple[str, ...] = ()  # of all apps, as they were read last

    @property
    def name(self) -> str:
        """The kind and the address."""
        return _name(self._api.url)

    @property
    def addresses(self) -> tuple[str, ...]:
        """See `Target`: an address without a path is completed by the login."""
        return tuple(dict.fromkeys((_name(self._api.given_url), _name(self._api.url))))

    @property
    def operator(self) -> OperatorCommands:
        """See `Target`."""
        return HttpCommands(self._api.url)

    def identity(self) -> str:
        """See `Target`. No request after the login."""
        return app_ids.identity(self._api.info)

    def diagnose(self) -> Iterator[Check]:
        """See `Target`. One request."""
        yield self._api.reach()

    def login(self) -> None:
        """See `Target`. Costs one or two requests, and one more for an address without a path."""
        self._api.login()

    def apps(self, env: str) -> tuple[App, ...]:  # noqa: ARG002
        """See `Target`. One request."""
        response = self._api.read("/v2/apps", "the apps cannot be read")
        entries = _list(response_errors.parse(response), "apps")
        for entry in entries:
            self._configurations.note(entry)
        self._versions.note(entries)
        found = tuple(serialization.app(entry) for entry in entries)
        self._ids = tuple(app.id for app in found)
        return found

    def unmanaged(self) -> Unmanaged:
        """See `UnmanagedApps`: pods. One request; Marathon before 1.4 has none."""
        try:
            listed = response_errors.parse(self._api.read("/v2/pods", "the pods cannot be read"))
            return pods.unmanaged(_list(listed, ""))
        except response_errors.NotThere:
            return Unmanaged()
        except TargetError as error:
            return pods.unknown(error)

    def deployments(self) -> tuple[Deployment, ...]:
        """See `Target`. One request."""
        response = self._api.read("/v2/deployments", "the deployments cannot be read")
        return tuple(serialization.deployment(entry) for entry in _list(response_errors.parse(response), ""))

    def update(self, changes: Sequence[Change]) -> Deployment:
        """See `Target`. One request: PATCH knows no creation, and a bulk is accepted whole or not at all."""
        body = [serialization.update(change) for change in changes]
        ids = tuple(change.app.id for change in changes)
        response = self._api.write("PATCH", "/v2/apps", f"the update of {', '.join(ids)} failed", body)
        return _accepted(response, ids)

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        """See `Target`. At most two requests for all apps, and one for each version of tasks not seen before."""
        if not ids:
            return {}
        wanted = set(ids)
        # The filter is a substring's, so it only makes the answer smaller; which apps count is decided here.
        common = posixpath.commonpath(sorted(wanted))
        params = [("embed", member) for member in _EMBEDDED] + ([("id", common)] if len(common) > 1 else [])
        response = self._api.read("/v2/apps", "the state of the apps cannot be read", params)
        entries = [entry for entry in _list(response_errors.parse(response), "apps") if entry.get("id") in wanted]
        seen = [self._status(entry) for entry in entries]
        if any(one.started < one.instances for one in seen):
            queue = _list(
                response_errors.parse(self._api.read("/v2/queue", "the launch queue cannot be read")), "queue"
            )
            seen = [self._status(entry, queue) for entry in entries]
        return {one.id: one for one in seen}

    def _status(self, entry: Mapping[str, Any], queue: Sequence[Mapping[str, Any]] = ()) -> Status:
        """Judge one app; what other versions of its tasks hold is looked up once."""
        self._configurations.note(entry)
        for version in self._configurations.unknown(entry):
            self._configurations.learn(str(entry["id"]), version, self._version(str(entry["id"]), version))
        return self._configurations.status(entry, queue)

    def cancel(self, deployment: Deployment) -> Deployment | None:
        """See `Target`. One request; without `force`, so Marathon makes a deployment that brings the apps back."""
        try:
            response = self._api.write(
                "DELETE", f"/v2/deployments/{deployment.id}", f"deployment {deployment.id} cannot be cancelled"
            )
        except response_errors.NotThere:
            return None
        return _accepted(response, deployment.apps)

    def stop(self, deployment: Deployment) -> None:
        """See `Target`. One request; `force` means here to stop acting and to leave the apps as they are."""
        path = f"/v2/deployments/{deployment.id}?force=true"
        with suppress(response_errors.NotThere):
            self._api.write("DELETE", path, f"deployment {deployment.id} cannot be ended")

    def marker_ids(self, name: str, env: str) -> tuple[str, ...]:
        """See `Markers`. No request if the apps were read before."""
        if not self._ids:
            self.apps(env)
        return (mark.beside(name, env, self._ids),)

    def check_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """See `ChangeChecks`. One request; that a write would be refused Marathon says only when it is sent."""
        tasks = self._tasks([change.app.id for change in changes])
        remarks = (serialization.lost_instances(app_id, its) for app_id, its in tasks.items())
        return tuple(one for one in remarks if one)

    def oldest_starts(self, ids: Collection[str]) -> Mapping[str, Instant]:
        """See `InstanceTimes`. One request."""
        starts = {app_id: serialization.oldest_start(tasks) for app_id, tasks in self._tasks(ids).items()}
        return {app_id: start for app_id, start in starts.items() if start}

    def _tasks(self, ids: Collection[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """By app id, the tasks of the apps that are there. One request."""
        what = "the tasks of the apps cannot be read"
        response = self._api.read("/v2/apps", what, [("embed", "apps.tasks")])
        entries = [entry for entry in _list(response_errors.parse(response), "apps") if entry.get("id") in ids]
        return {str(entry["id"]): entry.get("tasks") or () for entry in entries}

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`. One request."""
        try:
            self._api.write("POST", "/v2/apps", f"the marker {marker} cannot be made", mark.body(marker, labels))
        except AppLocked as error:
            if mark.is_taken(error):
                return False
            raise
        return True

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`. One request."""
        try:
            response = self._api.read(f"/v2/apps/{marker.strip('/')}", f"the marker {marker} cannot be read")
        except response_errors.NotThere:
            return None
        answer = response_errors.parse(response)
        return mark.labels_of(answer.get("app") or {}) if isinstance(answer, dict) else {}

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`. One request."""
        path, what = f"/v2/apps/{marker.strip('/')}", f"the marker {marker} cannot be changed"
        self._api.write("PATCH", path, what, {"labels": dict(labels)})

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        """See `Markers`. One request, and one before it for the labels: Marathon has no conditional DELETE."""
        if only_if and not mark.has(self.labels(marker), only_if):
            return False
        try:
            self._api.write("DELETE", f"/v2/apps/{marker.strip('/')}", f"the marker {marker} cannot be removed")
        except response_errors.NotThere:
            return False
        return True

    def drift(self, app_id: str, until: Instant) -> tuple[str, ...]:
        """See `Remembering`. Three requests."""
        version = drift.version_at(self._version_list(app_id), until)
        self._versions.require_trusted(app_id, version)
        then = self._version(app_id, version) if version else None
        if then is None:
            return ()
        path, what = f"/v2/apps/{app_id.strip('/')}", f"the past of {app_id} cannot be read"
        now = response_errors.parse(self._api.read(path, what))
        return drift.drift(then, now["app"])

    def image_history(self, ids: Sequence[str], most: int) -> Mapping[str, tuple[ConfiguredImages, ...]]:
        """See `ImageMemory`. One request for each app and one for each of its versions, eight at a time."""
        return self._versions.history(ids, most)

    def image_at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """See `ImageMemory`. Two requests."""
        return self._versions.at(app_id, moment)

    def _version_list(self, app_id: str) -> Sequence[str]:
        what = f"the past of {app_id} cannot be read"
        answer = response_errors.parse(self._api.read(f"/v2/apps/{app_id.strip('/')}/versions", what))
        return answer["versions"] if isinstance(answer, dict) else ()

    def _version(self, app_id: str, version: str) -> Mapping[str, Any] | None:
        """The definition of a version; None where Marathon no longer has it."""
        path = f"/v2/apps/{app_id.strip('/')}/versions/{version}"
        try:
            stored = response_errors.parse(self._api.read(path, f"the past of {app_id} cannot be read"))
        except response_errors.NotThere:
            return None
        return stored if isinstance(stored, dict) else None

    def close(self) -> None:
        """See `Target`."""
        self._api.close()


def _name(url: str) -> str:
    return f"marathon at {url}"


def _list(answer: Any, member: str) -> list[Mapping[str, Any]]:
    """The entries of a list, or of a list under a member.

    Raises:
        TargetError: there is no such list.
    """
    entries = answer.get(member) if member and isinstance(answer, dict) else answer
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TargetError(
            "Marathon's answer cannot be read", why=f"no list of {member or 'objects'} in it", hint=UNREADABLE
        )
    return entries


def _accepted(response: Any, ids: tuple[str, ...]) -> Deployment:
    """Read the answer to a write that was accepted.

    Raises:
        NoAnswer: it was accepted, but the answer does not say as what.
    """
    try:
        body = response_errors.parse(response)
        return Deployment(str(body["deploymentId"]), ids, str(body.get("version") or ""))
    except (TargetError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswer(
            "Marathon took a write, but its answer names no deployment",
            why=response_errors.words(response),
            hint=response_errors.WAS_IT_WRITTEN,
        ) from error
