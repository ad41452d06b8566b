"""What Marathon's versions say of the images of an app, and where they cannot be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.targets.marathon.image_versions import ImageVersions
from tests.support.sandbox import NOW, Bench, definition

APP = "/shop/billing"
DAY_S = 86_400.0


class Memory:
    """A Marathon, and the versions that are read from it."""

    def __init__(self) -> None:
        self.bench = Bench(definition(APP, "1"))
        self.shown: list[str] = []
        self.versions = ImageVersions(self.listed, self.stored, 2)

    def listed(self, app_id: str) -> list[str]:
        return list(self.bench.get(f"/v2/apps{app_id}/versions")["versions"])

    def stored(self, app_id: str, version: str) -> Mapping[str, Any] | None:
        self.shown.append(version)
        response = self.bench.send("GET", f"/v2/apps{app_id}/versions/{version}")
        return response.json() if response.status == 200 else None

    def deploy(self, tag: str, after_s: float = DAY_S) -> None:
        self.bench.later(after_s)
        assert self.bench.deploy(APP, tag).status == 200
        self.bench.later(60)

    def history(self, most: int = 10) -> tuple[ConfiguredImages, ...]:
        self.versions.note(self.bench.get("/v2/apps")["apps"])
        return self.versions.history([APP], most)[APP]

    def at(self, moment: Instant) -> ConfiguredImages | None:
        self.versions.note(self.bench.get("/v2/apps")["apps"])
        return self.versions.at(APP, moment)


@pytest.fixture
def memory() -> Memory:
    return Memory()


def tags(found: tuple[ConfiguredImages, ...]) -> list[tuple[str, bool]]:
    """Each image with whether it is certain."""
    return [(one.containers[0].image.rpartition(":")[2], one.certain(600)) for one in found]


def test_every_configuration_has_the_time_from_which_it_counts(memory: Memory) -> None:
    memory.deploy("2")
    memory.deploy("3")

    found = memory.history()

    assert tags(found) == [("1", True), ("2", True), ("3", True)]
    assert [one.until for one in found] == [found[1].since, found[2].since, None]
    assert found[2].since.time - found[1].since.time == timedelta(days=1, seconds=60)


def test_no_more_is_read_than_counts(memory: Memory) -> None:
    for tag in ("2", "3", "4", "5"):
        memory.deploy(tag)

    found = memory.history(most=2)

    assert tags(found)[-2:] == [("4", True), ("5", True)]
    assert len(memory.shown) == 2  # the present one is known already, and one more says since when the oldest counts


def test_a_moment_costs_one_definition_and_the_present_none(memory: Memory) -> None:
    memory.deploy("2")

    before = memory.at(Instant(NOW))
    shown = len(memory.shown)
    now = memory.at(Instant(NOW + timedelta(days=3)))

    assert before is not None
    assert now is not None
    assert [one.containers[0].image[-1] for one in (before, now)] == ["1", "2"]
    assert (shown, len(memory.shown)) == (1, 1)
    assert memory.at(Instant(NOW - timedelta(days=300))) is None


def test_a_rolled_back_deployment_makes_its_stamp_and_the_newest_version_uncertain(memory: Memory) -> None:
    memory.deploy("2")
    memory.bench.later(DAY_S)
    deployment = memory.bench.deploy(APP, "crashes").json()["deploymentId"]
    memory.bench.later(5)
    assert memory.bench.send("DELETE", f"/v2/deployments/{deployment}").status == 200
    memory.bench.later(60)

    found = memory.history()

    assert ("crashes", False) in tags(found)
    assert tags(found)[0] == ("2", False)  # the stamp about which the leader began, older than everything
    assert ("1", True) in tags(found)
    assert ("2", True) in tags(found)
    last = memory.at(Instant(NOW + timedelta(days=9)))
    assert last is not None
    assert not last.certain(600)


def test_what_was_stored_over_a_version_of_long_ago_is_no_past_to_compare_with(memory: Memory) -> None:
    memory.deploy("2")
    memory.bench.later(DAY_S)
    deployment = memory.bench.deploy(APP, "crashes").json()["deploymentId"]
    memory.bench.later(5)
    memory.bench.send("DELETE", f"/v2/deployments/{deployment}")
    memory.bench.later(60)
    memory.at(Instant(NOW))
    stamp = memory.bench.get(f"/v2/apps{APP}")["app"]["version"]
    memory.deploy("3")

    with pytest.raises(TargetError, match="the past of /shop/billing is not known") as caught:
        memory.versions.require_trusted(APP, stamp)

    assert stamp in caught.value.why
    for version in set(memory.listed(APP)) - {stamp}:
        memory.versions.require_trusted(APP, version)


def test_a_refused_update_is_uncertain(memory: Memory) -> None:
    memory.deploy("2")
    memory.bench.later(DAY_S)
    assert memory.bench.deploy(APP, "3").status == 200
    assert memory.bench.deploy(APP, "4").status == 409
    memory.bench.later(60)

    found = memory.history()

    assert tags(found)[-1] == ("4", False)
    assert not found[-2].certain(600)


def test_a_configuration_that_another_follows_at_once_is_uncertain_and_the_present_one_is_not(memory: Memory) -> None:
    memory.deploy("2")
    memory.deploy("3", after_s=120)

    assert tags(memory.history()) == [("1", True), ("2", False), ("3", True)]


def test_what_follows_two_equal_configurations_may_have_been_rolled_back(memory: Memory) -> None:
    memory.deploy("2")
    memory.bench.later(DAY_S)
    assert memory.bench.send("POST", f"/v2/apps{APP}/restart").status == 200
    memory.bench.later(60)
    memory.deploy("3")
    memory.deploy("4")

    assert tags(memory.history()) == [("1", True), ("2", False), ("2", True), ("3", False), ("4", True)]


def test_a_definition_that_is_forgotten_meanwhile_is_uncertain(memory: Memory) -> None:
    memory.deploy("2")
    memory.versions = ImageVersions(memory.listed, lambda _app, _version: None, 2)

    found = memory.history()

    assert [bool(one.containers) for one in found] == [False, True]
    assert not found[0].certain(600)
