"""Marathon's JSON: what is read out of an app, and what is sent back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rollback.core.apps import App, Change, Failure
from rollback.errors import TargetError
from rollback.targets.marathon import serialization

V1 = "2026-11-01T08:00:00.000Z"
V2 = "2026-11-20T17:31:05.123Z"
V3 = "2026-11-21T09:00:00.000Z"


def entry(**members: Any) -> dict[str, Any]:
    return {
        "id": "/ds/prod/shop/billing",
        "instances": 2,
        "version": V2,
        "versionInfo": {"lastScalingAt": V2, "lastConfigChangeAt": V2},
        "deployments": [],
        "env": {"DB_PASSWORD": "s3cret"},
        "container": {
            "type": "DOCKER",
            "docker": {"image": "registry:5000/shop/billing:1.9.0-master", "privileged": True, "parameters": []},
            "volumes": [{"containerPath": "/data", "hostPath": "/mnt", "mode": "RW"}],
            "portMappings": [{"containerPort": 8080, "hostPort": 0, "servicePort": 10001}],
        },
    } | members


def task(number: int = 1, version: str = V2, state: str = "TASK_RUNNING", **members: Any) -> dict[str, Any]:
    return {"id": f"billing.{number}", "version": version, "state": state} | members


def change(image: str, **members: Any) -> Change:
    return Change(serialization.app(entry(**members)), image)


class TestReading:
    def test_an_app_is_read(self) -> None:
        raw = entry(healthChecks=[{}], deployments=[{"id": "d1"}])

        read = serialization.app(raw)

        assert replace(read, definition={}, marks={}) == App(
            "/ds/prod/shop/billing", "registry:5000/shop/billing:1.9.0-master", V2, 2, True, ("d1",)
        )

    def test_only_what_is_needed_to_put_it_back_is_kept(self) -> None:
        limits = {"resourceLimits": {"cpus": 1}, "executorResources": {"mem": 32}}

        read = serialization.app(entry(**limits))

        assert read.definition == {"container": entry()["container"], **limits}
        assert "s3cret" not in json.dumps([dict(read.definition), dict(read.marks)])

    def test_a_change_of_any_other_member_shows_in_the_marks(self) -> None:
        before = serialization.app(entry())

        assert serialization.app(entry(env={"DB_PASSWORD": "other"})).marks != before.marks
        assert serialization.app(entry(instances=7, version=V1, tasksRunning=3)).marks == before.marks

    @pytest.mark.parametrize(
        ("container", "image"),
        [
            (None, ""),
            ({"type": "MESOS"}, ""),
            ({"type": "MESOS", "docker": {"image": "a/b:1"}}, "a/b:1"),
            ({"type": "DOCKER", "docker": {"image": "a/b:1@sha256:" + "0" * 64}}, "a/b:1@sha256:" + "0" * 64),
        ],
    )
    def test_the_image_of_every_kind_of_container(self, container: Any, image: str) -> None:
        assert serialization.app(entry(container=container)).image == image

    def test_scaling_is_no_new_configuration(self) -> None:
        scaled = entry(version=V3, versionInfo={"lastScalingAt": V3, "lastConfigChangeAt": V1})

        assert serialization.app(scaled).version == V1

    def test_an_app_without_version_info_has_its_own_version(self) -> None:
        raw = entry()
        del raw["versionInfo"]

        assert serialization.app(raw).version == V2

    @pytest.mark.parametrize("checks", [{"readinessChecks": [{}]}, {"healthChecks": [{}]}])
    def test_an_app_with_checks_is_checked(self, checks: dict[str, Any]) -> None:
        assert serialization.app(entry(**checks)).checked
        assert not serialization.app(entry()).checked

    def test_a_definition_stays_out_of_the_repr(self) -> None:
        assert "s3cret" not in repr(serialization.app(entry()))

    @pytest.mark.parametrize("broken", [{}, {"id": "/a", "instances": "two"}, {"id": "/a", "container": 3}])
    def test_what_is_no_app_is_a_clear_error(self, broken: dict[str, Any]) -> None:
        with pytest.raises(TargetError, match="cannot be read"):
            serialization.app(broken)

    def test_apps_are_found_at_every_depth_of_groups(self) -> None:
        group = {
            "id": "/",
            "apps": [{"id": "/a"}],
            "groups": [
                {"id": "/g", "apps": [{"id": "/g/b"}], "groups": [{"id": "/g/h", "apps": [{"id": "/g/h/c"}]}]}
            ],
        }

        assert [found["id"] for found in serialization.apps(group)] == ["/a", "/g/b", "/g/h/c"]

    def test_a_deployment_holds_apps_and_pods(self) -> None:
        read = serialization.deployment({"id": "d1", "version": V2, "affectedApps": ["/a"], "affectedPods": ["/p"]})

        assert (read.id, read.apps, read.version) == ("d1", ("/a", "/p"), V2)


class TestUpdating:
    def test_only_the_image_differs_in_the_container(self) -> None:
        captured = entry()

        body = serialization.update(change("registry:5000/shop/billing:1.8.0-master"))

        expected = json.loads(json.dumps(captured["container"]))
        expected["docker"]["image"] = "registry:5000/shop/billing:1.8.0-master"
        assert body == {"id": "/ds/prod/shop/billing", "container": expected}

    def test_what_a_partial_update_would_lose_goes_along(self) -> None:
        limits = {"resourceLimits": {"cpus": "unlimited", "mem": 512}, "executorResources": {"cpus": 0.1}}

        assert {**serialization.update(change("a:2", **limits)), "container": 0}.items() >= limits.items()

    def test_nothing_else_is_written(self) -> None:
        body = serialization.update(change("a:2", labels={"a": "b"}, cpus=2, upgradeStrategy={}, resourceLimits=None))

        assert set(body) == {"id", "container"}

    def test_the_captured_definition_stays_as_it_was(self) -> None:
        captured = change("a:2")
        before = json.dumps(captured.app.definition)

        serialization.update(captured)["container"]["docker"]["parameters"].append("x")

        assert json.dumps(captured.app.definition) == before

    def test_a_mesos_container_keeps_its_type(self) -> None:
        container = {"type": "MESOS", "docker": {"image": "a:1", "forcePullImage": True}, "linuxInfo": {"x": 1}}

        body = serialization.update(change("a:2", container=container))

        assert body["container"] == {**container, "docker": {"image": "a:2", "forcePullImage": True}}

    def test_an_app_without_an_image_is_refused(self) -> None:
        with pytest.raises(TargetError, match="runs no image"):
            serialization.update(change("a:2", container=None))


class TestStatus:
    def test_running_tasks_without_checks_are_ready(self) -> None:
        seen = serialization.status(entry(tasks=[task(1), task(2)]))

        assert (seen.ready, seen.started, seen.stale, seen.failure, seen.waiting) == (2, 2, 0, None, "")

    def test_tasks_of_an_older_version_are_stale_and_count_for_nothing(self) -> None:
        seen = serialization.status(entry(tasks=[task(1, V1), task(2, V1), task(3)], tasksRunning=3))

        assert (seen.ready, seen.started, seen.stale) == (1, 1, 2)

    def test_a_task_that_is_being_killed_is_still_there(self) -> None:
        assert serialization.status(entry(tasks=[task(1, V1, "TASK_KILLING"), task(2)])).stale == 1

    def test_a_task_that_has_ended_counts_for_nothing(self) -> None:
        seen = serialization.status(entry(tasks=[task(1, V1, "TASK_FINISHED"), task(2, state="TASK_FAILED")]))

        assert (seen.ready, seen.started, seen.stale) == (0, 0, 0)

    def test_a_task_that_was_scaled_up_later_is_of_the_present_configuration(self) -> None:
        raw = entry(version=V3, versionInfo={"lastScalingAt": V3, "lastConfigChangeAt": V2}, tasks=[task(1, V3)])

        assert serialization.status(raw).ready == 1

    @pytest.mark.parametrize("state", ["TASK_STAGING", "TASK_STARTING", "TASK_UNREACHABLE"])
    def test_what_does_not_run_yet_is_not_started(self, state: str) -> None:
        seen = serialization.status(entry(tasks=[task(1, state=state)]))

        assert (seen.ready, seen.started, seen.stale) == (0, 0, 0)

    @pytest.mark.parametrize(
        ("results", "ready"),
        [
            ([], 0),
            ([{"alive": True}], 1),
            ([{"alive": False}], 0),
            ([{"alive": True}, {"alive": False}], 0),
        ],
    )
    def test_a_checked_task_is_ready_when_all_checks_are_well(self, results: list[Any], ready: int) -> None:
        seen = serialization.status(entry(healthChecks=[{}], tasks=[task(healthCheckResults=results)]))

        assert (seen.ready, seen.started) == (ready, 1)

    def test_a_task_that_is_not_ready_by_its_readiness_check_is_not_ready(self) -> None:
        results = [{"taskId": "billing.1", "ready": False}, {"taskId": "billing.2", "ready": True}]
        raw = entry(readinessChecks=[{}], readinessCheckResults=results, tasks=[task(1), task(2)])

        assert serialization.status(raw).ready == 1

    def test_an_old_marathon_tells_only_when_a_task_started(self) -> None:
        raw = entry(tasks=[{"id": "1", "version": V2, "startedAt": V2}, {"id": "2", "version": V2}])

        assert serialization.status(raw).started == 1

    def test_a_failure_of_this_version_is_told(self) -> None:
        last = {"version": V2, "taskId": "billing.7", "timestamp": V3, "message": "Container exited with status 1"}

        assert serialization.status(entry(lastTaskFailure=last)).failure == Failure(
            f"billing.7 {V3}", "Container exited with status 1"
        )

    def test_a_failure_of_an_older_version_is_history(self) -> None:
        assert serialization.status(entry(lastTaskFailure={"version": V1, "message": "old"})).failure is None

    def test_a_failure_without_words_names_its_state(self) -> None:
        failure = serialization.failure(entry(lastTaskFailure={"version": V2, "state": "TASK_ERROR", "message": ""}))

        assert failure is not None
        assert failure.message == "TASK_ERROR"

    @pytest.mark.parametrize(
        ("waiting", "words"),
        [
            ({"delay": {"timeLeftSeconds": 12, "overdue": False}}, ("back-off 12 s", "")),
            ({"delay": {"timeLeftSeconds": 0, "overdue": True}}, ("", "no offers")),
            (
                {
                    "delay": {"overdue": True},
                    "processedOffersSummary": {
                        "rejectSummaryLastOffers": [
                            {"reason": "InsufficientMemory", "declined": 3},
                            {"reason": "UnfulfilledRole", "declined": 0},
                        ]
                    },
                },
                ("", "no offers: InsufficientMemory"),
            ),
            ({"delay": {"timeLeftSeconds": 0, "overdue": False}}, ("", "")),
        ],
    )
    def test_what_it_waits_for(self, waiting: dict[str, Any], words: tuple[str, str]) -> None:
        others = [
            {"pod": {"id": "/p"}, "delay": {"overdue": True}},
            {"app": {"id": "/x"}, "delay": {"overdue": True}},
        ]

        queue = [*others, {"app": {"id": "/ds/prod/shop/billing"}, **waiting}]

        seen = serialization.status(entry(), queue)

        assert (seen.waiting, seen.unplaced) == words

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            ({"alive": True}, ""),
            ({"alive": False}, "health check: no success yet"),
            ({"alive": False, "lastFailure": "2026-11-28T10:00:00.000Z"}, "health check: it fails"),
            (
                {"alive": False, "lastFailureCause": "503 Service Unavailable"},
                "health check: 503 Service Unavailable",
            ),
        ],
    )
    def test_a_sick_task_is_told_by_the_cause(self, result: dict[str, Any], words: str) -> None:
        assert (
            serialization.status(entry(healthChecks=[{}], tasks=[task(healthCheckResults=[result])])).waiting == words
        )

    def test_what_the_definition_announces_is_read(self) -> None:
        checks = [{"gracePeriodSeconds": 30}, {"gracePeriodSeconds": 300}, {}]

        read = serialization.app(entry(healthChecks=checks, taskKillGracePeriodSeconds=60))

        assert (read.start_grace_s, read.stop_grace_s) == (300, 60)

    def test_old_tasks_that_drain_or_are_lost_are_told_apart(self) -> None:
        old = [task(id=f"old.{state}", version=V1, state=state) for state in ("TASK_KILLING", "TASK_UNREACHABLE")]

        seen = serialization.status(entry(tasks=[task(), *old]))

        assert (seen.ready, seen.stale, seen.draining, seen.unreachable) == (1, 1, 1, 1)

    def test_a_failed_task_without_a_version_counts_for_nothing(self) -> None:
        failed = task(state="TASK_FAILED")
        del failed["version"]

        seen = serialization.status(entry(tasks=[task(), failed]))

        assert (seen.ready, seen.stale) == (1, 0)

    def test_a_pending_readiness_check_is_told(self) -> None:
        raw = entry(readinessCheckResults=[{"taskId": "billing.1", "ready": False}], tasks=[task(1)])

        assert serialization.status(raw).waiting == "readiness check: not passed yet"

    def test_what_cannot_be_read_is_a_clear_error(self) -> None:
        with pytest.raises(TargetError, match="cannot be read"):
            serialization.status(entry(tasks=["what"]))
