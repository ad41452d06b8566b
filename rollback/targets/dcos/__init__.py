"""The target `dcos`: the DC/OS command line program, whichever version is on PATH.

Each call costs about half a second, so there are few: one login, one list, one update per app, and two to three per
look, however many apps there are.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rollback.core.apps import App, Change, Deployment, Failure, OperatorCommands, Remark, Status
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import AppLocked, LoginRefused, NoAnswer, TargetError
from rollback.system.bounded_call import each
from rollback.targets.base import UNREADABLE, Check, Level, Target, TargetKind, TargetOptions
from rollback.targets.capabilities import Unmanaged
from rollback.targets.dcos import config_dir
from rollback.targets.dcos.failure_tracker import FailureTracker
from rollback.targets.dcos.operator_commands import DcosCommands
from rollback.targets.dcos.program import WAS_IT_WRITTEN, Absent, Program
from rollback.targets.marathon import app_ids, drift, pods, serialization
from rollback.targets.marathon import placeholder_app as mark
from rollback.targets.marathon.configurations import Configurations
from rollback.targets.marathon.image_versions import ImageVersions

_CREATED = re.compile(r"Created deployment ([0-9A-Za-z][0-9A-Za-z-]{7,})")  # both generations; `None` if it got no id
_ALWAYS = (
    "tasksStaged",
    "tasksRunning",
    "tasksHealthy",
    "tasksUnhealthy",
    "deployments",
)  # in every app of Marathon's
_NO_PODS = re.compile(r"not supported by your version of Marathon")  # before 1.4
_AT_ONCE = 4  # programs that run at the same time


KIND = TargetKind(
    settings={"program": str, "cluster": str},
    app_id=app_ids.DEFAULT,
    example=app_ids.EXAMPLE,
    check=app_ids.mistakes,
    programs={"program": True},
)


def connect(options: TargetOptions) -> Target:
    """Make the target; sends no request yet.

    Settings: `program` (a path, or a name on PATH; default `dcos`), `cluster` (an id or a name; default: the
    attached one).
    """
    return Dcos(options)


class Dcos:
    """A `Target` through a program."""

    has_deployments = True
    batch = 1  # no command of `dcos` takes several apps

    def __init__(self, options: TargetOptions) -> None:
        self._program = Program(options)
        self._witness = FailureTracker()
        self._identity = ""
        self._configurations = Configurations()
        self._versions = ImageVersions(self._version_list, self._version, _AT_ONCE)
        self._ids: tuple[str, ...] = ()  # of all apps, as they were read last

    @property
    def name(self) -> str:
        """The kind, and the address of the cluster where it is known."""
        address = self._program.address
        return f"dcos at {address}" if address else "dcos"

    @property
    def addresses(self) -> tuple[str, ...]:
        """See `Target`."""
        return (self.name,) if self._program.address else ()

    @property
    def operator(self) -> OperatorCommands:
        """See `Target`."""
        return DcosCommands()

    def identity(self) -> str:
        """See `Target`. One process, the first time."""
        if not self._identity:
            about = self._program.read("Marathon cannot be queried", "marathon", "about")
            self._identity = app_ids.identity(about if isinstance(about, dict) else {})
        return self._identity

    def diagnose(self) -> Iterator[Check]:
        """See `Target`. One process."""
        yield self._program.check()
        for folder in config_dir.leftovers():
            found = f"{folder} has a login token and was left behind by a process that is gone"
            yield Check("dcos", Level.WARN, found, f"it is removed at the next login, or now: rm -r {folder}")

    def login(self) -> None:
        """See `Target`. Without a user it only makes sure of the program: the first question proves the login."""
        self._program.login()

    def apps(self, env: str) -> tuple[App, ...]:  # noqa: ARG002
        """See `Target`. One process; dcos 0.7 and later needs a second one.

        Their `app list` leaves out members that must not be lost, limits for instance, and adds others. They
        are recognised by what Marathon always sends and such a list does not have. `group show` is untouched.
        """
        listed = self._list("the apps cannot be read", "marathon", "app", "list", "--json")
        whole = self._whole(listed)
        self._versions.note(whole)
        found = tuple(serialization.app(entry) for entry in whole)
        self._ids = tuple(app.id for app in found)
        return found

    def _whole(self, listed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The entries of `app list` with nothing left out of their definitions."""
        if all(member in entry for entry in listed for member in _ALWAYS):
            return list(listed)
        group = self._program.read("the definitions of the apps cannot be read", "marathon", "group", "show", "/")
        if not isinstance(group, dict):
            raise TargetError(
                "the definitions of the apps cannot be read", why="dcos printed no group", hint=UNREADABLE
            )
        held = {str(entry.get("id")): entry.get("deployments") for entry in listed}
        return [{**entry, "deployments": held.get(str(entry.get("id"))) or ()} for entry in serialization.apps(group)]

    def unmanaged(self) -> Unmanaged:
        """See `UnmanagedApps`: pods. One process."""
        try:
            return pods.unmanaged(self._list("the pods cannot be read", "marathon", "pod", "list", "--json"))
        except TargetError as error:
            return Unmanaged() if _NO_PODS.search(error.why) else pods.unknown(error)

    def deployments(self) -> tuple[Deployment, ...]:
        """See `Target`. One process."""
        listed = self._list("the deployments cannot be read", "marathon", "deployment", "list", "--json")
        return tuple(serialization.deployment(entry) for entry in listed)

    def update(self, changes: Sequence[Change]) -> Deployment:
        """See `Target`. One process; it makes sure that the app exists, so nothing is created."""
        (change,) = changes
        body, app_id = json.dumps(serialization.update(change)), change.app.id
        what = f"the update of {app_id} failed"
        try:
            said = self._program.write(what, "marathon", "app", "update", app_id, stdin=body)
        except AppLocked as error:
            raise self._with_locks(error, app_id) from error
        found = _CREATED.search(said)
        if not found:
            raise NoAnswer(what, why="dcos named no deployment", hint=WAS_IT_WRITTEN)
        return Deployment(found[1], (app_id,))

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        """See `Target`. Two processes, a third while something is not running, and one per app that just failed."""
        if not ids:
            return {}
        wanted = set(ids)
        reads: tuple[Callable[[], Any], ...] = (self._listed, self._tasks)
        listed, tasks = each(lambda read: read(), reads, workers=_AT_ONCE)
        shown = {str(entry.get("id")): entry for entry in listed}
        entries = [
            {**entry, "tasks": tasks[str(entry.get("id"))]}
            for entry in self._whole(listed)
            if entry.get("id") in wanted and entry.get("id") in shown
        ]
        for entry in entries:
            self._learn_versions(entry, shown[str(entry["id"])])
        seen = [self._configurations.status(entry) for entry in entries]
        if any(one.started < one.instances for one in seen):
            queue = self._queue()
            seen = [self._configurations.status(entry, queue) for entry in entries]
        apps_with_recent_failures = self._witness.apps_with_recent_failures(seen)
        failures = dict(
            zip(
                apps_with_recent_failures,
                each(self._failure, apps_with_recent_failures, workers=_AT_ONCE),
                strict=True,
            )
        )
        return {one.id: self._witness.with_known_failure(one, failures.get(one.id)) for one in seen}

    def _listed(self) -> list[Mapping[str, Any]]:
        return self._list("the state of the apps cannot be read", "marathon", "app", "list", "--json")

    def _learn_versions(self, entry: Mapping[str, Any], listed: Mapping[str, Any]) -> None:
        """Find out what the other versions of an app's tasks hold, each once; one process for each.

        `app show` leaves out of a definition what `app list` leaves out, so these two are compared.
        """
        self._configurations.note(entry)
        app_id = str(entry["id"])
        for version in self._configurations.unknown(entry):
            stored = self._version(app_id, version)
            same = stored is not None and serialization.same_configuration(stored, listed)
            self._configurations.learn(app_id, version, entry if same else None)

    def cancel(self, deployment: Deployment) -> Deployment | None:
        """See `Target`. One process."""
        what = f"deployment {deployment.id} cannot be cancelled"
        try:
            said = self._program.write(what, "marathon", "deployment", "rollback", deployment.id)
        except Absent:
            return None
        try:
            answer = json.loads(said)
            return Deployment(str(answer["deploymentId"]), deployment.apps, str(answer.get("version") or ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoAnswer(what, why="dcos named no deployment", hint=WAS_IT_WRITTEN) from error

    def stop(self, deployment: Deployment) -> None:
        """See `Target`. One process."""
        with suppress(Absent):
            what = f"deployment {deployment.id} cannot be ended"
            self._program.write(what, "marathon", "deployment", "stop", deployment.id)

    def marker_ids(self, name: str, env: str) -> tuple[str, ...]:
        """See `Markers`. No process if the apps were read before."""
        if not self._ids:
            self.apps(env)
        return (mark.beside(name, env, self._ids),)

    def check_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """See `ChangeChecks`. One process; that a write would be refused Marathon says only when it is sent."""
        tasks = self._tasks()
        remarks = (serialization.lost_instances(change.app.id, tasks.get(change.app.id, ())) for change in changes)
        return tuple(one for one in remarks if one)

    def oldest_starts(self, ids: Collection[str]) -> Mapping[str, Instant]:
        """See `InstanceTimes`. One process."""
        tasks = self._tasks()
        starts = {app_id: serialization.oldest_start(tasks[app_id]) for app_id in ids if app_id in tasks}
        return {app_id: start for app_id, start in starts.items() if start}

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`. One process; one more where somebody else makes it at the same moment."""
        what = f"the marker {marker} cannot be made"
        try:
            self._program.write(what, "marathon", "app", "add", stdin=json.dumps(mark.body(marker, labels)))
        except AppLocked:  # what dcos says of every 409, also where the app exists by now
            if self.labels(marker) is None:
                raise
            return False
        except TargetError as error:
            if mark.is_taken(error):
                return False
            raise
        return True

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`. One process."""
        try:
            shown = self._program.read(f"the marker {marker} cannot be read", "marathon", "app", "show", marker)
        except Absent:
            return None
        return mark.labels_of(shown) if isinstance(shown, dict) else {}

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`. One process."""
        what, body = f"the marker {marker} cannot be changed", json.dumps({"labels": dict(labels)})
        self._program.write(what, "marathon", "app", "update", marker, stdin=body)

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        """See `Markers`. One process, and one before it for the labels."""
        if only_if and not mark.has(self.labels(marker), only_if):
            return False
        try:
            self._program.write(f"the marker {marker} cannot be removed", "marathon", "app", "remove", marker)
        except Absent:
            return False
        return True

    def drift(self, app_id: str, until: Instant) -> tuple[str, ...]:
        """See `Remembering`. Three processes."""
        version = drift.version_at(self._version_list(app_id), until)
        self._versions.require_trusted(app_id, version)
        then = self._version(app_id, version) if version else None
        if then is None:
            return ()
        now = self._program.read(f"the past of {app_id} cannot be read", "marathon", "app", "show", app_id)
        return drift.drift(then, now)

    def image_history(self, ids: Sequence[str], most: int) -> Mapping[str, tuple[ConfiguredImages, ...]]:
        """See `ImageMemory`. One process for each app and one for each of its versions, four at a time."""
        return self._versions.history(ids, most)

    def image_at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """See `ImageMemory`. Two processes; one where the present definition was in force then."""
        return self._versions.at(app_id, moment)

    def _version_list(self, app_id: str) -> Sequence[str]:
        what = f"the past of {app_id} cannot be read"
        versions = self._program.read(what, "marathon", "app", "version", "list", app_id)
        return versions if isinstance(versions, list) else ()

    def _version(self, app_id: str, version: str) -> Mapping[str, Any] | None:
        """The definition of a version; None where Marathon no longer has it."""
        what = f"the past of {app_id} cannot be read"
        try:
            stored = self._program.read(what, "marathon", "app", "show", f"--app-version={version}", app_id)
        except Absent:
            return None
        return stored if isinstance(stored, dict) else None

    def close(self) -> None:
        """See `Target`. The private folder goes, and with it the token of this run."""
        self._program.close()

    def _list(self, what: str, *argv: str) -> list[Mapping[str, Any]]:
        answer = self._program.read(what, *argv)
        # 0.7 and later wrap the queue, and print an empty list as null.
        entries = answer["queue"] if isinstance(answer, dict) and "queue" in answer else answer
        if entries is None:
            return []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise TargetError(what, why="dcos printed no list of objects", hint=UNREADABLE)
        return entries

    def _tasks(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """All tasks by the id of their app; none for an app that has none."""
        found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for task in self._list("the tasks cannot be read", "marathon", "task", "list", "--json"):
            found[str(task.get("appId"))].append(task)
        return found

    def _queue(self) -> list[Mapping[str, Any]]:
        """What waits to be launched: shown to the user, decisive for nothing, so it may fail with an odd dcos."""
        try:
            return self._list("the launch queue cannot be read", "marathon", "debug", "list", "--json")
        except LoginRefused:
            raise
        except TargetError:
            return []

    def _failure(self, app_id: str) -> Failure | None:
        """The newest failure of the app's present version; None, too, if the app is gone by now."""
        try:
            shown = self._program.read(f"{app_id} cannot be read", "marathon", "app", "show", app_id)
        except Absent:
            return None
        if not isinstance(shown, dict):
            return None
        return self._configurations.failure(shown)

    def _with_locks(self, error: AppLocked, app_id: str) -> AppLocked:
        """The refusal of a locked app, with the ids of the deployments, which dcos does not print."""
        with suppress(TargetError):
            held = [deployment.id for deployment in self.deployments() if app_id in deployment.apps]
            if held:
                return AppLocked(error.what, why=f"{error.why} (deployment {', '.join(held)})", hint=error.hint)
        return error
