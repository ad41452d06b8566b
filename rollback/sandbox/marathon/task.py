"""One task: what will happen to it is decided at its launch, and happens as time passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.marathon.app_definition import image_of


class TaskTransition(Enum):
    """Something that happens to a task."""

    RUNS = "it runs"
    PASSES = "its health checks pass"
    FAILS_CHECK = "a health check fails"
    READY = "its readiness check passes"
    GIVEN_UP = "it failed too many health checks and is killed"
    ENDS = "it ends by itself"
    GONE = "the kill is through"


@dataclass
class Task:
    """A task of an app.

    Attributes:
        id: its id.
        app_id: the app's.
        version: the app's version that it was launched from.
        host: the agent that it runs on.
        ports: host ports.
        checked: whether its app has health checks.
        probed: whether its app has a readiness check.
        staged_at: seconds since the epoch.
        started_at: likewise; None until it runs.
        state: as Mesos names it.
        alive: the result of its health checks; None until there is one.
        ready: whether its readiness check passed.
        turned_at: when the health result was seen first.
        coming: what will happen, by time.
        message: why it will end.
        drains_s: seconds at speed 1 from asking it to stop until it is gone.
        silent: whether its executor runs its checks: Marathon then learns neither why one fails nor of the kill.
    """

    id: str
    app_id: str
    version: str
    host: str
    ports: tuple[int, ...]
    checked: bool
    probed: bool
    staged_at: float
    started_at: float | None = None
    state: str = "TASK_STAGING"
    alive: bool | None = None
    ready: bool = False
    turned_at: float | None = None
    coming: list[tuple[float, TaskTransition]] = field(default_factory=list)
    message: str = ""
    drains_s: float = 0.3
    silent: bool = False

    @property
    def live(self) -> bool:
        """Not being killed, and not on an agent that is lost."""
        return self.state not in {"TASK_KILLING", "TASK_UNREACHABLE"}

    def lose(self) -> None:
        """Its agent is lost: nobody knows whether it runs, and nobody can end it."""
        self.state, self.coming = "TASK_UNREACHABLE", []

    @property
    def counts(self) -> bool:
        """Whether a deployment counts it as up: running, healthy if that is checked, and ready if that is."""
        return (
            self.state == "TASK_RUNNING"
            and (self.alive is True or not self.checked)
            and (self.ready or not self.probed)
        )

    @property
    def next_at(self) -> float | None:
        """When something happens next; None for never."""
        return min((at for at, _ in self.coming), default=None)

    def kill(self, at: float, speed: float) -> None:
        """Ask it to stop."""
        if self.live:
            self.state = "TASK_KILLING"
            self.coming = [(at + self.drains_s / speed, TaskTransition.GONE)]

    def turn(self, at: float, turn: TaskTransition) -> None:
        """Let one thing happen to it that leaves it on its agent."""
        if turn is TaskTransition.RUNS:
            self.state, self.started_at = "TASK_RUNNING", at
        elif turn is TaskTransition.READY:
            self.ready = True
        elif turn in (TaskTransition.PASSES, TaskTransition.FAILS_CHECK):
            self.alive, self.turned_at = turn is TaskTransition.PASSES, at


def schedule(task: Task, behavior: ContainerBehavior, definition: Mapping[str, Any], speed: float) -> None:
    """Decide what will happen to a task that was just launched.

    Args:
        task: staged, with nothing to come.
        behavior: of its image.
        definition: the app that it was launched from.
        speed: how many times faster than in life everything goes.
    """
    task.drains_s = behavior.drains_s
    runs = task.staged_at + behavior.start_s / speed
    judged = runs + behavior.ready_s / speed
    image = image_of(definition)
    if behavior.fate is ContainerOutcome.UNPULLABLE:
        task.message = (
            f"Failed to launch container: Failed to pull image '{image}': "
            f"manifest for {image} not found: manifest unknown"
        )
        task.coming = [(runs, TaskTransition.ENDS)]
        return
    if behavior.fate is ContainerOutcome.CRASHES:
        task.message = "Command exited with status 1"
        task.coming = [(runs, TaskTransition.ENDS)]
        return
    task.coming = [(runs, TaskTransition.RUNS)]
    if behavior.fate is ContainerOutcome.DIES:
        ends = runs + behavior.lasts_s / speed
        task.message = "Container exited with status 137"
        task.coming.append((ends, TaskTransition.ENDS))
        if judged < ends:
            task.coming += [(judged, TaskTransition.PASSES), (judged, TaskTransition.READY)]
        return
    if behavior.fate in (ContainerOutcome.UNHEALTHY, ContainerOutcome.SICKENS) and task.checked:
        check = definition["healthChecks"][0]
        task.silent = check["protocol"].startswith("MESOS_") or check["protocol"] == "COMMAND"
        bad_for = check["intervalSeconds"] * check["maxConsecutiveFailures"] / speed
        task.message = "Task was killed since health check failed. Reason: HttpCheck failed: 503 Service Unavailable"
        if behavior.fate is ContainerOutcome.UNHEALTHY:
            # Until the grace period is over, failed checks are not counted.
            gone = runs + check["gracePeriodSeconds"] / speed + bad_for
            task.coming += [(judged, TaskTransition.FAILS_CHECK), (gone, TaskTransition.GIVEN_UP)]
        else:
            sick = judged + behavior.lasts_s / speed
            task.coming += [(judged, TaskTransition.PASSES), (judged, TaskTransition.READY)]
            task.coming += [(sick, TaskTransition.FAILS_CHECK), (sick + bad_for, TaskTransition.GIVEN_UP)]
        return
    task.coming.append((judged, TaskTransition.PASSES))
    if behavior.fate is not ContainerOutcome.NEVER_READY:
        task.coming.append((judged, TaskTransition.READY))
