"""What a target runs: apps, what is to be changed in them, and what is seen of them meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol


@dataclass(frozen=True)
class Container:
    """One container of an app.

    Attributes:
        name: its name within the app; empty where the target gives it none.
        image: the image reference in its definition.
    """

    name: str
    image: str


@dataclass(frozen=True)
class App:
    """A service on a target, as it was when it was read.

    Attributes:
        id: its id on the target, e.g. `/ds/prod/shop/billing`.
        image: the image reference that it runs; empty for an app without an image. Of an app with several
            containers: that of the selected ones; empty if they differ.
        version: the target's mark of its present configuration; changes with every change of it.
        instances: how many instances it shall have.
        checked: whether the target checks its health or readiness.
        deployments: ids of the deployments that hold it at the moment.
        definition: what the target needs to put the app back, in its own form, complete; carried as it came.
        marks: a fingerprint for each other member of its configuration, so that a change there is noticed
            without the member itself, which may hold secrets, being written anywhere.
        containers: its containers, where the target has several per app; init containers included.
        selected: names of the containers that a change is about; empty for an app without containers.
    """

    id: str
    image: str
    version: str
    instances: int
    checked: bool
    deployments: tuple[str, ...] = ()
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    containers: tuple[Container, ...] = ()
    selected: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Container, ...]:
        """Its containers; one without a name where the target knows no containers."""
        return self.containers or ((Container("", self.image),) if self.image else ())

    def select(self, names: Iterable[str]) -> App:
        """The same app, reduced to the containers that a change is about.

        Args:
            names: names of containers that it has.
        """
        chosen = tuple(names)
        images = {part.image for part in self.parts if part.name in chosen}
        return replace(self, selected=chosen, image=images.pop() if len(images) == 1 else "")


@dataclass(frozen=True)
class Change:
    """An app as it was captured, and the image reference that it shall run.

    Attributes:
        app: as it is before the change; with its own image this puts it back.
        image: what it shall run.
        captured: an earlier definition to which it shall go back; None to keep its present one.
    """

    app: App
    image: str
    captured: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def definition(self) -> Mapping[str, Any]:
        """The definition that is written, with `image` in place of its own."""
        return self.app.definition if self.captured is None else self.captured


@dataclass(frozen=True)
class Deployment:
    """A running change on the target, which locks its apps.

    Attributes:
        id: the target's id of it.
        apps: ids of the apps that it holds.
        version: the version that it brings; empty where the target did not say.
        since: RFC 3339 time of its start; empty where unknown.
    """

    id: str
    apps: tuple[str, ...]
    version: str = ""
    since: str = ""


@dataclass(frozen=True)
class Failure:
    """The newest failed task of an app's present version.

    Attributes:
        key: differs for every failure, so that two can be told from one seen twice.
        message: the target's own words.
    """

    key: str
    message: str


@dataclass(frozen=True)
class Status:
    """One look at an app while it is being watched.

    Attributes:
        id: the app.
        image: the image reference in its definition now.
        version: the mark of its present configuration.
        instances: how many instances it shall have now.
        deployments: ids of the deployments that hold it.
        ready: tasks of the present version that run and, if the app is checked, are healthy.
        started: tasks of the present version that run, healthy or not.
        stale: tasks of older versions that are still there.
        failure: the newest failure of the present version.
        waiting: what it waits for, in the target's words ("no offers", "back-off 12 s", "health check: 503 …");
            empty if nothing.
        images: by container name, the image references in its definition, where the target has containers.
    """

    id: str
    image: str
    version: str
    instances: int
    deployments: tuple[str, ...]
    ready: int
    started: int
    stale: int
    failure: Failure | None = None
    waiting: str = ""
    images: Mapping[str, str] = field(default_factory=dict)

    def image_of(self, app: App) -> str:
        """The image reference of the containers that a change of `app` is about; empty if they differ."""
        if not app.selected:
            return self.image
        images = {self.images.get(name, "") for name in app.selected}
        return images.pop() if len(images) == 1 else ""


class OperatorCommands(Protocol):
    """What an operator types on a target to look and to help, complete for a shell and without secrets."""

    def show(self, app_id: str) -> str:
        """Show one app."""
        ...

    def list_deployments(self) -> str:
        """Show what holds apps, or what is in flight."""
        ...

    def roll_back(self, deployment_id: str) -> str:
        """End a deployment so that its apps go back; empty where the target has no such command."""
        ...

    def end(self, deployment_id: str) -> str:
        """End a deployment without changing its apps; empty where the target has no such command."""
        ...
