"""One random story: a fleet, faults of the server, other people, bad images, kills, signals and second runs.

All of it comes out of one seed, and goes through Marathon's HTTP API or through `dcos`.

What must be true whatever happens is asserted here; a seed that finds something is run again by itself:

    RANDOM_SEEDS=4711 pytest tests/faults/test_random_runs.py
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.marathon.app_definition import updated
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.state import record
from rollback.state.journal import Journal
from rollback.targets.base import Target
from rollback.workflow import context, runner
from tests.faults.scenario import PLANNED, Scene, Told
from tests.support.rehearsal import Doom, Killed

BAD = (
    ContainerOutcome.CRASHES,
    ContainerOutcome.DIES,
    ContainerOutcome.UNHEALTHY,
    ContainerOutcome.NO_OFFERS,
    ContainerOutcome.UNPULLABLE,
)
CHECKS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"path": "/health", "gracePeriodSeconds": 5, "intervalSeconds": 2}],
    [{"protocol": "MESOS_HTTP", "path": "/", "gracePeriodSeconds": 5, "intervalSeconds": 2}],
)
KILLED = 137


@dataclass
class Command:
    """What a command met while it ran.

    Attributes:
        before: every app's definition before it.
        foreign: apps that somebody else changed meanwhile.
        overwritten: apps that this program wrote after somebody else had.
        written: apps that this program wrote.
        checks: what `check` answered meanwhile.
    """

    before: dict[str, dict[str, Any]]
    foreign: set[str] = field(default_factory=set)
    overwritten: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    checks: list[int] = field(default_factory=list)


class RandomRun:
    """Runs and undos in a sandbox, with whatever a seed has in store for them.

    Args:
        stage: the sandbox and its folder.
        seed: all that is random comes from it.
    """

    def __init__(self, stage: Scene, seed: int) -> None:
        self.stage, self.random = stage, random.Random(seed)  # noqa: S311 - a story, not a secret
        self.done: list[str] = []  # what happened, for whoever reads a failure
        self.now = Command({})
        self.known: set[str] = set()  # runs before the one that is looked at
        self._targets: list[Target] = []
        self._partly_undone = False  # whether an undo has left out what somebody else changed
        self._answer, self._connect = stage.sandbox.front.api.answer, context.target
        stage.sandbox.front.api.answer = self._watched  # type: ignore[method-assign]
        self._change_fleet()

    def go(self) -> None:
        """A few runs, each followed by an undo."""
        try:
            for _ in range(self.random.choice((1, 1, 2))):
                self.one_run()
                self.undo_of_it()
        finally:
            for target in self._targets:  # a killed one has left its folder behind
                target.close()

    def one_run(self) -> None:
        """A run to some date, under some policy, with some bad luck."""
        stage, chance = self.stage, self.random
        dates = list(json.loads((stage.folder / "rollback.json").read_text())["rollbacks"])
        policy = chance.choice(("restore", "restore", "keep", "stop"))
        self._attach_bad_images()
        faults = self._add_faults()
        kill = chance.choice((None, None, chance.randint(1, 60)))
        stop = chance.choice((None, None, None, chance.randint(0, 20)))
        self._plan_others()
        self._plan_second(faults)
        self.known = {path.stem for path in record.files(self.stage.folder)}
        words = ("run", f"--date={chance.choice(dates)}", "--env=prod", "--json", f"--on-failure={policy}")

        told = self._command(words, kill=kill, stop=stop)

        self._assert_announced()
        if told.code != KILLED:
            self._assert_verdict(told, faults)
        if not faults:
            assert not self.now.overwritten, self.story(told)
        self._settle()
        if told.code == KILLED and self.now.written:
            assert self._check() == 1, self.story(told)
        assert set(self.now.checks) <= {1}, self.story(told)

    def undo_of_it(self) -> None:
        """What nobody else has changed since goes back."""
        past = self._newest()
        if past is None or past.header.run in self.known or not past.sent:  # it was gone before it had a record
            return
        before = {app_id: self.now.before[app_id] for app_id in past.sent}
        # Somebody else's change is named and left out; then the others go.
        skipped = sorted(self.now.foreign & set(before))
        words = ("undo", "--yes", "--json", f"--run={past.header.run}")
        skip = (f"--skip={','.join(skipped)}",) if skipped else ()
        self._partly_undone = self._partly_undone or bool(skipped)
        if skipped and len(skipped) == len(before):
            return
        self._plan_second([])

        told = self._command((*words, *skip))

        self._settle()
        mine = {app_id: body for app_id, body in before.items() if app_id not in skipped}
        if told.code == 4 and "still holds" in told.out:  # the killed run's own deployment is on its way back
            told = self._command((*words, *skip))
            self._settle()
        assert told.code == 0, self.story(told)
        now = self._definitions()
        for app_id, body in mine.items():
            assert now[app_id]["container"] == body["container"], self.story(told)
        if not skipped:
            answer = self.stage.command("check", "--env=prod", *self.stage.common())
            # A run that was put back leaves the freeze that an earlier one, which was undone in part, has left.
            earlier = self._partly_undone and past.header.run not in answer.out
            assert answer.code == 0 or (earlier and answer.code == 1), f"{answer}\n{self.story(told)}"

    def story(self, told: Told | None = None) -> str:
        """What happened so far."""
        said = f"\n{told.code}\n{told.out}\n{told.err}" if told else ""
        return "\n".join([*self.done, f"foreign: {sorted(self.now.foreign)}"]) + said

    # --- what happens -----------------------------------------------------------------------------------------

    def _change_fleet(self) -> None:
        """Give every app another shape: instances, strategy, checks, dependencies."""
        fleet, chance = self.stage.sandbox.fleet, self.random
        for app_id in PLANNED:
            room = chance.choice((0.0, 0.5, 1.0))
            change: dict[str, Any] = {
                "instances": chance.choice((1, 2, 2, 3)),
                "upgradeStrategy": {"minimumHealthCapacity": chance.choice((0.5, 1.0)), "maximumOverCapacity": room},
                "healthChecks": copy.deepcopy(chance.choice(CHECKS)),
                "env": {"SIZE": str(chance.randint(1, 9))},
            }
            fleet.put({app_id: updated(fleet.apps[app_id].definition, change)})
            self.stage.later(120)
            self.done.append(f"{app_id}: {change}")
        assert not fleet.deployments

    def _attach_bad_images(self) -> None:
        for app_id in PLANNED:
            if self.random.random() < 0.3:
                service = app_id.rpartition("/")[2]
                outcome = self.random.choice(BAD)
                good = self.stage.tags()[service]
                for release in self.stage.sandbox.story.releases:
                    if release.service == service and release.environment == "prod" and release.tag != good:
                        name = f"{release.repo}:{release.tag}"
                        self.stage.sandbox.behaviors.attach(name, ContainerBehavior(outcome))
                self.done.append(f"other images of {service} are {outcome.value}")

    def _add_faults(self) -> list[Fault]:
        chance, made = self.random, []
        for _ in range(chance.choice((0, 0, 1, 2, 3))):
            fault = Fault(
                chance.choice((FaultKind.DROP, FaultKind.ANSWER, FaultKind.ANSWER_AFTER)),
                chance.choice((500, 502, 503, 504, 409)),
                method=chance.choice(("", "", "GET", "DELETE")),
                path=chance.choice(("/v2/apps", "/v2/deployments", "/")),
                times=chance.randint(1, 4),
                skip=chance.randint(0, 6),
            )
            made.append(fault)
            self.done.append(str(fault))
        return made

    def _plan_others(self) -> None:
        """Let somebody else change an app or two, and somebody ask whether he may deploy."""
        for _ in range(self.random.choice((0, 0, 1, 2))):
            app_id, after = self.random.choice(PLANNED), self.random.randint(1, 30)
            change = self.random.choice(({"labels": {"hotfix": "yes"}}, {"env": {"HOTFIX": "yes"}}, {"cpus": 2}))

            def deploys(app_id: str = app_id, change: dict[str, Any] = change) -> None:
                self.stage.sandbox.front.foreign(app_id, change)
                self.now.foreign.add(app_id)

            self.stage.time.after(after, deploys)
            self.done.append(f"after {after} s somebody changes {app_id}: {change}")
        self.stage.time.after(self.random.randint(1, 20), self._ask_meanwhile)

    def _ask_meanwhile(self) -> None:
        with self._somebody_else():
            self.now.checks.append(self._check())

    def _plan_second(self, faults: list[Fault]) -> None:
        """Let somebody else start a run or an undo meanwhile, who calls the cluster by another address."""
        kind = self.random.choice(("", "run", "undo"))
        address, after = self.random.choice(self._spellings()), self.random.randint(1, 30)
        if not kind:
            return
        config = self.stage.folder / "other.yaml"
        settings = json.loads((self.stage.folder / "rollback.yaml").read_text())
        settings |= {"target": "marathon", "targets": {"marathon": {"kind": "marathon", "url": address}}}
        config.write_text(json.dumps(settings))
        words = ("run", f"--date={self.stage.day}", "--env=prod") if kind == "run" else ("undo", "--yes")

        def second() -> None:
            writes = self.stage.writes()
            with self._somebody_else():
                told = self.stage.command(*words, "--json", f"--config={config}", *self.stage.options)
            self.done.append(f"the second {kind} by {address} ended with {told.code}")
            assert self.stage.writes() == writes, self.story(told)
            assert told.code == 3 or (faults and told.code == 1), self.story(told)

        self.stage.time.after(after, second)
        self.done.append(f"after {after} s somebody else starts a {kind} by {address}")

    def _spellings(self) -> tuple[str, ...]:
        here = self.stage.sandbox
        return here.service_url.replace("127.0.0.1", "localhost"), here.dcos_url, f"{here.service_url}/"

    @contextmanager
    def _somebody_else(self) -> Iterator[None]:
        """What happens in a process of its own: it is not killed with ours, and has no part in our wish to stop."""
        wish = self.stage.time.wants_to_stop
        with patch.object(context, "target", self._connect), patch.object(runner, "Journal", Journal):
            yield
        self.stage.time.wants_to_stop = wish

    # --- how it is looked at ----------------------------------------------------------------------------------

    def _command(self, words: tuple[str, ...], *, kill: int | None = None, stop: int | None = None) -> Told:
        stage = self.stage
        self.now = Command(self._definitions()) if words[0] == "run" else self.now
        self.done.append(f"{' '.join(words)} (killed at step {kill}, signal after {stop} s)")
        if stop is not None:
            stage.time.after(stop, stage.time.stop)
        try:
            with self._doomed(Doom(kill)) as parts:
                told = stage.command(*words, *stage.common(), **parts)
        except Killed:
            told = Told(KILLED, "", "")
        stage.time.events.clear()
        self.done.append(f"ended with {told.code}")
        return told

    @contextmanager
    def _doomed(self, doom: Doom) -> Iterator[dict[str, Any]]:
        """A program that is gone at some step."""

        def connect(*args: Any) -> Any:
            self._targets.append(self._connect(*args))
            return doom.over(self._targets[-1])

        with patch.object(context, "target", connect):
            yield {"Journal": doom.journal()}

    def _watched(self, request: Request) -> Response:
        """Whatever is written was announced in the record, on disk, before."""
        if request.method in {"PATCH", "PUT"} and request.path.startswith("/v2/apps"):
            body = json.loads(request.body)
            own = "/" + request.path.removeprefix("/v2/apps").strip("/")  # `dcos` names the app there alone
            for one in body if isinstance(body, list) else [body]:
                app_id, image = str(one.get("id") or own), one["container"]["docker"]["image"]
                past = self._newest()
                assert past is not None, f"{app_id} is written without a record"
                assert image in past.sent.get(app_id, ()), f"{app_id} to {image} is not announced"
                self.now.written.add(app_id)
                if app_id in self.now.foreign:
                    self.now.overwritten.add(app_id)
        return self._answer(request)

    def _assert_announced(self) -> None:
        past = self._newest()
        sent = past.sent if past else {}
        for app_id, body in self._definitions().items():
            image = body["container"]["docker"]["image"]
            as_before = image == self.now.before[app_id]["container"]["docker"]["image"]
            assert as_before or image in sent.get(app_id, ()), self.story()

    def _assert_verdict(self, told: Told, faults: list[Fault]) -> None:
        now, before = self._definitions(), self.now.before
        mine = {app_id for app_id in before if app_id not in self.now.foreign}
        if told.code in {1, 2, 3}:
            assert all(now[app_id] == before[app_id] for app_id in mine), self.story(told)
        if told.code == 5:
            assert all(now[app_id]["container"] == before[app_id]["container"] for app_id in mine), self.story(told)
        if told.code not in {0, 4, 5, 130}:
            return
        healthy = self.stage.healthy()
        for row in told.rows.values():
            runs = now[row["app"]]["container"]["docker"]["image"]
            if told.code == 0 and row["state"] == "changed" and row["app"] in mine:
                assert runs == row["after"], self.story(told)
                assert healthy[row["app"]], self.story(told)
            if not faults and told.code != 130 and row["app"] in mine:
                assert row["stands"] == runs, self.story(told)
        if told.code == 4 and not faults:
            ours = [app_id for app_id in mine if now[app_id]["container"] != before[app_id]["container"]]
            hangs = bool(self.stage.sandbox.fleet.deployments)
            assert ours or hangs or self.now.foreign or not all(healthy.values()), self.story(told)

    def _check(self) -> int:
        return self.stage.command("check", "--env=prod", *self.stage.common()).code

    def _definitions(self) -> dict[str, dict[str, Any]]:
        with self.stage.sandbox.fleet.lock:
            self.stage.sandbox.fleet.advance()
            return {app_id: copy.deepcopy(self.stage.sandbox.fleet.apps[app_id].definition) for app_id in PLANNED}

    def _newest(self) -> record.Record | None:
        found = record.files(self.stage.folder)
        return record.read(found[0]) if found else None

    def _settle(self) -> None:
        """Faults are over, and what is under way comes to its end, if it has one."""
        self.stage.sandbox.faults.clear()
        self.stage.later(60)
