"""What the contract's tests do with a target, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rollback.core.apps import App, Change, Deployment, Status
from rollback.errors import RollbackError
from rollback.targets.base import Target
from tests.contract.stage import Stage

_BETWEEN_S = 2.5  # long enough for something to happen, since each look costs some targets several processes
_MOST_LOOKS = 60  # a stage that does not make the time lets up to a second pass between two


def by_id(target: Target, app_id: str) -> App:
    """An app as the target reads it."""
    return next(app for app in target.apps("prod") if app.id == app_id)


def change(target: Target, app_id: str, tag: str) -> Change:
    """That app, with another tag."""
    return changes(target, [app_id], tag)[0]


def changes(target: Target, app_ids: Iterable[str], tag: str) -> list[Change]:
    """Those apps, with another tag, in this order."""
    apps = {app.id: app for app in target.apps("prod")}
    return [Change(apps[one], f"{apps[one].image.rpartition(':')[0]}:{tag}") for one in app_ids]


def look(target: Target, app_id: str) -> Status:
    """One look at one app."""
    return target.status([app_id])[app_id]


def looks_until(
    target: Target, stage: Stage, app_id: str, seen_enough: Callable[[list[Status]], bool]
) -> list[Status]:
    """One look after the other, with some time between them, until what was seen is enough."""
    seen: list[Status] = []
    for _ in range(_MOST_LOOKS):
        seen.append(look(target, app_id))
        if seen_enough(seen):
            return seen
        stage.later(_BETWEEN_S)
    raise AssertionError(f"not within {_MOST_LOOKS} looks; the last one was {seen[-1]}")


def failures(seen: list[Status]) -> dict[str, str]:
    """By key, the messages of all failures that were seen."""
    return {one.failure.key: one.failure.message for one in seen if one.failure}


def put_back(target: Target, written: Change, deployment: Deployment) -> None:
    """Bring an app back to what it was before a write, in the way of this target."""
    if not target.has_deployments or target.cancel(deployment) is None:
        target.update([Change(written.app, written.app.image)])


def everything(error: RollbackError) -> str:
    """Everything that an error could show."""
    return f"{error.what} {error.why} {error.hint} {error!r} {error.__cause__!r}"
