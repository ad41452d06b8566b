"""The rolling restart: which tasks may go and how many may come, by the app's upgrade strategy."""

from __future__ import annotations

import math

from rollback.sandbox.marathon.app_state import AppState
from rollback.sandbox.marathon.task import Task


def replacement(app: AppState) -> tuple[list[Task], int]:
    """Take one look at an app whose tasks are being replaced.

    Old tasks go as far as enough healthy ones remain; new ones come as far as there is room. The default, 1 and 1,
    brings a whole second set up before the first old task dies (Marathon's TaskReplaceActor).

    Returns:
        The tasks to kill now, and how many to launch.
    """
    strategy = app.definition["upgradeStrategy"]
    enough = math.ceil(app.instances * strategy["minimumHealthCapacity"])
    room = math.floor(app.instances * (1 + strategy["maximumOverCapacity"]))
    if room == enough:
        room += 1  # else neither could begin
    new = app.present()
    old = [task for task in app.outdated() if task.live]
    up = sum(task.counts for task in new)
    spare = len(old) if up >= app.instances else max(0, len(old) + up - enough)
    going = sorted(old, key=lambda task: (task.counts, task.staged_at))[:spare]
    return [*going, *new[app.instances :]], min(app.instances - len(new), room - len(app.tasks))


def beyond_instances(app: AppState, at: float, check_s: float, *, scaling: bool) -> list[Task]:
    """The tasks of an app that are too many and go now: at once if it is scaled, else at the next check of numbers.

    Args:
        app: it.
        at: seconds since the epoch.
        check_s: seconds until that check.
        scaling: whether a deployment scales it.
    """
    live = [task for task in app.tasks if task.live]
    if len(live) + app.surplus <= app.instances:
        app.trim_at = 0.0
    elif not scaling and app.trim_at == 0.0:
        app.trim_at = at + check_s
    elif scaling or at >= app.trim_at:
        app.surplus = 0
        return sorted(live, key=lambda task: (task.counts, -task.staged_at))[: max(0, len(live) - app.instances)]
    return []
