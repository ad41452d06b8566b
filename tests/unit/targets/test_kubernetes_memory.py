"""What the target `kubernetes` remembers: how often it asks, and what it says where it may not look."""

from __future__ import annotations

import pytest

from rollback.core.timestamps import Instant
from rollback.targets.kubernetes.api_errors import Forbidden
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import APPS, NEW, OLD, Make, fleet, remember, workload


def test_what_workloads_had_is_read_in_two_requests_and_no_further_back_than_it_counts(
    api: MemoryApi, make: Make
) -> None:
    fleet(api, 8)
    remember(api, "deployments", "w2", 3, "r.example.com/shop/web:3", "2026-11-23T12:00:00Z")
    target = make()
    ids = [app.id for app in target.apps("prod")]
    api.requests.clear()

    found = target.image_history(ids, 2)

    assert sorted(api.reads) == [f"{APPS}/controllerrevisions", f"{APPS}/replicasets"]
    assert [one.containers[0].image for one in found["shop/statefulset/w1"]] == [OLD, NEW]
    assert [str(one.since) for one in target.image_history(ids, 1)["shop/deployment/w2"]] == [
        "2026-11-22T12:00:00Z",  # until when the image before it counts
        "2026-11-23T12:00:00Z",
    ]
    assert found.keys() == set(ids)
    assert len(api.reads) == 2


def test_what_has_changed_since_a_date_is_named_and_what_is_uncertain_is_called_so(
    api: MemoryApi, make: Make
) -> None:
    api.add(f"{APPS}/deployments", "web", **workload())
    remember(api, "deployments", "web", 1, OLD, "2026-11-21T12:00:00Z", volumes=[{}])
    remember(api, "deployments", "web", 2, OLD, "2026-11-22T12:00:00Z")
    remember(api, "deployments", "web", 4, NEW, "2026-11-24T12:00:00Z")
    target = make()
    (app,) = target.apps("prod")

    told = [target.drift(app.id, Instant.parse(f"2026-11-{day}T23:00:00Z")) for day in (20, 21, 22, 24)]

    assert told == [(), ("pod volumes changed",), ("its configuration of that date is uncertain: not compared",), ()]


def test_without_the_right_to_read_revisions_the_target_says_so_and_never_that_nothing_ran(
    api: MemoryApi, make: Make
) -> None:
    fleet(api, 4)
    api.forbidden = {f"{APPS}/replicasets"}
    target = make()
    ids = [app.id for app in target.apps("prod")]

    for look in (
        lambda: target.image_history(ids, 5),
        lambda: target.image_at("shop/deployment/w2", Instant.parse("2026-11-21T23:00:00Z")),
        lambda: target.drift("shop/deployment/w2", Instant.parse("2026-11-21T23:00:00Z")),
    ):
        with pytest.raises(Forbidden, match="the ReplicaSets of shop cannot be read") as caught:
            look()
        assert 'User "u" cannot list replicasets' in caught.value.why
    assert api.reads.count(f"{APPS}/replicasets") == 1
