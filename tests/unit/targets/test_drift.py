"""What a rollback of images leaves as it is."""

from __future__ import annotations

import pytest

from rollback.core.timestamps import Instant
from rollback.targets.marathon import drift

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
