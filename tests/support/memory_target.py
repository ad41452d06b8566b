"""A fleet in memory that satisfies the `Target` port, its time moved by hand, and a journal that is a list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollback.core.apps import App, Change, Deployment, Failure, Status
from rollback.core.rollout_status import RolloutStatus
from rollback.errors import AppLocked, NoAnswer, RecordError, TargetError
from rollback.targets.base import Check, Level
from rollback.targets.dcos.operator_commands import DcosCommands

Events = list[tuple[str, object]]


class Clock:
    """Stands still until somebody sleeps; what was put on it for a time happens then.

    Args:
        stop_at: seconds at which somebody wants the program to stop; never if it is not given.
    """

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.seconds = 0.0
        self.stop_at = stop_at
        self._coming: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        if self.seconds > 100_000:
            raise AssertionError("this never ends")
        self.seconds += seconds
        due = [event for event in self._coming if event[0] <= self.seconds]
        self._coming = [event for event in self._coming if event[0] > self.seconds]
        for _, happen in due:
            happen()

    def call(self, function: Callable[[], Any], within_s: float) -> Any:
        return function()

    def stopping(self) -> bool:
        return self.seconds >= self.stop_at

    def at(self, seconds: float, happen: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._coming.append((seconds, happen))


@dataclass
class _Running:
    app: App
    image: str
    version: str
    since: float
    deployment: str = ""


@dataclass
class Journal:
    """What was told, in the order of the telling and of the writes themselves.

    Attributes:
        events: shared with the fleet, so that the order of both can be seen.
        full_from: the number of the event from which on nothing can be recorded.
        full_until: the number of the event from which on it can again.
    """

    events: Events
    full_from: float = float("inf")
    full_until: float = float("inf")
    told: int = 0

    def _tell(self, what: str, detail: object) -> None:
        self.told += 1
        if self.full_from <= self.told < self.full_until:
            raise RecordError("the record cannot be written", why="No space left on device")
        self.events.append((what, detail))

    def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
        self._tell("restoring" if restoring else "writing", {change.app.id: change.image for change in changes})

    def cancelling(self, deployment: Deployment) -> None:
        self._tell("cancelling", deployment.id)

    def stopping(self, deployment: Deployment) -> None:
        self._tell("stopping", deployment.id)

    def written(self, changes: Sequence[Change], deployment: Deployment | None, problem: str, *, taken: bool) -> None:
        self._tell("written", problem)

    def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
        self._tell("judged", (watch.change.app.id, watch.state.value))


@dataclass
class Memory:
    """A fleet.

    Attributes:
        images: by app id, the image that runs at first.
        clock: its time.
        batch: how many changes one write takes; 0 for all.
        broken: images that never get ready.
        crashing: images whose tasks fail every second.
        dying: images whose tasks are ready at once and fail every four seconds.
        takes_s: seconds until a good image is ready.
        events: what was written, with what the journal was told.
    """

    images: dict[str, str]
    clock: Clock = field(default_factory=Clock)
    batch: int = 1
    broken: Collection[str] = ()
    crashing: Collection[str] = ()
    dying: Collection[str] = ()
    takes_s: float = 3.0
    events: Events = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._number = 0
        self._fleet: dict[str, _Running] = {}
        for app_id, image in self.images.items():
            app = App(app_id, image, "v0", 2, checked=True, definition={"container": {"docker": {"image": image}}})
            self._fleet[app_id] = _Running(app, image, "v0", -1000.0)
        self.running_deployments: dict[str, tuple[dict[str, str], dict[str, str]]] = {}  # id: (after, before)
        self.refusing: dict[str, TargetError] = {}  # by app id; nothing is taken
        self.losing: dict[str, bool] = {}  # by app id: no answer comes, once; whether the write is taken
        self.down = False
        self.most_at_once = 0

    # --- for tests ---------------------------------------------------------------------------------------------

    @property
    def running(self) -> dict[str, str]:
        """By app id, the image in its definition."""
        return {app_id: one.image for app_id, one in self._fleet.items()}

    @property
    def writes(self) -> list[dict[str, str]]:
        """Every write that was taken, in order."""
        return [detail for what, detail in self.events if what == "update" and isinstance(detail, dict)]

    def changes(self, **images: str) -> list[Change]:
        """Changes of apps, named without their slash."""
        return [Change(self._fleet[f"/{name}"].app, image) for name, image in images.items()]

    def foreign(self, app_id: str, image: str) -> None:
        """Somebody else changes an app by force."""
        with self._lock:
            self._begin({app_id: image}, force=True)

    def remove(self, app_id: str) -> None:
        """Somebody else removes an app."""
        del self._fleet[app_id]

    # --- the port ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return "memory"

    def login(self) -> None:
        self._ask()

    has_deployments = True
    operator = DcosCommands()

    addresses = ("memory",)

    def identity(self) -> str:
        return "fleet in memory"

    def diagnose(self) -> Iterator[Check]:
        yield Check("target", Level.OK, "it is in memory")

    def apps(self, env: str = "prod") -> tuple[App, ...]:
        self._ask()
        return tuple(one.app for one in self._fleet.values())

    def deployments(self) -> tuple[Deployment, ...]:
        self._ask()
        with self._lock:
            self._settle()
            return tuple(
                Deployment(identity, tuple(after)) for identity, (after, _) in self.running_deployments.items()
            )

    def update(self, changes: Sequence[Change]) -> Deployment:
        assert not self.batch or len(changes) <= self.batch
        with self._lock:
            self._settle()
            ids = [change.app.id for change in changes]
            for app_id in ids:
                if app_id in self.refusing:
                    raise self.refusing[app_id]
                if self._fleet[app_id].deployment:
                    raise AppLocked(f"{app_id} is locked", why=self._fleet[app_id].deployment)
            lost = [app_id for app_id in ids if app_id in self.losing]
            taken = [self.losing.pop(app_id) for app_id in lost]
            if not all(taken):
                raise NoAnswer("no answer", why="the connection broke")
            deployment = self._begin({change.app.id: change.image for change in changes})
            if lost:
                raise NoAnswer("no answer", why="the connection broke")
            return deployment

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        self._ask()
        with self._lock:
            self._settle()
            return {app_id: self._status(self._fleet[app_id]) for app_id in ids if app_id in self._fleet}

    def cancel(self, deployment: Deployment) -> Deployment | None:
        self._ask()
        with self._lock:
            if deployment.id not in self.running_deployments:
                return None
            before = self.running_deployments[deployment.id][1]
            self.events.append(("cancel", deployment.id))
            return self._begin(before, force=True, told=False)

    def stop(self, deployment: Deployment) -> None:
        self._ask()
        with self._lock:
            self.events.append(("stop", deployment.id))
            if deployment.id in self.running_deployments:
                self._end(deployment.id)

    def close(self) -> None:
        pass

    # --- what happens inside -------------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self.down:
            raise TargetError("it cannot be queried", why="no route to host")

    def _begin(self, images: Mapping[str, str], *, force: bool = False, told: bool = True) -> Deployment:
        self._number += 1
        identity, version = f"d{self._number}", f"v{self._number}"
        for app_id in images:
            held = self._fleet[app_id].deployment
            if held and force:
                self._end(held)
        before = {app_id: self._fleet[app_id].image for app_id in images}
        for app_id, image in images.items():
            one = self._fleet[app_id]
            one.image, one.version, one.since, one.deployment = image, version, self.clock.now(), identity
        self.running_deployments[identity] = (dict(images), before)
        if told and not force:
            self.events.append(("update", dict(images)))
        self.most_at_once = max(self.most_at_once, len({i for d, _ in self.running_deployments.values() for i in d}))
        return Deployment(identity, tuple(images), version)

    def _end(self, identity: str) -> None:
        self.running_deployments.pop(identity, None)
        for one in self._fleet.values():
            if one.deployment == identity:
                one.deployment = ""

    def _settle(self) -> None:
        for identity, (after, _) in list(self.running_deployments.items()):
            if all(self._ready(self._fleet[app_id]) for app_id in after if app_id in self._fleet):
                self._end(identity)

    def _ready(self, one: _Running) -> bool:
        if one.image in self.broken or one.image in self.crashing:
            return False
        age = self.clock.now() - one.since
        if one.image in self.dying:
            return age % 4 < 3
        return age >= self.takes_s

    def _status(self, one: _Running) -> Status:
        ready = 2 if self._ready(one) else 0
        age = self.clock.now() - one.since
        failures = int(age) if one.image in self.crashing else int(age // 4) if one.image in self.dying else 0
        return Status(
            id=one.app.id,
            image=one.image,
            version=one.version,
            instances=2,
            deployments=(one.deployment,) if one.deployment else (),
            ready=ready,
            started=2,
            stale=0,
            failure=Failure(f"task {failures}", "exit status 1") if failures else None,
        )


def fleet(images: Iterable[str] = ("/a", "/b", "/c"), **members: object) -> Memory:
    """Apps `/a` …, each with the image `a:2` … running."""
    return Memory({app_id: f"{app_id[1:]}:2" for app_id in images}, **members)  # type: ignore[arg-type]
