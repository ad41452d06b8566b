"""Versions repeat and go back, so what they hold is told by its content."""

from __future__ import annotations

from typing import Any

from rollback.targets.marathon.configurations import Configurations

LONG_AGO, BEFORE, BAD = "2026-10-01T00:00:00.000Z", "2026-11-20T00:00:00.000Z", "2026-11-22T00:00:00.000Z"


def entry(version: str, image: str = "a:1", **members: Any) -> dict[str, Any]:
    return {
        "id": "/a",
        "instances": 2,
        "version": version,
        "container": {"docker": {"image": image}},
        "tasks": [],
        **members,
    }


def task(version: str, number: int = 1) -> dict[str, str]:
    return {"id": f"{version}.{number}", "version": version, "state": "TASK_RUNNING"}


def failure(version: str) -> dict[str, str]:
    return {"taskId": f"a.{version}", "timestamp": version, "version": version, "message": "exit 1"}


def test_tasks_of_a_bad_version_are_old_ones_once_its_deployment_was_rolled_back() -> None:
    known = Configurations()
    for one in (entry(BEFORE), entry(BAD, "a:2"), entry(LONG_AGO)):
        known.note(one)

    seen = known.status(entry(LONG_AGO, tasks=[task(LONG_AGO), task(BAD, 1), task(BAD, 2)]))

    assert (seen.ready, seen.stale) == (1, 2)


def test_tasks_of_the_same_configuration_under_another_version_are_present() -> None:
    known = Configurations()
    for one in (entry(BEFORE), entry(LONG_AGO)):
        known.note(one)

    assert known.status(entry(LONG_AGO, tasks=[task(LONG_AGO), task(BEFORE)])).ready == 2


def test_only_versions_that_nobody_has_seen_are_unknown() -> None:
    known = Configurations()
    known.note(entry(BEFORE))
    tasks = [task(BEFORE), task(LONG_AGO), task(BAD), {"id": "a.9", "state": "TASK_FAILED"}]

    unknown = known.unknown(entry(BAD, "a:2", tasks=tasks))
    known.learn("/a", LONG_AGO, None)

    assert unknown == {LONG_AGO}
    assert known.unknown(entry(BAD, "a:2", tasks=tasks)) == frozenset()


def test_a_failure_of_the_bad_version_is_not_that_of_the_restored_one() -> None:
    known = Configurations()
    known.note(entry(BAD, "a:2"))

    restored = entry(LONG_AGO, lastTaskFailure=failure(BAD))
    known.note(restored)

    assert known.status(restored).failure is None
    assert known.failure(restored) is None


def test_an_old_failure_under_a_version_that_repeats_is_not_a_new_one() -> None:
    known = Configurations()
    old = failure(LONG_AGO)
    known.note(entry(LONG_AGO, lastTaskFailure=old))
    known.note(entry(BAD, "a:2", lastTaskFailure=old))
    restored = entry(LONG_AGO, lastTaskFailure=old)
    known.note(restored)

    assert known.status(restored).failure is None
    fresh = {**restored, "lastTaskFailure": {**old, "taskId": "a.new"}}
    assert known.status(fresh).failure is not None
