"""What a target runs: apps, what is to be changed in them, and what is seen of them meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class App:
    """A service on a target, as it was when it was read.

    Attributes:
        id: its id on the target, e.g. `/ds/prod/shop/billing`.
        image: the image reference that it runs; empty for an app without an image.
        version: the target's mark of its present configuration; changes with every change of it.
        instances: how many instances it shall have.
        checked: whether the target checks its health or readiness.
        deployments: ids of the deployments that hold it at the moment.
        definition: what the target needs to put the app back, in its own form, complete; carried as it came.
        marks: a fingerprint for each other member of its configuration, so that a change there is noticed
            without the member itself, which may hold secrets, being written anywhere.
    """

    id: str
    image: str
    version: str
    instances: int
    checked: bool
    deployments: tuple[str, ...] = ()
    definition: Mapping[str, Any] = field(default_factory=dict, repr=False)
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)


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
