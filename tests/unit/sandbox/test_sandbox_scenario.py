"""The story that the sandbox tells: a date on which all was well, and a fleet that is broken now."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from rollback.core.image_reference import Reference
from rollback.sandbox.clock import ManualClock
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.marathon.app_definition import complete, image_of
from rollback.sandbox.marathon.simulator import Simulator
from rollback.sandbox.scenario import SERVICES, Scenario, definition, fortnight

NOW = datetime(2026, 11, 22, 3, 7, tzinfo=timezone.utc)
HOST = "127.0.0.1:5000"


@pytest.fixture
def story() -> Scenario:
    return fortnight(NOW)


@pytest.fixture
def fleet(story: Scenario) -> Simulator:
    fleet = Simulator(ContainerBehaviors(story.behaviors), ManualClock(NOW))
    for app in story.installed(HOST):
        fleet.install(app.definition, app.since, app.history)
    return fleet


def test_it_covers_a_fortnight_and_nothing_is_from_the_future(story: Scenario) -> None:
    created = [release.created for release in story.releases]

    assert NOW - timedelta(days=14) < min(created) < NOW - timedelta(days=12)
    assert max(created) < NOW
    assert fortnight(NOW) == story


def test_every_service_but_catalog_was_released_on_the_good_day_and_the_day_after(story: Scenario) -> None:
    def released(day: str) -> set[str]:
        prod = [r for r in story.releases if r.environment == "prod" and r.service in SERVICES]
        return {r.service for r in prod if r.created.date().isoformat() == day}

    assert released("2026-11-20") == released("2026-11-21") == {"billing", "cart", "web"}
    assert story.good_day == "2026-11-20"


def test_two_services_are_broken_as_it_begins_and_their_neighbours_are_not(fleet: Simulator) -> None:
    well = {app_id: sum(t.counts for t in app.tasks) == app.instances for app_id, app in fleet.apps.items()}

    assert sorted(app_id for app_id, is_well in well.items() if not is_well) == [
        "/ds/prod/shop/billing",
        "/ds/prod/shop/web",
    ]
    assert not fleet.deployments


def test_a_rollback_and_its_undo_take_seconds_and_mend_the_fleet() -> None:
    clock = ManualClock(NOW)
    fleet = Simulator(ContainerBehaviors(fortnight(NOW).behaviors), clock)
    for app in fortnight(NOW).installed(HOST):
        fleet.install(app.definition, app.since, app.history)
    broken = {app_id: app.definition for app_id, app in fleet.apps.items()}
    good = {
        f"/ds/prod/shop/{service}": definition(service, "prod", f"{HOST}/shop/{service}:{version}-master")
        for service, version in (("billing", "1.8.0"), ("cart", "2.10.0"), ("web", "5.3.0"))
    }
    took = []

    for wanted in ({a: complete(a, body) for a, body in good.items()}, {a: broken[a] for a in good}):
        fleet.put(wanted)
        began = clock()
        while fleet.deployments:
            clock.advance(0.1)
            fleet.advance()
        took.append((clock() - began).total_seconds())
        assert all(task.counts for a in good for task in fleet.apps[a].tasks)

    assert 1.5 < min(took) <= max(took) < 6


def test_every_app_runs_an_image_of_the_registry_and_has_a_past(story: Scenario, fleet: Simulator) -> None:
    images = story.images()

    for app in fleet.apps.values():
        for stored in app.versions.values():
            reference = Reference.parse(image_of(stored))
            assert reference.host == HOST
            assert images.holds(reference.path, tag=reference.tag)
    assert len(fleet.apps["/ds/prod/shop/billing"].versions) == 6


def test_there_are_things_that_only_look_alike(story: Scenario, fleet: Simulator) -> None:
    tags = story.images().repos["shop/billing"].tags

    assert {"/ds/prod/shop/superbilling", "/ds/preprod/shop/billing"} < set(fleet.apps)
    assert "1.9.0-premaster" in tags
    assert sum(tag.endswith(".sig") for tag in tags) == 2


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("r.example.com:5000/shop/billing:1", "r.example.com:5000/shop/billing:1"),
        ("shop/billing:1", "r.example.com:5000/shop/billing:1"),
        ("billing:1", "r.example.com:5000/shop/billing:1"),
        ("billing:1", f"shop/billing:1@sha256:{'0' * 64}"),
        (f"billing@sha256:{'0' * 64}", f"shop/billing:1@sha256:{'0' * 64}"),
    ],
)
def test_a_behaviour_is_found_by_as_much_of_the_image_as_is_given(key: str, image: str) -> None:
    assert (
        ContainerBehaviors({key: ContainerBehavior(ContainerOutcome.CRASHES)}).of(image).fate
        is ContainerOutcome.CRASHES
    )


@pytest.mark.parametrize("image", ["shop/superbilling:1", "shop/billing:11", "shop/billing", "not an image"])
def test_a_behaviour_is_not_another_images(image: str) -> None:
    assert (
        ContainerBehaviors({"billing:1": ContainerBehavior(ContainerOutcome.CRASHES)}).of(image).fate
        is ContainerOutcome.RUNS
    )


def test_the_most_exact_behaviour_wins() -> None:
    table = {
        "billing:1": ContainerBehavior(ContainerOutcome.CRASHES),
        "shop/billing:1": ContainerBehavior(ContainerOutcome.DIES),
    }

    assert ContainerBehaviors(table).of("r/shop/billing:1").fate is ContainerOutcome.DIES
