"""What ReplicaSets and ControllerRevisions say of the images of a workload, and where they leave it open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollback.core.timestamps import Instant
from rollback.targets.kubernetes import drift, revisions
from rollback.targets.kubernetes.revisions import Revision

APP, UID, TIMEOUT_S = "shop/deployment/web", "uid-of-web", 600.0
NOW = Instant.parse("2026-11-28T12:00:00Z")
RECORDED = Path(__file__).parents[2] / "data" / "kubernetes" / "revisions.json"
REVISION = "deployment.kubernetes.io/revision"


def at(day: int, time: str = "12:00:00") -> str:
    return f"2026-11-{day:02}T{time}Z"


def managed(*times: str, subresource: str = "") -> list[dict[str, Any]]:
    mine = [{"manager": "kube-controller-manager", "time": time} for time in times]
    late = {"manager": "kube-controller-manager", "time": at(27), "subresource": "status"}
    return [*mine, late, {"manager": "kubectl-annotate", "time": at(27)}]


def template(image: str, **members: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": f"r/shop/web:{image}", **members}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}


def replica_set(
    number: int,
    image: str,
    created: str,
    ended: str = "",
    *,
    earlier: str = "",
    desired: str = "2",
    owner: str = UID,
    **members: Any,
) -> dict[str, Any]:
    """A ReplicaSet; without an end it has pods."""
    annotations = {REVISION: str(number), "deployment.kubernetes.io/desired-replicas": desired}
    if earlier:
        annotations["deployment.kubernetes.io/revision-history"] = earlier
    return {
        "metadata": {
            "creationTimestamp": created,
            "annotations": annotations,
            "ownerReferences": [{"uid": owner, "controller": True}],
            "managedFields": managed(ended or created),
        },
        "spec": {"replicas": 0 if ended else 2, "template": template(image, **members)},
    }


def revision(number: int, image: str, created: str, changed: str = "") -> dict[str, Any]:
    """A ControllerRevision, and when its controller has changed it last."""
    return {
        "metadata": {
            "creationTimestamp": created,
            "ownerReferences": [{"uid": UID, "controller": True}],
            "managedFields": managed(created, changed or created),
        },
        "revision": number,
        "data": {"spec": {"template": {**template(image), "$patch": "replace"}}},
    }


def told(found: list[Revision]) -> list[tuple[str, str, bool]]:
    """Each image, since when, and whether that is certain."""
    return [
        (one.configured.containers[0].image[-1], str(one.configured.since), one.configured.certain(TIMEOUT_S))
        for one in found
    ]


def of_deployment(*replica_sets: dict[str, Any]) -> list[Revision]:
    return revisions.of_deployment(APP, UID, replica_sets, NOW)


def of_stateful(*found: dict[str, Any]) -> list[Revision]:
    return revisions.of_stateful(APP, UID, found)


@pytest.mark.parametrize("name", ["web", "db", "agent"])
def test_what_kubernetes_1_37_has_kept_of_three_changes_is_read_as_it_was(name: str) -> None:
    """Recorded: a Deployment, a StatefulSet and a DaemonSet that had the images 1, 2, 1 and 3, four seconds each."""
    kept = json.loads(RECORDED.read_text())
    owners = {
        owner["name"]: owner["uid"]
        for one in (*kept["replicasets"], *kept["controllerrevisions"])
        for owner in one["metadata"]["ownerReferences"]
    }

    if name == "web":
        found = revisions.of_deployment(APP, owners[name], kept["replicasets"], NOW)
    else:
        found = revisions.of_stateful(APP, owners[name], kept["controllerrevisions"])

    assert [one.configured.containers[0].image.rpartition(":")[2] for one in found] == ["1", "2", "1", "3"]
    assert [str(one.configured.since)[14:19] for one in found] == ["35:31", "35:35", "35:39", "35:43"]
    assert [one.configured.certain(1) for one in found] == [True, False, True, True]


def test_a_template_that_was_in_force_once_counts_from_its_creation_to_that_of_the_next_one() -> None:
    found = of_deployment(
        replica_set(3, "3", at(6)),
        replica_set(1, "1", at(1), at(3, "12:01:00")),
        replica_set(2, "2", at(3), at(6, "12:01:00")),
        replica_set(1, "9", at(2), owner="uid-of-another"),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), True), ("3", at(6), True)]
    assert [one.configured.until and str(one.configured.until) for one in found] == [at(3), at(6), None]


def test_what_a_returned_template_has_replaced_is_doubtful_and_it_counts_from_the_end_of_that() -> None:
    found = of_deployment(
        replica_set(2, "2", at(3), at(5, "12:02:00")),
        replica_set(3, "1", at(1), earlier="1"),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("1", at(5, "12:02:00"), True)]


def test_what_followed_a_returned_template_is_certain_again() -> None:
    found = of_deployment(
        replica_set(2, "2", at(3), at(5)),
        replica_set(3, "1", at(1), at(7, "12:01:00"), earlier="1"),
        replica_set(4, "4", at(7)),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("1", at(5), True), ("4", at(7), True)]


def test_between_templates_that_returned_more_than_once_only_the_last_time_is_known() -> None:
    found = of_deployment(  # 1 2 1 2 1
        replica_set(4, "2", at(3), at(9), earlier="2"),
        replica_set(5, "1", at(1), earlier="1,3"),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("1", at(9), True)]


def test_a_number_that_is_missing_leaves_open_what_was_in_force() -> None:
    found = of_deployment(replica_set(5, "1", at(1), at(3)), replica_set(7, "3", at(6)))

    assert told(found) == [("1", at(1), False), ("3", at(6), True)]


def test_without_the_end_of_its_predecessor_a_returned_template_is_only_known_to_be_in_force_now() -> None:
    alone = replica_set(3, "1", at(1), earlier="1")

    assert told(of_deployment(alone)) == [("1", at(1), False), ("1", str(NOW), True)]


def test_a_template_that_was_replaced_before_its_predecessor_had_ended_never_was_complete() -> None:
    found = of_deployment(
        replica_set(1, "1", at(1), at(4, "12:01:00")),
        replica_set(2, "2", at(3), at(4, "12:00:10")),
        replica_set(3, "3", at(4)),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("3", at(4), True)]


def test_the_present_template_is_doubtful_while_its_predecessor_has_pods() -> None:
    found = of_deployment(replica_set(1, "1", at(1)), replica_set(2, "2", at(3)))

    assert told(found) == [("1", at(1), True), ("2", at(3), False)]


def test_a_returned_template_that_was_replaced_before_it_was_complete_does_not_seem_to_be_the_present_one() -> None:
    found = of_deployment(
        replica_set(2, "2", at(3), at(7, "12:05:00")),
        replica_set(3, "1", at(1), at(7, "12:05:00"), earlier="1"),
        replica_set(4, "4", at(7)),
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("4", at(7), True)]


def test_a_scaling_to_zero_is_not_the_end_of_a_template() -> None:
    found = of_deployment(
        replica_set(2, "2", at(3), at(4), desired="0"), replica_set(3, "1", at(1), earlier="1", desired="0")
    )

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("1", str(NOW), True)]


def test_two_within_the_time_of_a_rollout_are_uncertain_and_so_are_times_from_a_backup() -> None:
    quick = of_deployment(
        replica_set(1, "1", at(1), at(3)), replica_set(2, "2", at(3), at(3)), replica_set(3, "3", at(3, "12:00:05"))
    )
    restored = of_deployment(*(replica_set(number, str(number), at(9), at(9)) for number in (1, 2)))

    assert [certain for _, _, certain in told(quick)] == [True, False, True]
    assert told(restored) == [("1", at(9), False), ("2", at(9), True)]


def test_a_replica_set_without_a_number_does_not_count() -> None:
    unnumbered = replica_set(1, "1", at(1))
    del unnumbered["metadata"]["annotations"][REVISION]

    assert of_deployment(unnumbered) == []


def test_controller_revisions_count_from_their_creation() -> None:
    found = of_stateful(revision(2, "2", at(3)), revision(1, "1", at(1)))

    assert told(found) == [("1", at(1), True), ("2", at(3), True)]
    assert "$patch" not in found[0].template


def test_a_revision_that_returned_counts_from_when_it_was_renumbered() -> None:
    found = of_stateful(revision(2, "2", at(3)), revision(3, "1", at(1), at(5)))

    assert told(found) == [("1", at(1), True), ("2", at(3), False), ("1", at(5), True)]


def test_a_revision_that_returned_more_than_once_leaves_open_what_was_in_force_before() -> None:
    found = of_stateful(revision(4, "2", at(3), at(7)), revision(5, "1", at(1), at(9)))

    assert told(found) == [("1", at(1), False), ("2", at(3), False), ("2", at(7), False), ("1", at(9), True)]


@pytest.mark.parametrize(("number", "since"), [(1, at(1)), (4, at(8))])
def test_a_change_of_a_revision_is_a_return_only_if_a_number_is_gone(number: int, since: str) -> None:
    assert told(of_stateful(revision(number, "1", at(1), at(8))))[-1] == ("1", since, True)


def test_drift_names_variables_and_shows_no_value_of_them() -> None:
    then = template("1", env=[{"name": "PASSWORD", "value": "old"}, {"name": "GONE", "value": "1"}])
    now = template(
        "2", env=[{"name": "ADDED", "value": "1"}, {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {}}}]
    )
    then["metadata"]["labels"]["pod-template-hash"] = "5d9"

    assert drift.drift(then, now) == ("env ADDED is new", "env GONE is gone", "env PASSWORD has another value")


def test_drift_shows_resources_with_their_values_and_everything_else_by_name() -> None:
    then = template("1", resources={"requests": {"cpu": "100m"}}, command=["a"])
    now = template("1", resources={"requests": {"cpu": "250m"}, "limits": {"memory": "1Gi"}}, readinessProbe={})
    now["metadata"]["annotations"] = {"restartedAt": "now"}
    now["spec"]["volumes"] = [{"name": "data"}]

    assert drift.drift(then, now) == (
        "requests.cpu was 100m, is 250m",
        "limits.memory was not set, is 1Gi",
        "command changed",
        "pod annotations changed",
        "pod volumes changed",
    )


def test_drift_names_the_container_where_there_are_several() -> None:
    then, now = template("1", args=["a"]), template("1")
    then["spec"]["initContainers"] = [{"name": "migrate", "image": "r/shop/web:1"}]
    now["spec"]["containers"].append({"name": "proxy", "image": "r/proxy:1"})

    assert drift.drift(then, now) == ("container migrate is gone", "main: args changed", "container proxy is new")


def test_the_number_of_replicas_is_that_of_the_end_of_the_template() -> None:
    found = of_deployment(replica_set(1, "1", at(1), at(3), desired="5"), replica_set(2, "2", at(3), desired="2"))

    assert [one.replicas for one in found] == [5, None]
    assert drift.replicas(5, 2) == ("replicas was 5 when it was replaced, is 2",)
    assert drift.replicas(None, 2) == drift.replicas(2, 2) == ()
