"""Launching: which behaviour a container gets, and the task that it becomes."""

from __future__ import annotations

from dataclasses import replace

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors
from rollback.sandbox.marathon.app_definition import image_of
from rollback.sandbox.marathon.app_state import HOSTS, AppState
from rollback.sandbox.marathon.task import Task, schedule


def behavior_of(behaviors: ContainerBehaviors, app: AppState) -> ContainerBehavior:
    """How the next container of an app will behave."""
    image = image_of(app.definition)
    behavior = behaviors.of(image) if image else ContainerBehavior()
    if app.worn == app.config_version:
        behavior = replace(behavior, lasts_s=0)  # the time for which all went well was over long ago
    if behavior.times and app.launches.get(image, 0) >= behavior.times:
        return ContainerBehavior(start_s=behavior.start_s, ready_s=behavior.ready_s)
    return behavior


def new_task(app: AppState, behavior: ContainerBehavior, unique: str, number: int, at: float, speed: float) -> Task:
    """Launch a task; the caller puts it among the app's.

    Args:
        app: whose; the launch is counted there.
        behavior: of its image.
        unique: a part of its id that no other task has.
        number: chooses its agent and ports.
        at: seconds since the epoch.
        speed: how many times faster than in life it goes through its states.
    """
    image = image_of(app.definition)
    app.launches[image] = app.launches.get(image, 0) + 1
    container = app.definition.get("container") or {}
    ports = container.get("portMappings") or app.definition.get("portDefinitions") or ()
    app_id = str(app.definition["id"])
    task = Task(
        id=f"{app_id.strip('/').replace('/', '_')}.instance-{unique}._app.1",
        app_id=app_id,
        version=app.version,
        host=HOSTS[number % len(HOSTS)],
        ports=tuple(20001 + (number * 7 + index) % 10000 for index in range(len(ports))),
        checked=bool(app.definition.get("healthChecks")),
        probed=bool(app.definition.get("readinessChecks")),
        staged_at=at,
    )
    schedule(task, behavior, app.definition, speed)
    return task
