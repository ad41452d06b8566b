"""The rights that `deploy/kubernetes/rbac.yaml` gives are those that rollback needs, and no others."""

from __future__ import annotations

import itertools

from tests.support.kubernetes.cluster import Namespace

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = {
    "apps": ("deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"),
    "": ("pods", "events", "configmaps", "secrets", "namespaces", "services", "serviceaccounts", "nodes"),
    "batch": ("jobs", "cronjobs"),
    "argoproj.io": ("rollouts",),
    "rbac.authorization.k8s.io": ("roles", "rolebindings"),
}
WORKLOADS = ("deployments", "statefulsets", "daemonsets")
ALLOWED = {
    *itertools.product(("get", "list"), RESOURCES["apps"]),
    *itertools.product(("get", "list"), ("pods", "events")),
    *itertools.product(("list",), ("jobs", "cronjobs", "rollouts")),
    *itertools.product(("patch",), WORKLOADS),
    ("delete", "pods"),
    ("create", "configmaps"),
    ("get", "namespaces"),
}


def allowed(
    namespace: Namespace, verb: str, group: str, resource: str, name: str = "", subresource: str = ""
) -> bool:
    name = name or (namespace.name if resource == "namespaces" else "")
    return namespace.allows("rollback", verb, group, resource, name=name, subresource=subresource)


def test_exactly_the_listed_rights_are_given(namespace: Namespace) -> None:
    given = {
        (verb, resource)
        for group, resources in RESOURCES.items()
        for resource in resources
        for verb in VERBS
        if allowed(namespace, verb, group, resource)
    }

    assert given == ALLOWED


def test_only_the_lock_and_the_freeze_may_be_read_and_changed(namespace: Namespace) -> None:
    for verb, name in itertools.product(("get", "update", "patch", "delete"), ("rollback-lock", "rollback-freeze")):
        assert allowed(namespace, verb, "", "configmaps", name), (verb, name)
    for verb in ("get", "update", "patch", "delete"):
        assert not allowed(namespace, verb, "", "configmaps", "settings-of-a-service"), verb


def test_nothing_is_run_in_a_container_and_no_other_namespace_is_reached(namespace: Namespace) -> None:
    assert not allowed(namespace, "create", "", "pods", subresource="exec")
    with namespace.cluster.namespace() as other:
        namespace.cluster.admin.request(
            "DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{other.name}/rolebindings/rollback"
        )
        other.wait_until(lambda: not allowed(other, "list", "apps", "deployments"))
