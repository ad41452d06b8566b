"""What is said of a change of a workload before it is written."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.core.apps import Change, Remark
from rollback.errors import TargetError
from rollback.targets.kubernetes import preflight, workloads
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.workloads import KINDS

OLD, NEW = "r.example.com/shop/web:1", "r.example.com/shop/web:2"
PINNED = f"{OLD}@sha256:{'a' * 64}"


def remarks(
    plural: str = "deployments", image: str = PINNED, policy: str = "Always", **members: Any
) -> list[tuple[str, bool]]:
    """What is said, each with whether it blocks, of a workload that is up unless `members` say otherwise."""
    counts = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    nodes = {
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
    }
    container = {"name": "web", "image": NEW, "imagePullPolicy": policy}
    entry = {
        "metadata": {"namespace": "shop", "name": "web", "uid": "u", "generation": 1, **members.get("metadata", {})},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}, **members.get("spec", {})},
        "status": {**counts, **nodes, **members.get("status", {})},
    }
    change = Change(workloads.app(entry, KINDS[plural]), image)
    return [(one.what, one.blocks) for one in preflight.remarks(change, entry, KubectlCommands("prod"))]


def test_nothing_is_said_of_a_workload_that_is_up() -> None:
    assert [remarks(plural) for plural in KINDS] == [[], [], []]


@pytest.mark.parametrize(
    ("plural", "members", "said"),
    [
        ("deployments", {"spec": {"paused": True}}, ("it is paused", True)),
        (
            "daemonsets",
            {"spec": {"updateStrategy": {"type": "OnDelete"}}},
            ("no pod would be replaced", True),
        ),
        (
            "statefulsets",
            {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}},
            ("not every pod would be replaced", True),
        ),
        (
            "deployments",
            {"metadata": {"deletionTimestamp": "2026-11-22T04:05:06Z"}},
            ("it is being deleted", True),
        ),
        (
            "deployments",
            {"status": {"updatedReplicas": 0}},
            ("a rollout is in flight, and this run replaces it", False),
        ),
        (
            "deployments",
            {"spec": {"strategy": {"type": "Recreate"}}},
            ("all its pods end before the first new one starts", False),
        ),
        (
            "daemonsets",
            {
                "status": {
                    "desiredNumberScheduled": 0,
                    "currentNumberScheduled": 0,
                    "updatedNumberScheduled": 0,
                    "numberAvailable": 0,
                }
            },
            ("it has no pod", False),
        ),
        ("deployments", {"policy": "Never"}, ("its image is never pulled", False)),
        (
            "deployments",
            {"policy": "IfNotPresent", "image": OLD},
            ("a node that has an image of this tag keeps that one", False),
        ),
    ],
)
def test_each_state_is_a_reason_or_a_note(plural: str, members: dict[str, Any], said: tuple[str, bool]) -> None:
    assert remarks(plural, **members) == [said]


@pytest.mark.parametrize("members", [{"policy": "IfNotPresent"}, {"image": OLD}])
def test_an_image_by_digest_or_one_that_is_always_pulled_is_no_stale_one(members: dict[str, Any]) -> None:
    assert remarks(**members) == []


def test_a_refused_dry_run_blocks_in_the_servers_words() -> None:
    change = Change(app(), OLD)

    found = preflight.refused(change, TargetError("x", why="HTTP 403: cannot patch", hint="grant the right"))

    what = "the API server would not accept the change"
    assert found == Remark("shop/deployment/web", what, "HTTP 403: cannot patch", "grant the right", blocks=True)


def test_a_webhook_that_knows_no_dry_run_proves_nothing_against_a_change() -> None:
    why = 'HTTP 400 BadRequest: admission webhook "a.b.c" does not support dry run'

    found = preflight.refused(Change(app(), OLD), TargetError("x", why=why))

    assert not found.blocks
    assert found.why == why


def app() -> Any:
    entry = {
        "metadata": {"namespace": "shop", "name": "web", "uid": "u"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": NEW}]}}},
    }
    return workloads.app(entry, KINDS["deployments"])
