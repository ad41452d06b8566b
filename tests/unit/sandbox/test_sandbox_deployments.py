"""Deployments take time, lock their apps, have no end when the image is bad, and can be rolled back or stopped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.marathon.simulator import Simulator
from tests.support.sandbox import NOW, Bench, definition

BILLING = "/shop/billing"


@pytest.fixture
def bench() -> Bench:
    return Bench(definition())


def failure(bench: Bench) -> dict[str, str]:
    return dict(bench.get(f"/v2/apps/{BILLING}")["app"]["lastTaskFailure"])


def test_the_old_tasks_stay_until_the_new_ones_are_healthy(bench: Bench) -> None:
    bench.deploy(BILLING, "2")

    bench.later(1.0)
    running = bench.tags()
    bench.later(0.6)
    healthy = [task.live for task in bench.app().tasks]
    bench.later(0.4)

    assert running == ["1", "1", "2", "2"]
    assert sorted(healthy) == [False, False, True, True]
    assert bench.tags() == ["2", "2"]
    assert bench.get("/v2/deployments") == []


def test_the_outcome_does_not_depend_on_how_often_somebody_looks() -> None:
    seldom, often = Bench(definition()), Bench(definition())
    seldom.deploy(BILLING, "crashes")
    often.deploy(BILLING, "crashes")

    seldom.later(60)
    for _ in range(600):
        often.later(0.1)

    assert seldom.app().failures == often.app().failures > 5
    assert failure(seldom)["taskId"] != ""
    assert round(seldom.app().not_before, 6) == round(often.app().not_before, 6)


def test_with_no_healthy_capacity_the_old_tasks_are_killed_at_once() -> None:
    strategy = {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
    bench = Bench(definition(upgradeStrategy=strategy))

    bench.deploy(BILLING, "crashes")
    bench.later(0.5)

    assert "1" not in bench.tags()


def test_without_room_above_the_instances_tasks_are_replaced_a_few_at_a_time() -> None:
    strategy = {"minimumHealthCapacity": 1, "maximumOverCapacity": 0}
    bench = Bench(definition(instances=3, upgradeStrategy=strategy))
    most = 0

    bench.deploy(BILLING, "2")
    for _ in range(100):
        most = max(most, len(bench.app().tasks))
        bench.later(0.1)

    assert most == 4
    assert bench.tags() == ["2", "2", "2"]


@pytest.mark.parametrize("tag", ["crashes", "unpullable", "unhealthy", "no-offers", "dies"])
def test_a_bad_image_keeps_its_deployment_running_and_the_old_tasks_serving(bench: Bench, tag: str) -> None:
    if tag == "dies":
        bench.fleet.behaviors.attach("app:dies", ContainerBehavior(ContainerOutcome.DIES, lasts_s=0.5))

    deployment = bench.deploy(BILLING, tag).json()["deploymentId"]
    bench.later(600)

    assert [d["id"] for d in bench.get("/v2/deployments")] == [deployment]
    assert bench.tags().count("1") == 2


def test_without_health_checks_a_container_that_dies_later_makes_the_deployment_succeed() -> None:
    bench = Bench(definition(healthChecks=None))

    bench.deploy(BILLING, "dies")
    bench.later(1.5)
    succeeded = bench.get("/v2/deployments") == []
    bench.later(1.5)

    assert succeeded
    assert "1" not in bench.tags()
    assert failure(bench)["version"] == bench.app().version


def test_a_crash_loop_is_told_by_new_failures_and_growing_delays(bench: Bench) -> None:
    version = bench.deploy(BILLING, "crashes").json()["version"]
    bench.later(5)
    first, early = failure(bench), bench.get("/v2/queue")["queue"][0]
    bench.later(120)
    second, late = failure(bench), bench.get("/v2/queue")["queue"][0]

    assert first["version"] == second["version"] == version
    assert first["taskId"] != second["taskId"]
    assert first["timestamp"] < second["timestamp"]
    assert 0 < early["delay"]["timeLeftSeconds"] < late["delay"]["timeLeftSeconds"] <= 300
    assert late["delay"]["overdue"] is False


def test_missing_offers_are_told_by_an_overdue_queue(bench: Bench) -> None:
    bench.deploy(BILLING, "no-offers")
    bench.later(30)

    entry = bench.get("/v2/queue")["queue"][0]

    assert (entry["count"], entry["delay"]) == (2, {"timeLeftSeconds": 0, "overdue": True})
    assert "lastTaskFailure" not in bench.get(f"/v2/apps/{BILLING}")["app"]


def test_a_pull_error_is_told_by_the_failure(bench: Bench) -> None:
    bench.deploy(BILLING, "unpullable")
    bench.later(5)

    assert "manifest unknown" in failure(bench)["message"]


def test_an_unhealthy_task_is_killed_after_its_grace_and_tried_again(bench: Bench) -> None:
    bench.deploy(BILLING, "unhealthy")
    bench.later(5)
    unhealthy = bench.get(f"/v2/apps/{BILLING}")["app"]["tasksUnhealthy"]
    bench.later(12)

    assert unhealthy == 2
    assert failure(bench)["state"] == "TASK_KILLED"
    assert bench.tags() == ["1", "1", "unhealthy", "unhealthy"]


def test_a_readiness_check_that_never_passes_holds_the_deployment(bench: Bench) -> None:
    bench = Bench(definition(readinessChecks=[{"name": "warm"}]))

    bench.deploy(BILLING, "never-ready")
    bench.later(60)

    action = bench.get("/v2/deployments")[0]["currentActions"][0]
    assert {(r["name"], r["ready"]) for r in action["readinessCheckResults"]} == {("warm", True), ("warm", False)}


def test_no_instances_means_done_at_once_and_never_run() -> None:
    bench = Bench(definition(instances=0))

    bench.deploy(BILLING, "crashes")

    assert bench.get("/v2/deployments") == []
    assert bench.tags() == []


def test_a_container_may_fail_a_few_times_and_then_come_up(bench: Bench) -> None:
    bench.fleet.behaviors.attach("app:2", ContainerBehavior(ContainerOutcome.CRASHES, times=4))

    bench.deploy(BILLING, "2")
    bench.later(30)

    assert bench.tags() == ["2", "2"]
    assert bench.get("/v2/deployments") == []


def test_a_lock_refuses_with_the_deployment_and_stores_a_version_all_the_same(bench: Bench) -> None:
    holder = bench.deploy(BILLING, "2").json()["deploymentId"]
    before = set(bench.get(f"/v2/apps/{BILLING}/versions")["versions"])

    refused = bench.deploy(BILLING, "3")

    assert refused.status == 409
    assert refused.json()["deployments"] == [{"id": holder}]
    assert refused.json()["message"].startswith("App is locked by one or more deployments.")
    assert bench.app().definition["container"]["docker"]["image"].endswith(":2")
    assert len(set(bench.get(f"/v2/apps/{BILLING}/versions")["versions"]) - before) == 1


def test_validation_comes_before_the_lock(bench: Bench) -> None:
    bench.deploy(BILLING, "2")

    assert bench.send("PATCH", f"/v2/apps/{BILLING}", {"instances": "x"}).status == 422


def test_force_cancels_what_holds_the_app(bench: Bench) -> None:
    bench.deploy(BILLING, "crashes")

    forced = bench.deploy(BILLING, "2", "?force=true").json()["deploymentId"]
    running = [d["id"] for d in bench.get("/v2/deployments")]
    bench.later(5)

    assert running == [forced]
    assert bench.tags() == ["2", "2"]


def test_deleting_a_deployment_brings_the_former_definition_back_under_a_version_of_long_ago(bench: Bench) -> None:
    stuck = bench.deploy(BILLING, "crashes").json()
    bench.later(5)

    answer = bench.send("DELETE", f"/v2/deployments/{stuck['deploymentId']}")
    bench.later(5)

    assert answer.status == 200
    assert answer.json()["deploymentId"] != stuck["deploymentId"]
    assert answer.json()["version"] < stuck["version"]
    assert bench.app().definition["container"]["docker"]["image"].endswith(":1")
    assert {task.version for task in bench.app().tasks} == {answer.json()["version"]}  # the old ones too
    assert bench.get("/v2/deployments") == []


def test_every_deletion_gives_the_same_version_until_the_leader_changes(bench: Bench) -> None:
    versions = []
    for image in ("crashes", "unhealthy"):
        versions.append(_rolled_back(bench, image))
    bench.fleet.change_leader()
    versions.append(_rolled_back(bench, "crashes"))

    assert versions[0] == versions[1] != versions[2]
    assert bench.app().config_version == versions[2]
    assert bench.tags() == ["1", "1"]


def test_the_definition_under_a_repeated_version_is_overwritten(bench: Bench) -> None:
    version = _rolled_back(bench, "crashes")
    bench.deploy(BILLING, "2")
    bench.later(10)

    _rolled_back(bench, "unhealthy")

    stored = bench.get(f"/v2/apps/{BILLING}/versions/{version}")
    assert stored["container"]["docker"]["image"].endswith(":2")


def test_a_marathon_before_1_9_109_gives_a_rolled_back_deployment_a_new_version() -> None:
    bad = ContainerBehaviors({"billing:bad": ContainerBehavior(ContainerOutcome.UNHEALTHY)})
    older = Simulator(bad, clock=lambda: NOW, repeats_versions=False)
    older.install(definition(), NOW - timedelta(days=1))
    container = {"type": "DOCKER", "docker": {"image": "billing:bad"}}
    stuck, version = older.put({BILLING: {**older.apps[BILLING].definition, "container": container}})

    assert older.roll_back(stuck)[1] > version


def _rolled_back(bench: Bench, image: str) -> str:
    """The version that an app gets when the deployment of an image is rolled back."""
    stuck = bench.deploy(BILLING, image).json()["deploymentId"]
    bench.later(5)
    version = str(bench.send("DELETE", f"/v2/deployments/{stuck}").json()["version"])
    bench.later(10)
    return version


def test_stopping_a_deployment_leaves_the_bad_definition_and_its_tasks(bench: Bench) -> None:
    stuck = bench.deploy(BILLING, "unhealthy").json()["deploymentId"]
    bench.later(3)

    answer = bench.send("DELETE", f"/v2/deployments/{stuck}?force=true")
    bench.later(1)

    assert (answer.status, answer.body) == (202, b"")
    assert bench.get("/v2/deployments") == []
    assert bench.app().definition["container"]["docker"]["image"].endswith(":unhealthy")
    assert bench.tags() == ["1", "1", "unhealthy", "unhealthy"]


def test_what_a_stopped_deployment_left_over_is_trimmed_some_minutes_later() -> None:
    bench = Bench(definition(readinessChecks=[{"name": "warm"}]))
    deployment = bench.deploy(BILLING, "never-ready").json()["deploymentId"]
    bench.later(3)
    bench.send("DELETE", f"/v2/deployments/{deployment}?force=true")

    bench.later(290)
    before = bench.tags()
    bench.later(30)

    assert before == ["1", "1", "never-ready", "never-ready"]
    assert len(bench.app().tasks) == 2


def test_only_a_running_deployment_can_be_deleted(bench: Bench) -> None:
    response = bench.send("DELETE", "/v2/deployments/no-such")

    assert (response.status, response.json()) == (
        404,
        {"message": "DeploymentPlan no-such does not exist", "details": []},
    )
    assert bench.send("GET", "/v2/deployments/no-such").status == 405


def test_rolling_back_the_deployment_that_made_an_app_removes_it(bench: Bench) -> None:
    made = bench.send("POST", "/v2/apps", definition("/shop/new", "crashes"))
    bench.later(2)

    bench.send("DELETE", f"/v2/deployments/{made.json()['deployments'][0]['id']}")
    bench.later(2)

    assert made.status == 201
    assert "/shop/new" not in bench.fleet.apps


def test_dependencies_are_deployed_first_and_hold_back_what_depends_on_them() -> None:
    bench = Bench(definition("/shop/web", dependencies=["/shop/back"]), definition("/shop/back/cart"))
    body = [{"id": a, "container": bench.app(a).definition["container"]} for a in ("/shop/web", "/shop/back/cart")]
    for element, tag in zip(body, ("2", "crashes"), strict=True):
        docker = {**element["container"]["docker"], "image": f"registry.example.com/app:{tag}"}
        element["container"] = {**element["container"], "docker": docker}

    bench.send("PATCH", "/v2/apps", body)
    bench.later(30)

    shown = bench.get("/v2/deployments")[0]
    assert [[a["app"] for a in step["actions"]] for step in shown["steps"]] == [["/shop/back/cart"], ["/shop/web"]]
    assert (shown["currentStep"], shown["totalSteps"]) == (1, 2)
    assert bench.get("/v2/apps//shop/web")["app"]["container"]["docker"]["image"].endswith(":2")
    assert bench.tags("/shop/web") == ["1", "1"]


def test_a_restart_replaces_every_task_under_a_new_version(bench: Bench) -> None:
    version = bench.send("POST", f"/v2/apps/{BILLING}/restart").json()["version"]
    bench.later(5)

    assert {task.version for task in bench.app().tasks} == {version}


def test_an_app_is_destroyed_with_its_versions(bench: Bench) -> None:
    assert bench.send("DELETE", f"/v2/apps/{BILLING}").status == 200
    bench.later(1)

    assert bench.send("GET", f"/v2/apps/{BILLING}/versions").status == 404


def test_a_killed_task_is_replaced_and_with_scale_it_is_not(bench: Bench) -> None:
    first = bench.app().tasks[0].id
    bench.send("DELETE", f"/v2/apps/{BILLING}/tasks/{first}")
    bench.later(3)
    replaced = len(bench.app().tasks)

    bench.send("POST", "/v2/tasks/delete?scale=true", {"ids": [bench.app().tasks[0].id]})
    bench.later(3)

    assert first not in {task.id for task in bench.app().tasks}
    assert (replaced, len(bench.app().tasks), bench.app().instances) == (2, 1, 1)


def test_what_was_broken_long_ago_stays_broken_and_a_new_deployment_of_it_holds_for_a_while() -> None:
    bench = Bench()
    bench.fleet.behaviors.attach("app:old", ContainerBehavior(ContainerOutcome.SICKENS, lasts_s=3600))
    bench.fleet.install(definition(tag="old"), NOW - timedelta(days=1))

    at_first = [task.alive for task in bench.app().tasks]
    bench.later(300)
    later = {task.counts for task in bench.app().tasks}
    bench.deploy(BILLING, "1")
    bench.later(10)
    bench.deploy(BILLING, "old")
    bench.later(60)

    assert at_first == [False, False]
    assert later == {False}
    assert bench.get("/v2/deployments") == []
    assert all(task.counts for task in bench.app().tasks)


def test_speed_makes_everything_faster() -> None:
    bench = Bench(definition())
    bench.fleet.speed = 50

    bench.deploy(BILLING, "2")
    bench.later(0.05)

    assert bench.tags() == ["2", "2"]
    assert bench.get("/v2/deployments") == []


def test_a_task_that_failed_stays_without_a_version_while_its_app_backs_off(bench: Bench) -> None:
    bench.deploy(BILLING, "crashes")
    bench.later(10)

    while not (queue := bench.get("/v2/queue")["queue"]) or queue[0]["delay"]["overdue"]:
        bench.later(0.2)
    tasks = bench.get(f"/v2/apps/{BILLING}")["app"]["tasks"]

    assert [(task["state"], "version" in task) for task in tasks] == [("TASK_RUNNING", True)] * 2 + [
        ("TASK_FAILED", False)
    ] * 2


@pytest.mark.parametrize("protocol", ["MESOS_HTTP", "COMMAND"])
def test_a_task_that_its_executor_kills_leaves_no_failure_and_no_cause(protocol: str) -> None:
    check = {"protocol": protocol, "gracePeriodSeconds": 2, "intervalSeconds": 1, "maxConsecutiveFailures": 2}
    bench = Bench(definition(healthChecks=[check]))

    bench.deploy(BILLING, "unhealthy")
    bench.later(2)
    app = bench.get(f"/v2/apps/{BILLING}")["app"]
    new = [task for task in app["tasks"] if task["version"] == app["version"]]
    bench.later(20)
    later = bench.get(f"/v2/apps/{BILLING}")["app"]

    assert [result["alive"] for task in new for result in task["healthCheckResults"]] == [False, False]
    assert not any("lastFailureCause" in result for task in new for result in task["healthCheckResults"])
    assert not {task["id"] for task in new} & {task["id"] for task in later["tasks"]}
    assert "lastTaskFailure" not in later


def test_a_new_instance_waits_for_an_offer_and_every_reason_is_listed(bench: Bench) -> None:
    bench.deploy(BILLING, "2")

    (entry,) = bench.get("/v2/queue")["queue"]
    bench.later(0.2)

    assert entry["delay"] == {"timeLeftSeconds": 0, "overdue": True}
    reasons = entry["processedOffersSummary"]["rejectSummaryLastOffers"]
    assert len(reasons) > 5
    assert {reason["declined"] for reason in reasons} == {0}
    assert bench.get("/v2/queue")["queue"] == []


def test_a_stopped_deployment_is_tried_on(bench: Bench) -> None:
    bench.deploy(BILLING, "crashes")
    bench.later(3)
    (held,) = bench.get("/v2/deployments")

    bench.send("DELETE", f"/v2/deployments/{held['id']}?force=true")
    failures = bench.app().failures
    bench.later(60)

    assert bench.get("/v2/deployments") == []
    assert bench.app().failures > failures
    assert bench.tags().count("1") == 2
    bench.later(300)
    assert bench.get("/v2/queue")["queue"] == []


def test_a_container_that_dies_before_its_checks_pass_keeps_the_deployment(bench: Bench) -> None:
    bench.fleet.behaviors.attach("app:2", ContainerBehavior(ContainerOutcome.DIES, ready_s=2.0, lasts_s=1.0))
    bench.deploy(BILLING, "2")

    bench.later(120)

    assert len(bench.get("/v2/deployments")) == 1
    assert bench.tags().count("1") == 2
