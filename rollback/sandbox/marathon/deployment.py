"""Deployments: which steps lead from one set of definitions to another, and how far they have come."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from rollback.sandbox.marathon.app_definition import Definition


class ActionKind(str, Enum):
    """What is done to an app, in Marathon's words."""

    START = "StartApplication"
    SCALE = "ScaleApplication"
    RESTART = "RestartApplication"
    STOP = "StopApplication"


@dataclass(frozen=True)
class DeploymentAction:
    """One thing to do to one app."""

    kind: ActionKind
    app_id: str


Steps = tuple[tuple[DeploymentAction, ...], ...]
"""Actions of a step run side by side, steps one after the other."""


@dataclass
class SimulatedDeployment:
    """A running change, which locks its apps.

    Attributes:
        id: its id.
        version: the version that it brings.
        steps: what it does.
        before: the definitions that its apps had; None for one that it creates.
        since: when it began, in seconds since the epoch.
        step: 0 until the first step begins, then counted from 1.
        done: the actions of the present step that are through.
    """

    id: str
    version: str
    steps: Steps
    before: Mapping[str, Definition | None]
    since: float
    step: int = 0
    done: set[DeploymentAction] = field(default_factory=set)

    @cached_property
    def apps(self) -> tuple[str, ...]:
        """The apps that it holds."""
        return tuple(sorted({action.app_id for step in self.steps for action in step}))

    @property
    def current(self) -> tuple[DeploymentAction, ...]:
        """The actions of the present step that are not through."""
        if not 1 <= self.step <= len(self.steps):
            return ()
        return tuple(action for action in self.steps[self.step - 1] if action not in self.done)

    def present(self, app_id: str) -> ActionKind | None:
        """What it does to an app just now; None if it is not that app's turn."""
        return next((action.kind for action in self.current if action.app_id == app_id), None)

    def is_through_with(self, app_id: str) -> bool:
        """Whether nothing is left to do for an app."""
        left = [*self.current, *(action for step in self.steps[max(self.step, 0) :] for action in step)]
        return all(action.app_id != app_id for action in left)


def plan(before: Mapping[str, Definition], after: Mapping[str, Definition], restarted: Collection[str]) -> Steps:
    """Find the steps from one state to another.

    Args:
        before: every app as it is.
        after: every app as it should be.
        restarted: ids of the apps whose tasks have to be replaced.
    """
    level = _levels(after)
    stopped = tuple(DeploymentAction(ActionKind.STOP, app) for app in sorted(before) if app not in after)
    started = tuple(DeploymentAction(ActionKind.START, app) for app in sorted(after) if app not in before)
    layers: dict[int, list[DeploymentAction]] = {}
    for app in sorted(after):
        if app not in before:
            layers.setdefault(level[app], []).append(DeploymentAction(ActionKind.SCALE, app))
        elif app in restarted:
            # Nothing runs and nothing should run: the new image is never started, and the action is through at once.
            kind = ActionKind.RESTART if after[app]["instances"] > 0 else ActionKind.SCALE
            layers.setdefault(level[app], []).append(DeploymentAction(kind, app))
        elif before[app]["instances"] != after[app]["instances"]:
            layers.setdefault(level[app], []).append(DeploymentAction(ActionKind.SCALE, app))
    steps = [stopped, started, *(tuple(layers[number]) for number in sorted(layers))]
    return tuple(step for step in steps if step)


def _levels(apps: Mapping[str, Definition]) -> dict[str, int]:
    """Length of the longest chain of dependencies below each app; a dependency may be a group."""
    level: dict[str, int] = {}

    def measure(app: str, above: frozenset[str]) -> int:
        if app not in level:
            below = [
                other
                for wanted in apps[app].get("dependencies", ())
                for other in apps
                if (other == wanted or other.startswith(f"{wanted}/")) and other not in above
            ]
            level[app] = 1 + max((measure(other, above | {app}) for other in below), default=-1)
        return level[app]

    for app in apps:
        measure(app, frozenset({app}))
    return level
