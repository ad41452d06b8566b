"""The target `kubernetes` with several namespaces on an API server in memory: apps, identity, lock and freeze."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from rollback.errors import Failed, Refused, TargetError
from rollback.state import freeze
from rollback.state import lock as lock_module
from rollback.state.freeze import EnvironmentState, Unfinished, Withdrawn
from rollback.state.lock import MarkerLock
from rollback.state.state_store import TargetStateStore
from rollback.system.unix_http import HttpAnswer
from rollback.targets import kubernetes
from rollback.targets.kubernetes.api_errors import NotFound
from rollback.targets.kubernetes.transport import KubernetesRequest
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import OLD, Make, pod_template

FIRST, SECOND = "a-shop", "b-shop"
OURS, THEIRS = {"run": "ours", "host": "h1"}, {"run": "theirs", "host": "h2"}
WITHDRAWN = Withdrawn("shop/web:2", "ann", "2026-11-22T04:00:00Z", "", "r1")
UNFINISHED = Unfinished("r2", "bob", "h2", "/dump", "2026-11-22T05:00:00Z")
FREEZE = freeze.make("bob", "", "r2", datetime(2026, 11, 22, 5, tzinfo=timezone.utc), 3600)


@pytest.fixture
def both(api: MemoryApi, make: Make) -> kubernetes.Kubernetes:
    """A target of two namespaces, which the settings have in another order."""
    for name in (FIRST, SECOND):
        api.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name, "uid": f"uid of {name}"}}
    return make(namespace=[SECOND, FIRST])


def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def runs(api: MemoryApi) -> dict[str, str]:
    """By namespace, the run that holds its lock."""
    locks = {path.split("/")[4]: one["data"]["lock"] for path, one in api.objects.items() if "rollback-lock" in path}
    return {namespace: json.loads(text)["run"] for namespace, text in locks.items()}


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


def marker_lock(target: kubernetes.Kubernetes, holder: dict[str, str], *, steal: bool = False) -> MarkerLock:
    return MarkerLock(target, target.marker_ids("rollback-lock", "prod"), "prod", holder, steal=steal)


def claimed(target: kubernetes.Kubernetes, holder: dict[str, str], *, steal: bool = False) -> MarkerLock:
    one = marker_lock(target, holder, steal=steal)
    one.claim()
    return one


def state(target: kubernetes.Kubernetes) -> TargetStateStore:
    return TargetStateStore(target, target.marker_ids("rollback-freeze", "prod"))


def test_a_lock_is_made_in_every_namespace_in_one_order_and_goes_from_all(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    lock = claimed(both, OURS)

    created = [request.path for request in api.requests if request.method == "POST"]
    assert created == [config_maps(FIRST), config_maps(SECOND)]
    assert runs(api) == {FIRST: "ours", SECOND: "ours"}
    assert lock.release() == ""
    assert runs(api) == {}


@pytest.mark.parametrize("stolen", [FIRST, SECOND])
def test_a_lock_that_is_stolen_in_one_namespace_is_lost_and_spares_the_thief(
    api: MemoryApi, both: kubernetes.Kubernetes, make: Make, monkeypatch: pytest.MonkeyPatch, stolen: str
) -> None:
    monkeypatch.setattr(lock_module, "_LOOK_EVERY_S", 0)
    ours = claimed(both, OURS)
    thief = claimed(make(namespace=stolen), THEIRS, steal=True)
    before = len(api.requests)

    assert ours.lost()
    assert len(api.requests) - before <= 2
    assert not thief.lost()
    assert ours.release() == ""
    assert runs(api) == {stolen: "theirs"}


def test_a_lock_that_one_namespace_refuses_is_released_in_the_others(
    api: MemoryApi, both: kubernetes.Kubernetes, make: Make
) -> None:
    claimed(make(namespace=SECOND), THEIRS)
    lock = marker_lock(both, OURS)

    with pytest.raises(Refused, match="prod is being rolled back") as caught:
        lock.claim()

    assert "run theirs" in caught.value.why
    assert lock.release() == ""
    assert runs(api) == {SECOND: "theirs"}


def test_a_lock_that_one_namespace_has_no_right_for_is_released_in_the_others(
    api: MemoryApi, both: kubernetes.Kubernetes
) -> None:
    api.forbidden.add(config_maps(SECOND))
    lock = marker_lock(both, OURS)

    with pytest.raises(TargetError, match=f"rollback-lock of {SECOND} cannot be created"):
        lock.claim()

    assert lock.release() == ""
    assert runs(api) == {}


def test_taking_over_what_a_dead_run_left_spares_the_lock_of_a_run_in_another_namespace(
    api: MemoryApi, both: kubernetes.Kubernetes, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "_is_dead", lambda other, _host: other["run"] == "dead")
    claimed(make(namespace=FIRST), {**OURS, "run": "dead"})
    claimed(make(namespace=SECOND), THEIRS)
    lock = marker_lock(both, OURS)

    with pytest.raises(Refused) as caught:
        lock.claim()

    assert "run theirs" in caught.value.why
    assert lock.release() == ""
    assert runs(api) == {SECOND: "theirs"}


def test_a_lock_that_another_run_makes_while_ours_is_removed_stays(
    api: MemoryApi, both: kubernetes.Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, answer = claimed(both, OURS), api.send

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

    assert lock.release() == ""
    assert runs(api) == {FIRST: "theirs", SECOND: "theirs"}


@pytest.mark.parametrize("alone", [FIRST, SECOND])
def test_a_freeze_and_a_run_that_one_namespace_alone_has_count_for_all(
    both: kubernetes.Kubernetes, make: Make, alone: str
) -> None:
    state(both).change(lambda _: EnvironmentState(None, (WITHDRAWN,)))
    state(make(namespace=alone)).change(lambda before: freeze.begun(before, UNFINISHED, FREEZE))

    found = state(both).load()

    assert found == EnvironmentState(FREEZE, (WITHDRAWN,), (UNFINISHED,))
    state(both).change(freeze.thawed)
    assert [state(make(namespace=one)).load().freeze for one in (FIRST, SECOND)] == [None, None]


@pytest.mark.parametrize("damaged", [FIRST, SECOND])
def test_a_freeze_that_is_damaged_in_one_namespace_is_an_error(
    api: MemoryApi, both: kubernetes.Kubernetes, damaged: str
) -> None:
    state(both).change(lambda _: EnvironmentState(None, (WITHDRAWN,)))
    api.objects[f"{config_maps(damaged)}/rollback-freeze"]["data"]["prod"] = "torn"

    with pytest.raises(Failed, match=f"{damaged}/configmap/rollback-freeze/prod cannot be read"):
        state(both).load()


@pytest.mark.usefixtures("api")
def test_environments_that_share_a_namespace_have_one_lock_and_a_freeze_each(make: Make) -> None:
    prod, stage = make("prod"), make("stage")
    freezes = [one.marker_ids("rollback-freeze", env)[0] for one, env in ((prod, "prod"), (stage, "stage"))]
    placed = [prod.place(freezes[0], {"by": "alice"}), stage.place(freezes[1], {"by": "bob"})]

    prod.remove(freezes[0], {})
    locks = [one.marker_ids("rollback-lock", env)[0] for one, env in ((prod, "prod"), (stage, "stage"))]
    locked = [prod.place(locks[0], OURS), stage.place(locks[1], OURS)]

    assert placed == [True, True]
    assert prod.labels(freezes[0]) is None
    assert stage.labels(freezes[1]) == {"by": "bob"}
    assert locked == [True, False]


def test_a_freeze_that_another_environment_adds_while_ours_is_removed_stays(
    api: MemoryApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    prod, stage, answer = make("prod"), make("stage"), api.send
    freezes = [one.marker_ids("rollback-freeze", env)[0] for one, env in ((prod, "prod"), (stage, "stage"))]
    prod.place(freezes[0], {"by": "alice"})

    def overtaken(request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        if request.method == "DELETE":
            monkeypatch.setattr(api, "send", answer)
            assert stage.place(freezes[1], {"by": "bob"})
        return answer(request, timeout_s)

    monkeypatch.setattr(api, "send", overtaken)

    assert prod.remove(freezes[0], {})
    assert prod.labels(freezes[0]) is None
    assert stage.labels(freezes[1]) == {"by": "bob"}
