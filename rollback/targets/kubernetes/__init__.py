"""The target `kubernetes`: Deployments, StatefulSets and DaemonSets of one or more namespaces, through kubectl."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from rollback.core.apps import App, Change, Deployment, OperatorCommands, Remark, Status
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.system.bounded_call import each
from rollback.targets.base import Check, Level, Target, TargetKind, TargetOptions
from rollback.targets.capabilities import Unmanaged
from rollback.targets.kubernetes import (
    gitops_owners,
    observation_rights,
    pods,
    rollout,
    section,
    unmanaged,
    workloads,
)
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden, NotFound
from rollback.targets.kubernetes.kubectl import ContextInfo, Kubectl, KubectlOptions
from rollback.targets.kubernetes.kubectl_proxy import leftovers
from rollback.targets.kubernetes.markers import ConfigMapMarkers, MarkerId
from rollback.targets.kubernetes.observer import Observer
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.revision_memory import RevisionMemory
from rollback.targets.kubernetes.rollout import Observation
from rollback.targets.kubernetes.workloads import WorkloadId
from rollback.targets.kubernetes.writer import Writer

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
    questions={
        "context": "Context of the kubeconfig",
        "namespace": "Namespace, in which {env} becomes the environment",
    },
    owners=gitops_owners.NAMES,
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
        self._section = options.settings
        self._scope = section.scope(options.name, options.settings, options.env)
        self._kubeconfig = str(options.settings.get("kubeconfig", ""))
        self._envs = options.environments
        self._kubectl = KubectlOptions(
            context=self._scope.context,
            program=str(options.settings.get("program", "kubectl")),
            kubeconfig=self._kubeconfig,
            folder=options.folder,
            timeout_s=options.timeout_s,
        )
        self._api = KubernetesApi(self._kubectl)
        self._observer = Observer(self._api)
        self._markers = ConfigMapMarkers(self._api)
        self._writer = Writer(self._api, self._commands)
        self._memory = RevisionMemory(self._api, self._writer.entry)
        self._pods: dict[str, tuple[JsonObject, ...]] = {}  # by namespace, as `unmanaged` has read them
        self._left: set[str] = set()  # uids of pods that cannot be deleted
        self._uids: dict[str, str] = {}  # by namespace, as far as they were read

    @property
    def name(self) -> str:
        """Context, namespaces and server."""
        return f"kubernetes context {self._scope.context}, {self._place} at {self._server or 'an unknown server'}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """See `Target`."""
        return (self.name,) if self._server else ()

    @property
    def _server(self) -> str:
        try:
            return self._api.context.server
        except TargetError:  # the next request says why
            return ""

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
        """The namespaces, without those that depend on an environment that is not known."""
        if "{env}" in self._scope.context:
            return ()
        return tuple(name for name in self._scope.namespaces if "{env}" not in name)

    def identity(self) -> str:
        """See `Target`: the uids of the namespaces, which stay whatever the context is called.

        One request for each that was not read at the login.
        """
        for one in self._scope.namespaces:
            if one not in self._uids:
                self._namespace(one)
        return f"kubernetes {' '.join(sorted(self._uids[one] for one in self._scope.namespaces))}"

    def diagnose(self) -> Iterator[Check]:
        """See `Target`. No request: what the kubeconfig says of each context that may be used."""
        for context in self._contexts:
            kubectl = Kubectl(replace(self._kubectl, context=context))
            try:
                yield _checked(kubectl.context_info())
            except TargetError as error:
                level = Level.FAIL if context == self._scope.context else Level.WARN  # one of several environments
                yield Check("kubectl", level, f"{error.what}: {error.why}", error.hint)
        for left in leftovers():
            running = f", and its kubectl proxy (process {left.pid}) still runs" if left.pid else ""
            found = f"a run that was killed has left {left.folder} behind{running}"
            yield Check("kubectl", Level.WARN, found, "the next run on Kubernetes ends and removes it")

    @property
    def _contexts(self) -> tuple[str, ...]:
        """The contexts of all environments where the environment is not known and there is one for each."""
        pattern = self._scope.context
        if "{env}" not in pattern:
            return (pattern,)
        return tuple(pattern.replace("{env}", env) for env in sorted(self._section.get("environments") or self._envs))

    def login(self) -> None:
        """See `Target`. One request per namespace."""
        if self._known_namespaces and self._api.context.insecure:
            log.warning("%s", _checked(self._api.context).found)
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

        found = [one for answer in each(read, pairs, workers=_AT_A_TIME) for one in answer]
        for namespace in self._known_namespaces:
            if not any(app.id.startswith(f"{namespace}/") for app, _ in found):
                self._namespace(namespace)  # one that does not exist has no workloads, either
        self._writer.remember({app.id: entry for app, entry in found})
        return tuple(app for app, _ in found)

    def unmanaged(self) -> Unmanaged:
        """See `UnmanagedApps`. Four requests per namespace, and one more where there are Argo Rollouts."""
        managed = self._writer.known

        def list_pods(namespace: str) -> tuple[JsonObject, ...]:
            self._pods[namespace] = self._list_pods(namespace)
            return self._pods[namespace]

        def read(namespace: str) -> Unmanaged:
            return unmanaged.read(self._api, namespace, managed, list_pods)

        found = each(read, self._known_namespaces, workers=_AT_A_TIME)
        apps = tuple(app for one in found for app in one.apps)
        return Unmanaged(apps, tuple(words for one in found for words in one.not_looked_at))

    def running_digests(self, apps: Sequence[App]) -> Mapping[str, str]:
        """See `RunningDigests`. One request per namespace, or none where `unmanaged` has just read the pods."""
        digests: dict[str, set[str | None]] = {}
        by_id = {app.id: app for app in apps}
        for namespace in sorted({WorkloadId.parse(app.id).namespace for app in apps}):
            listed = self._pods.pop(namespace, None) or self._list_pods(namespace)
            for pod in listed:
                kind, name = pods.belongs_to(pod)
                app = by_id.get(f"{namespace}/{kind.lower()}/{name}")
                if app and not pods.is_over(pod):
                    images = {one["name"]: one["image"] for _, one in workloads.containers(pod)}
                    same = [name for name in app.selected if images.get(name) == app.image]
                    digests.setdefault(app.id, set()).update(pods.digest(pod, name) for name in same)
        known = {app_id: found - {None} for app_id, found in digests.items()}
        return {app_id: digest for app_id, found in known.items() if len(found) == 1 for digest in found if digest}

    def check_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """See `ChangeChecks`. One dry run per change, and at most three other requests per namespace.

        Two of the three are those of `image_at`, if that was not called before.
        """
        tried = self._writer.try_changes(changes)
        return (*tried, *observation_rights.remarks(self._api, self._memory, changes))

    def image_history(self, ids: Sequence[str], most: int) -> Mapping[str, tuple[ConfiguredImages, ...]]:
        """See `ImageMemory`. At most two requests per namespace, and one per further 500 objects."""
        return self._memory.history(ids, most)

    def image_at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """See `ImageMemory`. Requests as for `image_history`, for all workloads together."""
        return self._memory.at(app_id, moment)

    def drift(self, app_id: str, until: Instant) -> tuple[str, ...]:
        """See `Remembering`. Requests as for `image_history`, for all workloads together."""
        return self._memory.drift(app_id, until)

    def deployments(self) -> tuple[Deployment, ...]:
        """See `Target`: there are none."""
        return ()

    def update(self, changes: Sequence[Change]) -> Deployment:
        """See `Target`. One request; one more for a workload that was not read before."""
        (change,) = changes
        return self._writer.write(change)

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        """See `Target`. One request per kind of workload, one for the pods, and at most one more, per namespace."""
        if not ids:
            return {}
        seen = self._observer.observe({WorkloadId.parse(one) for one in ids})
        found = {}
        for one in seen:
            its = rollout.status(one)
            found[its.id] = its
            self._writer.remember({its.id: dict(one.entry)})
            if self._writer.has_written(its.id):
                self._free(one)
        return found

    def cancel(self, deployment: Deployment) -> Deployment | None:  # noqa: ARG002
        """See `Target`: nothing to cancel."""
        return None

    def stop(self, deployment: Deployment) -> None:
        """See `Target`: nothing to stop."""

    def marker_ids(self, name: str, env: str) -> tuple[str, ...]:
        """See `Markers`: one in each namespace. No request."""
        return tuple(str(MarkerId.of(name, env, one)) for one in self._scope.namespaces)

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`. One request; two more if there is a ConfigMap of another environment."""
        return self._markers.place(marker, labels)

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`. One request."""
        return self._markers.labels(marker)

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`."""
        self._markers.relabel(marker, labels)

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        """See `Markers`. Two requests."""
        return self._markers.remove(marker, only_if)

    def close(self) -> None:
        """See `Target`."""
        self._api.close()

    def _list_pods(self, namespace: str) -> tuple[JsonObject, ...]:
        return self._api.list(f"/api/v1/namespaces/{namespace}/pods", f"the pods of {namespace} cannot be read")

    def _namespace(self, name: str) -> JsonObject:
        found = self._api.get(f"/api/v1/namespaces/{name}", f"the namespace {name} cannot be read")
        self._uids[name] = str(found["metadata"]["uid"])
        return found

    def _app(self, entry: JsonObject, kind: workloads.WorkloadKind) -> App:
        app = workloads.app(entry, kind)
        return replace(app, owners=gitops_owners.owners(entry, WorkloadId.parse(app.id), self._commands))

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
            if str(meta["uid"]) not in self._left:
                self._left.add(str(meta["uid"]))
                command = self._commands.kubectl(namespace, "delete", "pod", name)
                log.warning(
                    "%s (%s); it keeps its StatefulSet from being repaired: %s", error.what, error.why, command
                )


def _checked(context: ContextInfo) -> Check:
    """What the kubeconfig says of a context."""
    found = f"context {context.name}: {context.server}, as {context.user}"
    if not context.insecure:
        return Check("kubectl", Level.OK, found)
    hint = f"remove insecure-skip-tls-verify of cluster {context.cluster!r} from the kubeconfig"
    return Check("kubectl", Level.WARN, f"{found}; the certificate of the server is not verified", hint)
