"""What a Marathon knows about one app: its definition, versions, tasks and what keeps it from starting more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone

from rollback.sandbox.marathon.app_definition import Definition
from rollback.sandbox.marathon.task import Task

HOSTS = tuple(f"10.0.1.{number}" for number in range(11, 16))


@dataclass
class AppState:
    """An app and everything about it.

    Attributes:
        definition: what it should be.
        version: of that definition.
        config_version: the version of the last change that replaced tasks.
        scaling_version: the version of the last change of anything.
        versions: stored definitions by version; one that a lock refused is among them.
        tasks: all that are still on an agent.
        failed: tasks of the present configuration that failed, until others are launched in their place.
        failure: the last task that failed, as Marathon reports it.
        failures: how many tasks of the present configuration failed in a row.
        not_before: seconds since the epoch until which nothing is launched.
        waiting: instances that are not launched yet.
        waiting_since: since when.
        offered_at: seconds since the epoch at which an offer for them comes.
        surplus: instances beyond those that there should be, which a stopped deployment wanted and which are still
            tried.
        trim_at: seconds since the epoch at which tasks beyond `instances` are killed; 0 if there are none.
        launches: how many containers of an image were launched.
        scaled: the versions of the present configuration: its first, and those that came of scaling it.
        worn: a version that was there before anybody looked, so that what befalls its containers in time has
            befallen them.
    """

    definition: Definition
    version: str
    config_version: str
    scaling_version: str
    versions: dict[str, Definition] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    failed: list[Task] = field(default_factory=list)
    failure: dict[str, str] | None = None
    failures: int = 0
    not_before: float = 0.0
    waiting: int = 0
    waiting_since: float = 0.0
    offered_at: float = 0.0
    surplus: int = 0
    trim_at: float = 0.0
    launches: dict[str, int] = field(default_factory=dict)
    worn: str = ""
    scaled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.scaled.add(self.version)

    @property
    def instances(self) -> int:
        """How many there should be."""
        return int(self.definition["instances"])

    def present(self) -> list[Task]:
        """Live tasks of the present configuration."""
        return [task for task in self.tasks if task.live and self.is_present(task)]

    def outdated(self) -> list[Task]:
        """Tasks of older configurations, those that are being killed included."""
        return [task for task in self.tasks if not self.is_present(task)]

    def is_present(self, task: Task) -> bool:
        """Whether a task was launched from the present configuration, or from one that only its number differs of.

        A version says nothing by its order: it repeats and goes back after a deployment was rolled back.
        """
        return task.version in self.scaled


def slave_of(host: str) -> str:
    """The agent's id."""
    return f"8d1f3e52-0c1b-4f2e-9a57-6f8a1f4e2b90-S{HOSTS.index(host)}"


def stamp_of(at: float) -> str:
    """Seconds since the epoch as Marathon writes them."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def failure_of(task: Task, state: str, at: float) -> dict[str, str]:
    """What Marathon reports of a task that failed.

    Args:
        task: it.
        state: as Mesos names it.
        at: when, in seconds since the epoch.
    """
    return {
        "appId": task.app_id,
        "host": task.host,
        "message": task.message,
        "slaveId": slave_of(task.host),
        "state": state,
        "taskId": task.id,
        "timestamp": stamp_of(at),
        "version": task.version,
    }
