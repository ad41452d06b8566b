"""What a target runs: apps, what is to be changed in them, and what is seen of them meanwhile."""

from __future__ import annotations

import hashlib
import json
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
class Owner:
    """Whatever deploys an app besides its users, so that a rollback may not last.

    Attributes:
        name: what an operator accepts it by, e.g. `argocd`; apps that one owner deploys have the same name and
            `instance`.
        instance: which one it is, as part of a sentence: `Argo CD application shop`.
        effect: what it does to a change of somebody else, as the rest of the sentence.
        reverts: whether it does so by itself; if not, it waits until somebody uses it.
        suspend: the exact command that keeps it from doing so; empty if there is none.
    """

    name: str
    instance: str
    effect: str
    reverts: bool
    suspend: str = ""


@dataclass(frozen=True)
class App:
    """A service on a target, as it was when it was read.

    Attributes:
        id: its id on the target, e.g. `/ds/prod/shop/billing`.
        image: the image reference that it runs; empty for an app without an image. Of an app with several
            containers: that of the selected ones; empty if they differ.
        version: the target's mark of its present configuration. It may repeat, and its order means nothing.
        instances: how many instances it should have.
        checked: whether the target checks its health or readiness.
        deployments: ids of the deployments that hold it at the moment.
        definition: what the target needs to put the app back, in its own form, complete; carried as it came.
        marks: a fingerprint for each other member of its configuration, so that a change there is noticed
            without the member itself, which may hold secrets, being written anywhere.
        containers: its containers, where the target has several per app; init containers included.
        selected: names of the containers that a change is about; empty for an app without containers.
        start_grace_s: how long a new instance may take to become healthy by the app's own definition, in seconds;
            0 where it does not say.
        stop_grace_s: how long an old instance may take to end, likewise.
        running_digest: `sha256:…` of the image that its running instances report; empty where the target does not
            say it, or they differ.
        exact_image: the reference, by digest, that brings back what it runs, where its own one could name another
            image by then; see `core.running_image`.
        inexact: whether its own reference could name another image by then, and what it runs is unknown.
        owners: what else deploys it.
        unmanaged: why the target never changes it, in a few words (`a CronJob`); empty for what can be changed.
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
    start_grace_s: float = 0.0
    stop_grace_s: float = 0.0
    running_digest: str = ""
    exact_image: str = ""
    inexact: bool = False
    owners: tuple[Owner, ...] = ()
    unmanaged: str = ""

    @property
    def restore_image(self) -> str:
        """The reference that is written to bring back what it runs."""
        return self.exact_image or self.image

    @property
    def parts(self) -> tuple[Container, ...]:
        """Its containers; one without a name where the target knows no containers."""
        return self.containers or ((Container("", self.image),) if self.image else ())

    @property
    def images(self) -> tuple[str, ...]:
        """The image references that a change of it replaces, each once; several where its containers differ."""
        if self.image:
            return (self.image,)
        return tuple(dict.fromkeys(part.image for part in self.parts if part.name in self.selected))

    def select(self, names: Iterable[str]) -> App:
        """The same app, reduced to the containers that a change is about.

        Args:
            names: names of containers that it has.
        """
        chosen = tuple(names)
        images = {part.image for part in self.parts if part.name in chosen}
        return replace(self, selected=chosen, image=images.pop() if len(images) == 1 else "")

    @property
    def fingerprint(self) -> str:
        """A fingerprint of its configuration, the image reference and the number of instances left aside.

        Empty where nothing of the configuration is known.
        A version proves nothing here: Marathon gives the same one to different configurations, and one that is
        older than those before it, once a deployment was rolled back.
        """
        return _fingerprint(self.definition, self.image, self.marks)

    @property
    def announced_s(self) -> float:
        """How long replacing one of its instances may take by its own definition, in seconds."""
        return self.start_grace_s + self.stop_grace_s


@dataclass(frozen=True)
class Change:
    """An app as it was captured, and the image reference that it should run.

    Attributes:
        app: as it is before the change; with its own image this puts it back.
        image: what it should run.
        captured: an earlier definition to which it should go back; None to keep its present one.
        run: id of the run that makes it; empty in a plan.
        images: by container, what it should run where the selected ones get different images; `image` is empty then.
    """

    app: App
    image: str
    captured: Mapping[str, Any] | None = field(default=None, repr=False)
    run: str = ""
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def brings(self) -> tuple[str, ...]:
        """The image references that it writes, each once."""
        return tuple(dict.fromkeys(self.images.values())) or (self.image,)

    @property
    def definition(self) -> Mapping[str, Any]:
        """The definition that is written, with `image` in place of its own."""
        return self.app.definition if self.captured is None else self.captured

    @property
    def fingerprint(self) -> str:
        """The fingerprint that the app has once the change was made; see `App.fingerprint`."""
        image = self.app.image if self.captured is None else self.image
        return _fingerprint(self.definition, image, self.app.marks)


@dataclass(frozen=True)
class Remark:
    """What a target says of a change before it is written.

    Attributes:
        app: the app's id.
        what: in a few words, as a sentence about it begins: `it is paused`.
        why: the target's own words, or what would happen; may be empty.
        hint: one next step, where it forbids the change.
        blocks: whether it forbids the change; if not, the user should know it.
    """

    app: str
    what: str
    why: str = ""
    hint: str = ""
    blocks: bool = False


def _fingerprint(definition: Mapping[str, Any], image: str, marks: Mapping[str, str]) -> str:
    if not definition and not marks:
        return ""
    text = json.dumps([without_image(definition, image), dict(marks)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_image(value: Any, old: str, new: str) -> Any:
    """A definition, or a part of one, with an image reference exchanged."""
    if isinstance(value, Mapping):
        return {key: with_image(member, old, new) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [with_image(member, old, new) for member in value]
    return new if value == old else value


def without_image(value: Any, image: str) -> Any:
    """A definition, or a part of one, with None in place of an image reference."""
    if isinstance(value, Mapping):
        return {key: without_image(member, image) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [without_image(member, image) for member in value]
    return None if value == image else value


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
        key: differs for every failure, so that two can be distinguished from one seen twice.
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
        version: the mark of its present configuration; it may repeat, and its order means nothing.
        instances: how many instances it should have now.
        deployments: ids of the deployments that hold it.
        ready: instances of the present configuration that run and, if the app is checked, are healthy.
        started: instances of the present configuration that run, healthy or not.
        stale: instances of older configurations that are still there, the unreachable ones left aside.
        failure: the newest failure of the present configuration.
        waiting: what it waits for, in the target's words ("back-off 12 s", "health check: 503 …"); empty if nothing.
        images: by container name, the image references in its definition, where the target has containers.
        unplaced: why instances have no place to run ("no offers: memory"); empty if they have. Every new instance
            is without one for a moment.
        fingerprint: of its configuration, as `App.fingerprint`; empty where the target does not say it.
        live: ids of the instances of the present configuration.
        healthy: those of them that are ready.
        draining: how many of the `stale` ones are being terminated.
        unreachable: how many instances of older configurations are on an agent that is lost; nobody can end them
            before it is back.
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
    unplaced: str = ""
    fingerprint: str = ""
    live: frozenset[str] = frozenset()
    healthy: frozenset[str] = frozenset()
    draining: int = 0
    unreachable: int = 0

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
