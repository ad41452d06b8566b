"""The target `kubernetes` with several namespaces on an API server in memory: apps, identity, lock and freeze."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.errors import TargetError
from rollback.system.unix_http import HttpAnswer
from rollback.targets import kubernetes
from rollback.targets.kubernetes.api_errors import NotFound
from rollback.targets.kubernetes.transport import KubernetesRequest
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import OLD, Make, pod_template

FIRST, SECOND = "a-shop", "b-shop"
OURS, THEIRS = {"run": "ours"}, {"run": "theirs"}


@pytest.fixture
def both(api: MemoryApi, make: Make) -> kubernetes.Kubernetes:
    """A target of two namespaces, which the settings have in another order."""
    for name in (FIRST, SECOND):
        api.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name, "uid": f"uid of {name}"}}
    return make(namespace=[SECOND, FIRST])


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def holders(api: MemoryApi) -> dict[str, Any]:
    """By namespace, what is in its lock."""
    return {path.split("/")[4]: one["data"]["lock"] for path, one in api.objects.items() if "rollback-lock" in path}


def test_apps_of_all_namespaces_are_read_and_the_identity_is_that_of_all(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    for name in (FIRST, SECOND):
        collection = f"/apis/apps/v1/namespaces/{name}/deployments"
        api.add(collection, "web", metadata={"namespace": name}, spec={"replicas": 1, "template": pod_template(OLD)})

    both.login()

    assert sorted(app.id for app in both.apps("prod")) == [f"{FIRST}/deployment/web", f"{SECOND}/deployment/web"]
    assert both.identity() == f"kubernetes uid of {FIRST} uid of {SECOND}"


def test_a_namespace_without_workloads_is_believed_only_if_it_exists(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    assert both.apps("prod") == ()

    del api.objects[f"/api/v1/namespaces/{SECOND}"]

    with pytest.raises(NotFound, match=f"the namespace {SECOND} cannot be read"):
        both.apps("prod")


def test_a_lock_is_made_in_every_namespace_in_one_order_and_goes_from_all(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    lock = both.marker_id("rollback-lock", "prod")

    made = both.place(lock, OURS)

    assert made
    created = [request.path for request in api.requests if request.method == "POST"]
    assert created == [config_maps(FIRST), config_maps(SECOND)]
    assert both.labels(lock) == OURS
    both.remove(lock)
    assert holders(api) == {}


def test_a_lock_that_one_namespace_refuses_is_released_in_the_others(
    api: MemoryApi, both: kubernetes.Kubernetes, make: Make
) -> None:
    other = make(namespace=SECOND)
    other.place(other.marker_id("rollback-lock", "stage"), THEIRS)
    lock = both.marker_id("rollback-lock", "prod")

    made = both.place(lock, OURS)

    assert not made
    assert both.labels(lock) == THEIRS
    assert set(holders(api)) == {SECOND}


def test_a_lock_that_one_namespace_has_no_right_for_is_released_in_the_others(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    api.forbidden.add(config_maps(SECOND))

    with pytest.raises(TargetError, match=f"rollback-lock of {SECOND} cannot be created"):
        both.place(both.marker_id("rollback-lock", "prod"), OURS)

    assert holders(api) == {}


def test_taking_over_what_a_dead_run_left_spares_the_lock_of_a_run_in_another_namespace(
    api: MemoryApi, both: kubernetes.Kubernetes, make: Make
) -> None:
    dead, living = make(namespace=FIRST), make(namespace=SECOND)
    dead.place(dead.marker_id("rollback-lock", "prod"), {"run": "dead"})
    living.place(living.marker_id("rollback-lock", "prod"), THEIRS)
    lock = both.marker_id("rollback-lock", "prod")

    both.remove(lock)
    made = both.place(lock, OURS)

    assert not made
    assert both.labels(lock) == THEIRS
    assert set(holders(api)) == {SECOND}


def test_a_lock_that_another_run_makes_while_ours_is_removed_stays(
    api: MemoryApi, both: kubernetes.Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, answer = both.marker_id("rollback-lock", "prod"), api.send
    both.place(lock, OURS)

    def replaced(request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        found = api.objects.get(request.path)
        if request.method == "DELETE" and found and '"ours"' in found["data"]["lock"]:
            api.objects[request.path] = {
                **found,
                "data": {"lock": '{"run": "theirs"}'},
                "metadata": {**found["metadata"], "uid": "another"},
            }
        return answer(request, timeout_s)

    monkeypatch.setattr(api, "send", replaced)

    both.remove(lock)

    assert set(holders(api)) == {FIRST, SECOND}
    assert both.labels(lock) == THEIRS


def test_environments_that_share_a_namespace_have_one_lock_and_a_freeze_each(api: MemoryApi, make: Make) -> None:
    prod, stage = make("prod"), make("stage")
    freezes = [one.marker_id("rollback-freeze", env) for one, env in ((prod, "prod"), (stage, "stage"))]
    placed = [prod.place(freezes[0], {"by": "alice"}), stage.place(freezes[1], {"by": "bob"})]

    prod.remove(freezes[0])
    locked = [one.place(one.marker_id("rollback-lock", env), OURS) for one, env in ((prod, "prod"), (stage, "stage"))]

    assert placed == [True, True]
    assert prod.labels(freezes[0]) is None
    assert stage.labels(freezes[1]) == {"by": "bob"}
    assert locked == [True, False]
