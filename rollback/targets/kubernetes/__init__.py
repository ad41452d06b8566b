"""The target `kubernetes`: Deployments, StatefulSets and DaemonSets of one or more namespaces, through kubectl."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rollback.core.apps import App, Change, Deployment, OperatorCommands, Remark, Status
from rollback.errors import LoginRefused, TargetError
from rollback.targets.base import Check, Level, Target, TargetKind, TargetOptions
from rollback.targets.kubernetes import owners, preflight, rollout, section, workloads, writing
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden, Invalid, NotFound, Unreachable
from rollback.targets.kubernetes.kubectl import KubectlOptions
from rollback.targets.kubernetes.markers import ConfigMapMarkers, MarkerId
from rollback.targets.kubernetes.observer import Observer
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.rollout import Observation
from rollback.targets.kubernetes.workloads import WorkloadId

log = logging.getLogger(__name__)

KIND = TargetKind(
    settings=section.TYPES,
    app_id=section.APP_ID,
    example=section.EXAMPLE,
    has_login=False,
    check=section.mistakes,
    parallel=16,
    shared_state=True,
    programs={"program": True, "kubeconfig": False},
)
_AT_A_TIME = 8  # requests


def connect(options: TargetOptions) -> Target:
    """Make the target; sends no request yet.

    Settings: `context` and `namespace` (both required; the latter may be a list), `program`, `kubeconfig`, `kinds`,
    `environments`.

    Raises:
        BadInput: the environment is not one of this target's.
    """
    return Kubernetes(options)


class Kubernetes:
    """A `Target` whose apps are workloads.

    Nothing holds a workload while it is rolled out: a new write simply replaces it. So there are no deployments.
    """

    has_deployments = False
    batch = 1

    def __init__(self, options: TargetOptions) -> None:
        self._name, self._section = options.name, options.settings
        self._scope = section.scope(options.name, options.settings, options.env)
        self._kubeconfig = str(options.settings.get("kubeconfig", ""))
        self._api = KubernetesApi(
            KubectlOptions(
                context=self._scope.context,
                program=str(options.settings.get("program", "kubectl")),
                kubeconfig=self._kubeconfig,
                folder=options.folder,
                timeout_s=options.timeout_s,
            )
        )
        self._observer = Observer(self._api)
        self._markers = ConfigMapMarkers(self._api)
        self._lock = threading.Lock()
        self._entries: dict[str, JsonObject] = {}  # by app id, the workload as it was last read
        self._written: set[str] = set()  # apps that were written, so that a pod in their way may be deleted

    @property
    def name(self) -> str:
        """Context, namespaces and server."""
        try:
            server = self._api.context.server
        except TargetError:  # the next request says why
            server = "an unknown server"
        return f"kubernetes context {self._scope.context}, {self._place} at {server}"

    @property
    def operator(self) -> OperatorCommands:
        """See `Target`."""
        return self._commands

    @property
    def _commands(self) -> KubectlCommands:
        return KubectlCommands(self._scope.context, self._scope.namespaces, self._kubeconfig)

    @property
    def _place(self) -> str:
        names = self._scope.namespaces
        return f"namespace{'s' if len(names) > 1 else ''} {', '.join(names)}"

    @property
    def _known_namespaces(self) -> tuple[str, ...]:
        """The namespaces, without those whose names depend on an environment that is not known."""
        return tuple(name for name in self._scope.namespaces if "{env}" not in name)

    def identity(self) -> str:
        """See `Target`: the uids of the namespaces, which stay whatever the context is called. One request each."""
        found = [self._namespace(one)["metadata"]["uid"] for one in self._scope.namespaces]
        return f"kubernetes {' '.join(sorted(map(str, found)))}"

    def diagnose(self) -> Iterator[Check]:
        """See `Target`. No request: what the kubeconfig says."""
        try:
            context = self._api.context
        except TargetError as error:
            yield Check("kubectl", Level.FAIL, f"{error.what}: {error.why}", error.hint)
            return
        found = f"context {context.name}: {context.server}, as {context.user}"
        if context.insecure:
            hint = f"remove insecure-skip-tls-verify of cluster {context.cluster!r} from the kubeconfig"
            yield Check("kubectl", Level.WARN, f"{found}; its certificate is not verified", hint)
        else:
            yield Check("kubectl", Level.OK, found)

    def login(self) -> None:
        """See `Target`. One request per namespace."""
        for namespace in self._known_namespaces:
            try:
                self._namespace(namespace)
            except Forbidden as error:  # who may not read the namespace itself may well do all the rest
                log.debug("%s: %s", error.what, error.why)

    def apps(self, env: str) -> tuple[App, ...]:  # noqa: ARG002
        """See `Target`. One request per kind and namespace, and one more for a namespace that seems to be empty."""
        pairs = [(namespace, kind) for namespace in self._known_namespaces for kind in self._scope.kinds]

        def read(pair: tuple[str, workloads.WorkloadKind]) -> list[tuple[App, JsonObject]]:
            namespace, kind = pair
            listed = self._api.list(kind.collection(namespace), f"the {kind.plural} of {namespace} cannot be read")
            return [(self._app(entry, kind), entry) for entry in listed]

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            found = [one for answer in pool.map(read, pairs) for one in answer]
        for namespace in self._known_namespaces:
            if not any(app.id.startswith(f"{namespace}/") for app, _ in found):
                self._namespace(namespace)  # one that does not exist has no workloads, either
        self._remember({app.id: entry for app, entry in found})
        return tuple(app for app, _ in found)

    def check_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """See `ChangeChecks`. One dry run per change."""
        unreachable: list[Unreachable] = []

        def look(change: Change) -> list[Remark]:
            entry, what = self._entry(change.app), f"the image of {change.app.id} could not be changed"
            found = list(preflight.remarks(change, entry, self._commands))
            if unreachable:
                return found
            try:
                self._api.patch(WorkloadId.parse(change.app.id).path, self._patch(entry, change), what, dry_run=True)
            except LoginRefused:
                raise
            except Unreachable as error:
                unreachable.append(error)
            except TargetError as error:
                found.append(preflight.refused(change, error))
            return found

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            remarks = tuple(one for found in pool.map(look, changes) for one in found)
        if unreachable:
            raise unreachable[0]
        return remarks

    def deployments(self) -> tuple[Deployment, ...]:
        """See `Target`: there are none."""
        return ()

    def update(self, changes: Sequence[Change]) -> Deployment:
        """See `Target`. One request; one more for a workload that was not read before."""
        (change,) = changes
        identity = WorkloadId.parse(change.app.id)
        what = f"the image of {identity} cannot be changed"
        entry = self._entry(change.app)
        goes_forward = change.captured is None and change.image != change.app.image
        if goes_forward and workloads.version(entry) != change.app.version:
            raise self._changed_since(identity)
        try:
            answer = self._api.patch(identity.path, self._patch(entry, change), what)
        except Invalid as error:
            raise self._explained(error, identity, entry) from error
        self._remember({change.app.id: answer})
        with self._lock:
            self._written.add(change.app.id)
        mark = f"{identity}@{answer['metadata'].get('generation', '')}"
        return Deployment(mark, (change.app.id,), workloads.version(answer))

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        """See `Target`. One request per kind of workload, one for the pods, and at most one more, per namespace."""
        if not ids:
            return {}
        seen = self._observer.observe({WorkloadId.parse(one) for one in ids})
        found = {}
        for one in seen:
            its = rollout.status(one)
            found[its.id] = its
            self._remember({its.id: dict(one.entry)})
            if its.id in self._written:
                self._free(one)
        return found

    def cancel(self, deployment: Deployment) -> Deployment | None:  # noqa: ARG002
        """See `Target`: nothing to cancel."""
        return None

    def stop(self, deployment: Deployment) -> None:
        """See `Target`: nothing to stop."""

    def marker_id(self, name: str, env: str, app_ids: Collection[str]) -> str:  # noqa: ARG002
        """See `Markers`. No request."""
        return str(MarkerId.of(name, env, self._scope.namespaces))

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`. One request per namespace."""
        return self._markers.place(marker, labels)

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`. One request, or one per namespace if there is none."""
        return self._markers.labels(marker)

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`."""
        self._markers.relabel(marker, labels)

    def remove(self, marker: str) -> None:
        """See `Markers`. Two requests per namespace."""
        self._markers.remove(marker)

    def close(self) -> None:
        """See `Target`."""
        self._api.close()

    def _namespace(self, name: str) -> JsonObject:
        return self._api.get(f"/api/v1/namespaces/{name}", f"the namespace {name} cannot be read")

    def _app(self, entry: JsonObject, kind: workloads.WorkloadKind) -> App:
        app = workloads.app(entry, kind)
        return replace(app, owners=owners.owners(entry, WorkloadId.parse(app.id), self._commands))

    def _entry(self, app: App) -> JsonObject:
        """A workload as it was last read."""
        with self._lock:
            entry = self._entries.get(app.id)
        return entry or self._api.get(WorkloadId.parse(app.id).path, f"{app.id} cannot be read")

    def _patch(self, entry: JsonObject, change: Change) -> list[JsonObject]:
        return writing.image_patch(entry, change)

    def _remember(self, entries: Mapping[str, JsonObject]) -> None:
        with self._lock:
            self._entries.update(entries)

    def _explained(self, error: Invalid, identity: WorkloadId, entry: JsonObject) -> TargetError:
        """Why a patch was refused; the server does not say whether one of its tests failed."""
        try:
            now = self._api.get(identity.path, error.what)
        except (NotFound, LoginRefused, Forbidden) as gone:
            return gone
        except TargetError:
            return error
        if workloads.version(now) == workloads.version(entry):
            return error
        return self._changed_since(identity)

    def _changed_since(self, identity: WorkloadId) -> TargetError:
        return TargetError(
            f"{identity} was not changed",
            why="somebody else has changed its pod template meanwhile",
            hint=f"look at it, then plan again: {self._commands.show(str(identity))}",
        )

    def _free(self, seen: Observation) -> None:
        """Delete the pod that keeps a StatefulSet which this run has written from being repaired."""
        pod = rollout.stuck_pod(seen)
        if pod is None:
            return
        meta = pod["metadata"]
        namespace, name = str(meta["namespace"]), str(meta["name"])
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        try:
            self._api.delete(path, f"the pod {namespace}/{name} cannot be deleted", uid=str(meta["uid"]))
            log.warning(
                "deleted the pod %s/%s: it is not ready, is of an older revision, and keeps its StatefulSet from "
                "being repaired",
                namespace,
                name,
            )
        except NotFound:
            pass
        except TargetError as error:
            command = self._commands.kubectl(namespace, "delete", "pod", name)
            log.warning("%s (%s); it keeps its StatefulSet from being repaired: %s", error.what, error.why, command)
