"""The target `kubernetes` on an API server in memory: how many requests it sends, and what it writes."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.core.apps import App, Change
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.system.unix_http import HttpAnswer, NotSent
from rollback.targets import kubernetes
from rollback.targets.base import Level
from rollback.targets.kubernetes.transport import KubernetesRequest
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import (
    APPS,
    BATCH,
    NEW,
    OLD,
    PODS,
    ROLLOUTS,
    Make,
    fleet,
    owned,
    pod_template,
    workload,
)


@pytest.mark.parametrize("number", [200, 700])
def test_a_plan_reads_each_collection_once_and_tries_each_change_once(
    api: MemoryApi, make: Make, number: int
) -> None:
    """At most 12 requests that read, and one per further 500 objects; all that a plan can want of a target."""
    fleet(api, number)
    api.objects[ROLLOUTS] = {"resources": [{"name": "rollouts"}]}
    target = make()

    target.login()
    apps = target.apps("prod")
    beside = target.unmanaged()
    target.running_digests(apps)
    moments = [target.image_at(app.id, Instant.parse("2026-11-21T23:00:00Z")) for app in apps]
    changes = [Change(app, OLD) for app in apps[:7]]
    target.check_changes(changes)
    target.identity()

    assert (len(apps), beside.apps, beside.not_looked_at) == (number, (), ())
    assert {moment.containers[0].image for moment in moments if moment} == {OLD}
    assert len(moments) == number
    assert len(api.reads) <= 12 + (len(api.objects) - 500) // 500
    assert sorted(api.dry_runs) == sorted(f"{APPS}/{plural(change.app)}" for change in changes)
    assert api.writes == []


def plural(app: App) -> str:
    _, kind, name = app.id.split("/")
    return f"{kind}s/{name}"


def test_a_look_asks_for_each_kind_the_pods_and_at_most_one_thing_more(api: MemoryApi, make: Make) -> None:
    fleet(api, 200)
    target = make()
    ids = [app.id for app in target.apps("prod")]

    counts = []
    for _ in range(4):
        api.requests.clear()
        assert len(target.status(ids)) == 200
        counts.append(len(api.requests))

    assert max(counts) <= 3 + 2


def test_a_run_sends_one_write_per_changed_workload_and_reads_nothing_for_it(api: MemoryApi, make: Make) -> None:
    fleet(api, 40)
    target = make()
    changes = [Change(app, OLD) for app in target.apps("prod")]
    api.requests.clear()

    for change in changes:
        target.update([change])

    assert len(api.writes) == len(api.requests) == 40
    assert kubernetes.KIND.parallel == 16


def test_what_runs_an_image_and_is_no_app_is_named_with_what_it_is(api: MemoryApi, make: Make) -> None:
    job = {"template": pod_template()}
    api.objects[ROLLOUTS] = {"resources": [{"name": "rollouts"}]}
    api.add(f"{APPS}/deployments", "web", **workload())
    api.add(f"{BATCH}/cronjobs", "report", spec={"jobTemplate": {"spec": job}})
    api.add(f"{BATCH}/cronjobs", "sleeping", spec={"suspend": True, "jobTemplate": {"spec": job}})
    api.add(f"{BATCH}/jobs", "report-1", spec=job, metadata=owned("CronJob", "report"))
    api.add(f"{BATCH}/jobs", "over", spec=job, status={"conditions": [{"type": "Complete", "status": "True"}]})
    api.add(f"{ROLLOUTS}/namespaces/shop/rollouts", "canary", spec={"template": pod_template()})
    pods: list[tuple[str, dict[str, Any], str]] = [
        ("web-5d9-x", owned("ReplicaSet", "web-5d9", **{"pod-template-hash": "5d9"}), NEW),
        ("canary-7f-x", owned("ReplicaSet", "canary-7f", **{"rollouts-pod-template-hash": "7f"}), OLD),
        ("bare-1", owned("ReplicaSet", "bare"), NEW),
        ("gone-6c-x", owned("ReplicaSet", "gone-6c", **{"pod-template-hash": "6c"}), NEW),
        ("db-0", owned("PostgresCluster", "db"), NEW),
        ("by-hand", {}, NEW),
        ("static", owned("Node", "n1"), NEW),
        ("agent-x", owned("DaemonSet", "agent"), NEW),
    ]
    for name, meta, image in pods:
        api.add(PODS, name, spec=pod_template(image)["spec"], metadata=meta)
    api.add(PODS, "ended", spec=pod_template()["spec"], status={"phase": "Succeeded"})
    target = make(kinds=["deployments", "statefulsets"])
    target.apps("prod")

    found = {app.id: (app.unmanaged, [part.image for part in app.parts]) for app in target.unmanaged().apps}

    assert found == {
        "shop/cronjob/report": ("a CronJob", [NEW]),
        "shop/cronjob/sleeping": ("a suspended CronJob", [NEW]),
        "shop/job/report-1": ("a Job of CronJob report", [NEW]),
        "shop/rollout/canary": ("an Argo Rollout", [NEW, OLD]),
        "shop/replicaset/bare": ("a ReplicaSet", [NEW]),
        "shop/deployment/gone": ("a Deployment that is not looked after: see kinds", [NEW]),
        "shop/postgrescluster/db": ("a PostgresCluster", [NEW]),
        "shop/pod/by-hand": ("a Pod", [NEW]),
        "shop/pod/static": ("a Pod", [NEW]),
        "shop/daemonset/agent": ("a DaemonSet that is not looked after: see kinds", [NEW]),
    }


def test_what_may_not_be_read_is_not_looked_at_which_is_not_none(api: MemoryApi, make: Make) -> None:
    api.add(f"{APPS}/deployments", "web", **workload())
    api.objects[ROLLOUTS] = {"resources": [{"name": "rollouts"}]}
    api.forbidden = {f"{BATCH}/cronjobs", PODS, f"{ROLLOUTS}/namespaces/shop/rollouts"}
    target = make()
    target.apps("prod")

    found = target.unmanaged().not_looked_at

    assert [words.partition(":")[0] for words in found] == [
        "CronJobs of shop",
        "Argo Rollouts of shop",
        "pods of shop",
    ]
    assert all("cannot list" in words for words in found)


@pytest.mark.parametrize(
    ("image_ids", "digest"),
    [
        (["r.example.com/shop/web@sha256:a", "docker-pullable://mirror/web@sha256:a"], "sha256:a"),
        (["r.example.com/shop/web@sha256:a", ""], "sha256:a"),  # one could not be pulled yet
        (["r.example.com/shop/web@sha256:a", "r.example.com/shop/web@sha256:b"], None),
        (["r.example.com/shop/web@sha256:a", "sha256:a"], None),  # that of a configuration
        ([""], None),
        ([], None),
    ],
)
def test_the_image_that_all_pods_report_is_known_by_digest(
    api: MemoryApi, make: Make, image_ids: list[str], digest: str | None
) -> None:
    api.add(f"{APPS}/deployments", "web", **workload())
    meta = owned("ReplicaSet", "web-5d9", **{"pod-template-hash": "5d9"})
    for number, image_id in enumerate(image_ids):
        status = {"containerStatuses": [{"name": "c0", "imageID": image_id}]}
        api.add(PODS, f"web-5d9-{number}", spec=pod_template()["spec"], metadata=meta, status=status)
    older = {"containerStatuses": [{"name": "c0", "imageID": "r.example.com/shop/web@sha256:older"}]}
    api.add(PODS, "web-5d9-old", spec=pod_template(OLD)["spec"], metadata=meta, status=older)
    target = make()

    found = target.running_digests(target.apps("prod"))

    assert found == ({"shop/deployment/web": digest} if digest else {})


@pytest.mark.parametrize(
    ("forbidden", "unverifiable"),
    [
        ("pods", {"deployment", "statefulset", "daemonset"}),
        ("replicasets", {"deployment"}),
        ("controllerrevisions", {"daemonset"}),
    ],
)
def test_a_change_that_could_not_be_watched_is_refused_before_it_is_written(
    api: MemoryApi, make: Make, forbidden: str, unverifiable: set[str]
) -> None:
    fleet(api, 3)
    api.forbidden = {PODS if forbidden == "pods" else f"{APPS}/{forbidden}"}
    target = make()

    remarks = target.check_changes([Change(app, OLD) for app in target.apps("prod")])

    refused = [remark for remark in remarks if remark.blocks]
    assert {remark.app.split("/")[1] for remark in refused} == unverifiable
    assert all(remark.what.startswith("it could not be verified: the ") for remark in refused)
    assert all(f"cannot list {forbidden}" in remark.why and "rbac.yaml" in remark.hint for remark in refused)


def test_no_right_to_list_rollouts_says_nothing_where_there_is_no_such_kind(api: MemoryApi, make: Make) -> None:
    api.forbidden = {f"{ROLLOUTS}/namespaces/shop/rollouts"}

    assert make().unmanaged().not_looked_at == ()


def test_a_failed_change_goes_back_to_its_whole_captured_template(api: MemoryApi, make: Make) -> None:
    api.add(f"{APPS}/deployments", "web", **workload(NEW, "r.example.com/proxy:1"))
    target = make()
    (app,) = target.apps("prod")

    target.update([Change(app, OLD, run="20261122-prod-1")])
    target.update([Change(app, app.image, run="20261122-prod-1")])

    forward, back = api.writes
    whole = {"op": "replace", "path": "/spec/template", "value": pod_template(NEW, "r.example.com/proxy:1")}
    assert whole in back
    assert {"op": "test", "path": "/spec/template", "value": pod_template(OLD, "r.example.com/proxy:1")} in back
    assert forward[-1]["value"] == {
        "kubernetes.io/change-cause": f"rollback 20261122-prod-1: c0 {NEW} -> {OLD}",
    }
    assert back[-1]["value"] == f"rollback 20261122-prod-1: c0 {OLD} -> {NEW}"


def test_what_somebody_else_changed_since_our_write_is_not_put_back(api: MemoryApi, make: Make) -> None:
    api.add(f"{APPS}/deployments", "web", **workload())
    target = make()
    (app,) = target.apps("prod")
    target.update([Change(app, OLD)])
    api.objects[f"{APPS}/deployments/web"]["spec"]["template"]["metadata"]["labels"] = {"by": "somebody"}
    target.status([app.id])

    with pytest.raises(TargetError, match="was not changed") as caught:
        target.update([Change(app, app.image)])

    assert "somebody else has changed its pod template" in caught.value.why
    assert len(api.writes) == 1


def test_the_first_annotation_that_a_workload_gets_meanwhile_does_not_forbid_a_change(
    api: MemoryApi, make: Make
) -> None:
    entry = api.add(f"{APPS}/deployments", "web", **workload(OLD))
    target = make()
    (app,) = target.apps("prod")
    entry["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}  # as its controller does

    remarks = target.check_changes([Change(app, NEW)])
    target.update([Change(app, NEW)])

    written = api.objects[f"{APPS}/deployments/web"]
    assert [one for one in remarks if one.blocks] == []
    assert written["spec"]["template"]["spec"]["containers"][0]["image"] == NEW
    assert set(written["metadata"]["annotations"]) == {
        "deployment.kubernetes.io/revision",
        "kubernetes.io/change-cause",
    }


def test_a_new_pod_is_not_taken_for_an_old_one_before_its_change_is_observed(api: MemoryApi, make: Make) -> None:
    entry = api.add(f"{APPS}/deployments", "web", **workload(NEW))
    for number in (1, 2):  # the second one is there, and the controller's counts are still those of the first
        name = f"web-{number}"
        api.add(f"{APPS}/replicasets", name, metadata=owned("Deployment", "web", entry["metadata"]["uid"]))
        api.add(PODS, name, metadata=owned("ReplicaSet", name, f"{APPS}/replicasets {name}"), status={})
    entry["metadata"]["generation"] = 2

    seen = make().status(["shop/deployment/web"])["shop/deployment/web"]

    assert (seen.ready, seen.stale) == (0, 1)


@pytest.mark.parametrize("ending", [True, False])
def test_an_old_pod_that_still_ends_keeps_a_change_from_being_up_although_no_count_has_it(
    api: MemoryApi, make: Make, *, ending: bool
) -> None:
    entry = api.add(f"{APPS}/deployments", "web", **workload(NEW))
    revision = "deployment.kubernetes.io/revision"
    entry["metadata"]["annotations"] = {revision: "2"}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for number in (1, 2):
        owner = owned("Deployment", "web", entry["metadata"]["uid"])
        meta = {**owner, "annotations": {revision: str(number)}}
        api.add(f"{APPS}/replicasets", f"web-{number}", metadata=meta, **workload(OLD if number == 1 else NEW))
        meta = owned("ReplicaSet", f"web-{number}", f"{APPS}/replicasets web-{number}")
        if number == 2 or ending:
            leaves = {"deletionTimestamp": "2999-01-01T00:00:00Z"} if number == 1 else {}
            api.add(PODS, f"web-{number}", metadata={**meta, **leaves}, status=ready)

    seen = make().status(["shop/deployment/web"])["shop/deployment/web"]

    assert (seen.ready, seen.instances) == (1, 1)
    assert (seen.stale, seen.draining) == ((1, 1) if ending else (0, 0))


def test_a_server_that_is_gone_is_one_error_and_not_a_reason_for_each_change(
    api: MemoryApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(api, 40)
    target = make()
    changes = [Change(app, OLD) for app in target.apps("prod")]
    monkeypatch.setattr("rollback.targets.kubernetes.api._PAUSES_S", ())

    def gone(request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        api.requests.append(request)
        raise NotSent("connection refused")

    monkeypatch.setattr(api, "send", gone)

    with pytest.raises(TargetError, match="could not be changed") as caught:
        target.check_changes(changes)

    assert "connection refused" in caught.value.why
    assert len(api.dry_runs) < 40


def test_contexts_of_all_environments_are_checked_while_the_environment_is_not_known(
    api: MemoryApi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes, "leftovers", tuple)  # elsewhere, another test may kill a run meanwhile
    target = make(env="", context="{env}")

    checks = {check.found.partition(":")[0]: check.level for check in target.diagnose()}
    target.login()

    assert checks == {
        "context dev": Level.WARN,
        "context prod": Level.OK,
        "the Kubernetes context 'stage' cannot be used": Level.WARN,
    }
    assert target.apps("") == ()
    assert api.requests == []


def test_a_certificate_that_is_not_verified_is_said_at_every_login(
    api: MemoryApi, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    make(context="dev").login()

    assert "https://dev.example.com, as u; the certificate of the server is not verified" in caplog.text
    assert len(api.requests) == 1
