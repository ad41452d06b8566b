"""Deployments, StatefulSets and DaemonSets, read into our values. Pure.

An app's id is `namespace/kind/name`, such as `shop-prod/deployment/web`. Values of environment variables may be
secret, so nothing of the pod template goes into an `App` but names, images and fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollback.core.apps import App, Container
from rollback.core.image_reference import Reference
from rollback.errors import BadInput, TargetError
from rollback.targets.base import UNREADABLE

CONTAINER_LISTS = ("initContainers", "containers")
_PROBE_PERIOD_S, _PROBE_FAILURES = 10, 3  # the API's defaults
_TERMINATION_GRACE_S = 30.0  # likewise


@dataclass(frozen=True)
class WorkloadKind:
    """A kind of workload.

    Attributes:
        name: as in an app's id and in kubectl's commands.
        plural: as in the API's paths and in the settings.
        title: as in `kind` and in owner references.
    """

    name: str
    plural: str
    title: str

    def collection(self, namespace: str) -> str:
        """The API path of all of them in a namespace."""
        return f"/apis/apps/v1/namespaces/{namespace}/{self.plural}"


DEPLOYMENT = WorkloadKind("deployment", "deployments", "Deployment")
STATEFUL_SET = WorkloadKind("statefulset", "statefulsets", "StatefulSet")
DAEMON_SET = WorkloadKind("daemonset", "daemonsets", "DaemonSet")
KINDS = {kind.plural: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
_BY_NAME = {kind.name: kind for kind in KINDS.values()}


@dataclass(frozen=True)
class WorkloadId:
    """An app's id, parsed."""

    namespace: str
    kind: WorkloadKind
    name: str

    @classmethod
    def parse(cls, app_id: str) -> WorkloadId:
        """Take an id apart.

        Raises:
            TargetError: not the id of a workload.
        """
        namespace, _, rest = app_id.partition("/")
        kind, _, name = rest.partition("/")
        if kind not in _BY_NAME or not namespace or not name or "/" in name:
            raise TargetError(
                f"{app_id!r:.100} is not the id of a workload",
                why="expected namespace/kind/name",
                hint="name it like shop-prod/deployment/billing, or choose another target with --target",
            )
        return cls(namespace, _BY_NAME[kind], name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind.name}/{self.name}"

    @property
    def path(self) -> str:
        """Its API path."""
        return f"{self.kind.collection(self.namespace)}/{self.name}"


def app(entry: Mapping[str, Any], kind: WorkloadKind) -> App:
    """Read a workload as the API gives it.

    The containers that share the repository of the first one are selected: they change together.

    Raises:
        TargetError: not a workload.
    """
    try:
        meta, its_template = entry["metadata"], template(entry)
        read = App(
            id=str(WorkloadId(meta["namespace"], kind, meta["name"])),
            image="",
            version=version(entry),
            instances=instances(entry, kind),
            checked=any(one.get("readinessProbe") for one in its_template["spec"]["containers"]),
            definition={"uid": str(meta["uid"])},
            marks=dict(_marks(its_template)),
            containers=tuple(Container(str(one["name"]), str(one["image"])) for _, one in containers(its_template)),
            start_grace_s=_start_grace_s(entry),
            stop_grace_s=float(its_template["spec"].get("terminationGracePeriodSeconds", _TERMINATION_GRACE_S)),
        )
        return read.select(_same_repository(read, str(its_template["spec"]["containers"][0]["image"])))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise TargetError(
            f"the API server's answer cannot be read: a {kind.title} is not as expected",
            why=repr(error),
            hint=UNREADABLE,
        ) from error


def template(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The pod template of a workload."""
    found: Mapping[str, Any] = entry["spec"]["template"]
    return found


def containers(pod_template: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All containers of a pod template with their JSON pointers below it, init containers first."""
    for member in CONTAINER_LISTS:
        for index, one in enumerate(pod_template["spec"].get(member) or ()):
            yield f"/spec/{member}/{index}", one


def version(entry: Mapping[str, Any]) -> str:
    """The mark of a configuration: it changes with the pod template alone, and with another object of this name.

    `metadata.generation` would also change with every scaling and every annotation.
    """
    return _hash([entry["metadata"]["uid"], template(entry)])[:16]


def instances(entry: Mapping[str, Any], kind: WorkloadKind) -> int:
    """How many pods it should have."""
    if kind is DAEMON_SET:
        return int((entry.get("status") or {}).get("desiredNumberScheduled", 0))
    return int(entry["spec"].get("replicas", 1))


def images(entry: Mapping[str, Any]) -> dict[str, str]:
    """By container, the image references."""
    return {str(one["name"]): str(one["image"]) for _, one in containers(template(entry))}


def _marks(pod_template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fingerprints of the members of a pod template, images aside."""
    metadata = pod_template.get("metadata") or {}
    for key in ("labels", "annotations"):
        if metadata.get(key):
            yield f"pod {key}", _hash(metadata[key])
    for key, member in pod_template["spec"].items():
        if key not in CONTAINER_LISTS and member not in (None, [], {}):
            yield f"pod {key}", _hash(member)
    for _, one in containers(pod_template):
        yield f"container {one['name']}", _hash({key: value for key, value in one.items() if key != "image"})


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _same_repository(read: App, image: str) -> tuple[str, ...]:
    repository = _repository(image)
    return tuple(one.name for one in read.containers if _repository(one.image) == repository)


def _repository(image: str) -> str:
    try:
        return str(Reference.parse(image).at(""))
    except BadInput:  # the API server accepts nearly any text
        return image


def _start_grace_s(entry: Mapping[str, Any]) -> float:
    """How long a new pod may take until it is available, by its probes and `minReadySeconds`."""
    longest = 0.0
    for _, one in containers(template(entry)):
        started = _probe_s(one.get("startupProbe"), failures=True)
        longest = max(longest, started + _probe_s(one.get("readinessProbe"), failures=False))
    return longest + float(entry["spec"].get("minReadySeconds", 0))


def _probe_s(probe: Mapping[str, Any] | None, *, failures: bool) -> float:
    if not probe:
        return 0.0
    times = int(probe.get("failureThreshold", _PROBE_FAILURES)) if failures else 1
    return float(probe.get("initialDelaySeconds", 0)) + times * float(probe.get("periodSeconds", _PROBE_PERIOD_S))
