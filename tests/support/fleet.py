"""A fleet in memory that others change too, and that loses answers: what a whole command is rehearsed on."""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rollback.core.apps import App, Change, Deployment, Failure, Status
from rollback.errors import AppLocked, NoAnswer, TargetError
from rollback.targets.base import Check, Level
from rollback.targets.dcos.operator_commands import DcosCommands

START_S = 1.0  # from the change until the first new instance runs
READY_S = 2.0  # … until all of them are healthy and the old ones are gone
DIES_S = 3.0  # … until those of an image that dies are dead for the first time
LATE_S = 12.0  # … until a late write arrives


class ContainerOutcome(str, Enum):
    """What becomes of the instances of an image."""

    GOOD = "good"
    CRASHES = "crashes"
    SICK = "sick"  # runs and is never healthy
    DIES = "dies"  # comes up, and dies again and again
    STUCK = "stuck"  # nobody offers room for it


class FaultKind(str, Enum):
    """What becomes of a write; of a cancellation too, except that it cannot be late."""

    NONE = "none"
    LOST_BEFORE = "lost before"  # no answer, not taken
    LOST_AFTER = "lost after"  # no answer, taken
    LATE = "late"  # no answer, taken some seconds later
    REFUSED = "refused"
    LOCKED = "locked"  # by a foreign deployment that is over at once


class ManualClock:
    """A clock that moves when somebody sleeps, and wants to stop when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.stop_at: float | None = None
        self.meanwhile: deque[tuple[float, Callable[[], None]]] = deque()  # what others do, in the order of time

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        while self.meanwhile and self.meanwhile[0][0] <= self.at:
            self.meanwhile.popleft()[1]()

    def call(self, function: Callable[[], Any], within_s: float) -> Any:
        return function()

    def stopping(self) -> bool:
        return self.stop_at is not None and self.at >= self.stop_at


@dataclass
class Unit:
    """An app of the fleet.

    Attributes:
        definition: what can be put back.
        env: what cannot, and is only compared.
        version: of this definition.
        since: seconds of the clock at which it came.
    """

    definition: dict[str, Any]
    env: str
    version: int
    since: float

    @property
    def image(self) -> str:
        return str(self.definition["container"]["docker"]["image"])


@dataclass(frozen=True)
class Held:
    """A deployment that runs, with the definitions that its apps had before it."""

    id: str
    before: Mapping[str, tuple[dict[str, Any], str]]
    foreign: bool = False


@dataclass(frozen=True)
class Written:
    """A change that was carried out: by whom, in which app, to which image."""

    foreign: bool
    app: str
    image: str


@dataclass
class Fleet:
    """A `Target`.

    Attributes:
        clock: its time.
        batch: as for every target.
        fates: of images; all others are good.
        units: the apps.
        mishaps: what becomes of the next writes and cancellations, one after the other.
        silent: how many of the next reads get no answer.
        log: every change that was carried out.
        written_at: when, in seconds of the clock.
        broken_rules: what a client must never do, and did.
    """

    clock: ManualClock
    batch: int = 0
    fates: dict[str, ContainerOutcome] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    mishaps: deque[FaultKind] = field(default_factory=deque)
    silent: int = 0
    log: list[Written] = field(default_factory=list)
    written_at: list[float] = field(default_factory=list)
    broken_rules: list[str] = field(default_factory=list)
    name: str = "fleet"

    def __post_init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._made = 0
        self._gate = threading.RLock()
        self._late: list[tuple[float, tuple[Change, ...]]] = []

    def install(self, images: Mapping[str, str]) -> None:
        """Add apps that have been there for long."""
        for app_id, image in images.items():
            definition = {"container": {"docker": {"image": image}, "volumes": [app_id]}}
            self.units[app_id] = Unit(definition, "first", self._next(), self.clock.at - 10_000)

    def images(self) -> dict[str, str]:
        """What every app is to run."""
        return {app_id: unit.image for app_id, unit in self.units.items()}

    def definitions(self) -> dict[str, dict[str, Any]]:
        """Every app's whole definition."""
        return {app_id: copy.deepcopy(unit.definition) for app_id, unit in self.units.items()}

    def foreign(self, app_id: str, image: str = "", env: str = "", volume: str = "") -> None:
        """Somebody else deploys over an app, by force."""
        with self._gate:
            unit = self.units[app_id]
            definition = copy.deepcopy(unit.definition)
            definition["container"]["docker"]["image"] = image or unit.image
            if volume:
                definition["container"]["volumes"] = [volume]
            self._force([app_id])
            self._deploy({app_id: (definition, env or unit.env)}, foreign=True)

    # --- the port -------------------------------------------------------------------------------------------

    def login(self) -> None:
        """Everybody is welcome."""

    def close(self) -> None:
        """Nothing to give back."""

    has_deployments = True
    operator = DcosCommands()

    addresses = ("fleet",)

    def identity(self) -> str:
        return "fleet in memory"

    def diagnose(self) -> Iterator[Check]:
        yield Check("target", Level.OK, "it is in memory")

    def apps(self, env: str = "prod") -> tuple[App, ...]:
        with self._gate:
            self._look()
            return tuple(
                App(
                    app_id,
                    unit.image,
                    _stamp(unit.version),
                    2,
                    checked=True,
                    deployments=self._holding(app_id),
                    definition=copy.deepcopy(unit.definition),
                    marks={"env": unit.env},
                )
                for app_id, unit in self.units.items()
            )

    def deployments(self) -> tuple[Deployment, ...]:
        with self._gate:
            self._look()
            return tuple(Deployment(held.id, tuple(held.before)) for held in self._held.values())

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        with self._gate:
            self._look()
            return {app_id: self._status(app_id) for app_id in ids if app_id in self.units}

    def update(self, changes: Sequence[Change]) -> Deployment:
        with self._gate:
            self._advance()
            if self.batch and len(changes) > self.batch:
                self.broken_rules.append(f"{len(changes)} changes in one write")
            mishap = self.mishaps.popleft() if self.mishaps else FaultKind.NONE
            if mishap is FaultKind.LOST_BEFORE:
                raise NoAnswer("the update failed", why="the connection was closed")
            if mishap is FaultKind.LATE:
                self._late.append((self.clock.at + LATE_S, tuple(changes)))
                raise NoAnswer("the update failed", why="the proxy gave up")
            if mishap is FaultKind.REFUSED:
                raise TargetError("the update failed", why="the server did not like it")
            deployment = self._take(changes, locked=mishap is FaultKind.LOCKED)
            if mishap is FaultKind.LOST_AFTER:
                raise NoAnswer("the update failed", why="the connection was closed")
            return deployment

    def cancel(self, deployment: Deployment) -> Deployment | None:
        with self._gate:
            self._advance()
            mishap = self.mishaps.popleft() if self.mishaps else FaultKind.NONE
            if mishap in (FaultKind.LOST_BEFORE, FaultKind.LATE):
                raise NoAnswer("it cannot be rolled back", why="the connection was closed")
            if mishap in (FaultKind.REFUSED, FaultKind.LOCKED):
                raise TargetError("it cannot be rolled back", why="the server did not like it")
            held = self._held.pop(deployment.id, None)
            if held is None:
                return None
            if held.foreign:
                self.broken_rules.append(f"the deployment of somebody else, {held.id}, was rolled back")
            made = self._deploy(held.before)
            if mishap is FaultKind.LOST_AFTER:
                raise NoAnswer("it cannot be rolled back", why="the connection was closed")
            return made

    def stop(self, deployment: Deployment) -> None:
        with self._gate:
            self._advance()
            held = self._held.pop(deployment.id, None)
            if held and held.foreign:
                self.broken_rules.append(f"the deployment of somebody else, {held.id}, was ended")

    # --- behind it ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let all that is under way come to its end, if it has one."""
        for _ in range(20):
            self.clock.sleep(1)
            self._advance()

    def up(self, app_id: str) -> bool:
        """Whether an app runs its image, healthily, and is free."""
        seen = self._status(app_id)
        return seen.ready >= seen.instances and not seen.stale and not seen.deployments

    def hanging(self) -> bool:
        """Whether a deployment runs."""
        return bool(self._held)

    def _take(self, changes: Sequence[Change], *, locked: bool = False) -> Deployment:
        if locked or any(self._holding(change.app.id) for change in changes):
            raise AppLocked("the update failed", why="App is locked by one or more deployments.")
        wanted = {}
        for change in changes:
            definition = copy.deepcopy(dict(change.definition))
            definition["container"]["docker"]["image"] = change.image
            wanted[change.app.id] = (definition, self.units[change.app.id].env)
        return self._deploy(wanted)

    def _deploy(self, wanted: Mapping[str, tuple[dict[str, Any], str]], *, foreign: bool = False) -> Deployment:
        number = self._next()
        before = {app_id: (self.units[app_id].definition, self.units[app_id].env) for app_id in wanted}
        changed = {app_id: old for app_id, old in before.items() if old != wanted[app_id]}
        for app_id in changed:
            definition, env = wanted[app_id]
            self.units[app_id] = Unit(copy.deepcopy(definition), env, number, self.clock.at)
            self.log.append(Written(foreign, app_id, self.units[app_id].image))
            self.written_at.append(self.clock.at)
        if changed:
            self._held[f"d{number}"] = Held(f"d{number}", changed, foreign)
        return Deployment(f"d{number}", tuple(wanted), _stamp(number) if changed else "")

    def _force(self, ids: Iterable[str]) -> None:
        for held in [held for held in self._held.values() if not held.before.keys().isdisjoint(ids)]:
            del self._held[held.id]

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _look(self) -> None:
        self._advance()
        if self.silent:
            self.silent -= 1
            raise TargetError("the target cannot be queried", why="HTTP 502 Bad Gateway")

    def _advance(self) -> None:
        for due, changes in [late for late in self._late if late[0] <= self.clock.at]:
            self._late.remove((due, changes))
            if not any(self._holding(change.app.id) for change in changes):
                self._take(changes)
        for held in list(self._held.values()):
            if all(self._done(app_id) for app_id in held.before):
                del self._held[held.id]

    def _fate(self, app_id: str) -> ContainerOutcome:
        return self.fates.get(self.units[app_id].image, ContainerOutcome.GOOD)

    def _age(self, app_id: str) -> float:
        return self.clock.at - self.units[app_id].since

    def _done(self, app_id: str) -> bool:
        """Whether the new instances have all been healthy once, so that the old ones are gone."""
        return self._fate(app_id) in (ContainerOutcome.GOOD, ContainerOutcome.DIES) and self._age(app_id) >= READY_S

    def _holding(self, app_id: str) -> tuple[str, ...]:
        return tuple(held.id for held in self._held.values() if app_id in held.before)

    def _status(self, app_id: str) -> Status:
        unit, fate, age = self.units[app_id], self._fate(app_id), self._age(app_id)
        ready = started = fallen = 0
        if fate is ContainerOutcome.GOOD:
            started, ready = 2 * (age >= START_S), 2 * (age >= READY_S)
        elif fate is ContainerOutcome.DIES:
            fallen = int(age // DIES_S)
            started = ready = 2 * (age % DIES_S >= READY_S)
        elif fate is ContainerOutcome.CRASHES:
            fallen = int(age // START_S)
        elif fate is ContainerOutcome.SICK:
            started = 2 * (age >= START_S)
        return Status(
            app_id,
            unit.image,
            _stamp(unit.version),
            2,
            self._holding(app_id),
            ready,
            started,
            0 if self._done(app_id) or age > 5000 else 2,
            Failure(f"{unit.version} {fallen}", "Command exited with status 1") if fallen else None,
            "no offers" if fate is ContainerOutcome.STUCK else "",
        )


def _stamp(number: int) -> str:
    return f"v{number:06}"
