"""The control plane and its stand-in kubelets do what tests of the target rely on."""

from __future__ import annotations

import json

import pytest

from tests.support.kubernetes import image_behavior
from tests.support.kubernetes.client import Client, RequestFailed
from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.image_behavior import ImageBehavior

GOOD, BAD = "registry.example.com/shop/web:1", "registry.example.com/shop/web:2"
KINDS = ["Deployment", "StatefulSet", "DaemonSet"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_workload_comes_up_and_takes_another_image(namespace: Namespace, kind: str) -> None:
    namespace.create(kind, "web", GOOD)
    namespace.wait_until_up(kind, "web")

    namespace.set_image(kind, "web", BAD)
    namespace.wait_until_up(kind, "web")

    namespace.wait_until(lambda: {pod["spec"]["containers"][0]["image"] for pod in namespace.pods()} == {BAD})
    statuses = [pod["status"]["containerStatuses"][0] for pod in namespace.pods()]
    assert len(statuses) == 2
    assert all(status["imageID"].startswith("registry.example.com/shop/web@sha256:") for status in statuses)


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        (image_behavior.CRASHES, "CrashLoopBackOff"),
        (image_behavior.dies(0.5), "CrashLoopBackOff"),
        (image_behavior.UNPULLABLE, "ImagePullBackOff"),
        (image_behavior.MISCONFIGURED, "CreateContainerConfigError"),
    ],
    ids=["crashes", "dies later", "unpullable", "misconfigured"],
)
def test_a_broken_image_is_reported_with_its_reason(
    namespace: Namespace, behavior: ImageBehavior, reason: str
) -> None:
    namespace.set_behavior(BAD, behavior)
    namespace.create("Deployment", "web", BAD)

    namespace.wait_until_waiting(reason)


def test_an_image_that_is_never_ready_runs_and_is_not_available(namespace: Namespace) -> None:
    namespace.set_behavior(BAD, image_behavior.NEVER_READY)
    namespace.create("Deployment", "web", BAD, replicas=1)

    def running() -> list[bool]:
        statuses = [status for pod in namespace.pods() for status in pod["status"].get("containerStatuses", ())]
        return [status["ready"] for status in statuses if "running" in status["state"]]

    namespace.wait_until(running)
    assert running() == [False]
    assert "availableReplicas" not in namespace.get("Deployment", "web")["status"]


def test_a_behavior_that_changes_reaches_containers_that_already_run(namespace: Namespace) -> None:
    namespace.set_behavior(BAD, image_behavior.NEVER_READY)
    namespace.create("Deployment", "web", BAD)
    namespace.wait_until(lambda: namespace.get("Deployment", "web").get("status", {}).get("unavailableReplicas"))

    namespace.set_behavior(BAD, image_behavior.HEALTHY)

    namespace.wait_until_up("Deployment", "web")


def test_a_slow_image_becomes_ready_in_the_end(namespace: Namespace) -> None:
    namespace.set_behavior(BAD, image_behavior.slow(1))
    namespace.create("Deployment", "web", BAD)

    namespace.wait_until_up("Deployment", "web")


def test_a_pod_that_lingers_stays_while_it_ends(namespace: Namespace) -> None:
    namespace.set_behavior(GOOD, image_behavior.lingers(1000))
    namespace.create("Deployment", "web", GOOD)
    namespace.wait_until_up("Deployment", "web")

    namespace.set_image("Deployment", "web", BAD)
    namespace.wait_until_up("Deployment", "web")
    ending = [pod for pod in namespace.pods() if "deletionTimestamp" in pod["metadata"]]
    assert {pod["spec"]["containers"][0]["image"] for pod in ending} == {GOOD}

    namespace.set_behavior(GOOD, image_behavior.HEALTHY)
    namespace.wait_until(lambda: not any("deletionTimestamp" in pod["metadata"] for pod in namespace.pods()))


def test_an_init_container_runs_first_and_can_fail(namespace: Namespace) -> None:
    init = "registry.example.com/shop/migrate:2"
    namespace.set_behavior(init, image_behavior.CRASHES)
    namespace.create("Deployment", "web", GOOD, pod={"initContainers": [{"name": "migrate", "image": init}]})
    namespace.wait_until_waiting("CrashLoopBackOff")
    assert all(not pod["status"].get("containerStatuses") for pod in namespace.pods())

    namespace.set_behavior(init, image_behavior.HEALTHY)

    namespace.wait_until_up("Deployment", "web")


def test_behaviors_are_found_for_images_that_are_pinned_by_digest(namespace: Namespace) -> None:
    digest = "sha256:" + "a" * 64
    namespace.set_behavior(BAD, image_behavior.UNPULLABLE)
    namespace.create("Deployment", "web", f"{BAD}@{digest}", replicas=1)

    namespace.wait_until_waiting("ImagePullBackOff")


def test_a_pod_that_fits_nowhere_is_unschedulable_in_the_schedulers_words(namespace: Namespace) -> None:
    huge = {"name": "main", "image": GOOD, "resources": {"requests": {"cpu": "100"}}}
    namespace.create("Deployment", "web", GOOD, pod={"containers": [huge]})

    namespace.wait_until(lambda: "Insufficient cpu" in json.dumps(namespace.pods()))


def test_the_rights_of_users_are_enforced(namespace: Namespace) -> None:
    namespace.create("Deployment", "web", GOOD)
    viewer = Client(namespace.cluster.kubeconfig("viewer"))
    assert viewer.request("GET", namespace.path("Deployment", "web"))["metadata"]["name"] == "web"

    with pytest.raises(RequestFailed, match="forbidden") as refused:
        viewer.request("DELETE", namespace.path("Deployment", "web"))

    assert refused.value.status == 403


def test_the_api_server_restarts_and_keeps_what_it_had(own_cluster: Cluster) -> None:
    with own_cluster.namespace() as namespace:
        namespace.create("Deployment", "web", GOOD)

        own_cluster.restart_api_server()

        namespace.wait_until_up("Deployment", "web")
