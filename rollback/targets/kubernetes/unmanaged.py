"""What runs images in a namespace and is none of its apps: CronJobs, Jobs, Argo Rollouts, pods of anything else.

They are named in a plan and never changed: a CronJob has no rollout, the template of a Job cannot be changed, and a
Rollout would go through all the steps of its own strategy again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from rollback.core.apps import App, Container
from rollback.targets.capabilities import Unmanaged
from rollback.targets.kubernetes import pods, workloads
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.api_errors import Forbidden, NotFound
from rollback.targets.kubernetes.workloads import KINDS

_ARGO_ROLLOUTS = "/apis/argoproj.io/v1alpha1"
_TITLES = {kind.title for kind in KINDS.values()}


def read(
    api: KubernetesApi,
    namespace: str,
    managed: Collection[str],
    list_pods: Callable[[str], Iterable[Mapping[str, Any]]],
) -> Unmanaged:
    """Read everything that runs an image in a namespace and is none of its apps.

    Four requests, and one more where there are Argo Rollouts.

    Args:
        api: how the cluster is reached.
        namespace: its name.
        managed: ids of its apps.
        list_pods: returns the pods of a namespace.

    Raises:
        TargetError: the API server cannot be queried; what the user may not read is named instead.
    """
    found = UnmanagedWorkloads(namespace, managed)
    not_looked_at = []
    for title, path, add in (
        ("CronJobs", f"/apis/batch/v1/namespaces/{namespace}/cronjobs", found.add_cron_jobs),
        ("Jobs", f"/apis/batch/v1/namespaces/{namespace}/jobs", found.add_jobs),
        ("Argo Rollouts", f"{_ARGO_ROLLOUTS}/namespaces/{namespace}/rollouts", found.add_rollouts),
    ):
        what = f"the {title} of {namespace} cannot be read"
        try:
            if not path.startswith(_ARGO_ROLLOUTS) or _has_rollouts(api, what):
                add(api.list(path, what))
        except Forbidden as error:
            not_looked_at.append(f"{title} of {namespace}: {error.why}")
        except NotFound:  # there is no such kind, so there are none
            pass
    try:
        found.add_pods(list_pods(namespace))
    except Forbidden as error:
        not_looked_at.append(f"pods of {namespace}: {error.why}")
    return Unmanaged(found.apps, tuple(not_looked_at))


def _has_rollouts(api: KubernetesApi, what: str) -> bool:
    """Whether the cluster knows the kind; without the right to list it, that of a kind that is not there is 403."""
    known = api.get(_ARGO_ROLLOUTS, what).get("resources") or ()
    return any(one.get("name") == "rollouts" for one in known)


class UnmanagedWorkloads:
    """Collects what runs images in a namespace and is not among its apps.

    Args:
        namespace: its name.
        managed: ids of its apps.
    """

    def __init__(self, namespace: str, managed: Collection[str]) -> None:
        self._namespace, self._managed = namespace, managed
        self._found: dict[str, tuple[str, list[Container]]] = {}

    @property
    def apps(self) -> tuple[App, ...]:
        """Everything that was found, one app for each owner."""
        return tuple(
            App(app_id, "", "", 0, checked=False, containers=tuple(containers), unmanaged=reason)
            for app_id, (reason, containers) in self._found.items()
        )

    def add_cron_jobs(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take CronJobs into account; suspended ones, too: they go on with their image one day."""
        for entry in entries:
            words = "a suspended CronJob" if entry["spec"].get("suspend") else "a CronJob"
            self._add("cronjob", entry, words, entry["spec"]["jobTemplate"]["spec"]["template"])

    def add_jobs(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take Jobs into account that have not ended."""
        for entry in entries:
            ended = any(pods.condition(entry, kind).get("status") == "True" for kind in ("Complete", "Failed"))
            if not ended:
                kind, name = pods.controller(entry)
                self._add("job", entry, f"a Job of {kind} {name}" if kind else "a Job", workloads.template(entry))

    def add_rollouts(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take Argo Rollouts into account; one that refers to a Deployment has no images of its own."""
        for entry in entries:
            if entry["spec"].get("template"):
                self._add("rollout", entry, "an Argo Rollout", workloads.template(entry))

    def add_pods(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take pods into account that have not ended and belong to none of the apps."""
        for pod in entries:
            if pods.is_over(pod) or pods.is_terminating(pod):
                continue
            kind, name = pods.belongs_to(pod)
            app_id = f"{self._namespace}/{kind.lower()}/{name}"
            if app_id in self._managed:
                continue
            words = f"a {kind}" if kind not in _TITLES else f"a {kind} that is not looked after: see kinds"
            self._keep(app_id, words, pod)

    def _add(self, kind: str, entry: Mapping[str, Any], words: str, template: Mapping[str, Any]) -> None:
        self._keep(f"{self._namespace}/{kind}/{entry['metadata']['name']}", words, template)

    def _keep(self, app_id: str, words: str, template: Mapping[str, Any]) -> None:
        """Remember the images of a pod template, or of a pod; several pods of one owner may run different ones."""
        _, containers = self._found.setdefault(app_id, (words, []))
        known = {one.image for one in containers}
        for _, one in workloads.containers(template):
            if one["image"] not in known:
                containers.append(Container(f"{len(containers)} {one['name']}", str(one["image"])))
