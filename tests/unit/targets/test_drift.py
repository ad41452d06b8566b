"""What a rollback of images leaves as it is."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.targets.base import TargetOptions
from rollback.targets.marathon import drift
from rollback.targets.marathon.image_versions import ImageVersions

THEN = {
    "instances": 2,
    "mem": 384,
    "env": {"PASSWORD": "old", "KEPT": "1", "GONE": "1"},
    "labels": {"team": "shop"},
    "container": {"type": "DOCKER", "docker": {"image": "a:1"}, "volumes": []},
}


def test_the_newest_version_not_later_than_the_time_counts() -> None:
    versions = ["2026-11-20T10:00:00.000Z", "2026-11-18T10:00:00.000Z", "2026-11-21T10:00:00.000Z"]  # in no order

    assert drift.version_at(versions, Instant.parse("2026-11-20T23:59:59Z")) == "2026-11-20T10:00:00.000Z"
    assert drift.version_at(versions, Instant.parse("2026-11-17T00:00:00Z")) == ""


def test_another_image_is_no_drift() -> None:
    now = {**THEN, "container": {"type": "DOCKER", "docker": {"image": "a:2"}, "volumes": []}, "version": "v2"}

    assert drift.drift(THEN, now) == ()


def test_variables_are_told_by_name_and_never_by_value() -> None:
    now = {**THEN, "env": {"PASSWORD": "new", "KEPT": "1", "ADDED": "1"}}

    assert drift.drift(THEN, now) == ("env ADDED is new", "env GONE is gone", "env PASSWORD has another value")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"instances": 5}, "instances was 2, is 5"),
        ({"mem": 512.5}, "mem was 384, is 512.5"),
        ({"cpus": 1}, "cpus was not set, is 1"),
        ({"labels": {"team": "other"}}, "labels changed"),
        ({"healthChecks": [{}]}, "healthChecks changed"),
        (
            {"container": {"type": "DOCKER", "docker": {"image": "a:2", "privileged": True}, "volumes": []}},
            "container changed beside its image",
        ),
    ],
)
def test_every_other_change_is_told(change: dict[str, object], told: str) -> None:
    assert drift.drift(THEN, {**THEN, **change}) == (told,)


@pytest.mark.parametrize("section", [{"kind": "marathon", "url": "http://127.0.0.1:1"}, {"kind": "dcos"}])
def test_a_definition_that_was_stored_over_the_one_of_that_day_is_compared_with_nothing(
    section: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target: Any = importlib.import_module(f"rollback.targets.{section['kind']}").connect(TargetOptions("t", section))
    stamp, written = "2026-10-01T00:00:00.000Z", "2026-11-22T00:00:00.000Z"
    memory = ImageVersions(lambda _: [stamp, written], lambda *_: {"container": {}}, 1)
    monkeypatch.setattr(target, "_versions", memory)
    monkeypatch.setattr(target, "_version_list", lambda _: [stamp, written])
    memory.note([{"id": "/a", "version": stamp}])  # it was given back when a deployment was rolled back
    memory.at("/a", Instant.parse(written))

    with pytest.raises(TargetError, match="the past of /a is not known"):
        target.drift("/a", Instant.parse("2026-11-20T00:00:00Z"))
