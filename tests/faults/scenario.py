"""A sandbox whose time stands still until the program sleeps, and the program's commands run in this process."""

from __future__ import annotations

import io
import json
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rollback import cli
from rollback.sandbox.clock import ManualClock
from rollback.sandbox.launcher import Sandbox, serving
from rollback.sandbox.scenario import SERVICES, Scenario, fortnight
from rollback.state import record
from rollback.state.record import Record
from rollback.workflow import runner

REPOS = ",".join(f"shop/{service}" for service in SERVICES)
PLANNED = tuple(f"/ds/prod/shop/{service}" for service in SERVICES)
BILLING, CART, CATALOG, WEB = PLANNED
DAYS_BACK = 9  # on that day each of the four services had another image than now


@dataclass(frozen=True)
class Told:
    """What a command told: exit code, JSON where it was asked for, and what it printed to standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> Mapping[str, Mapping[str, str]]:
        """The table of an outcome, by service."""
        return {row["service"]: row for row in self.document["services"]}

    @property
    def states(self) -> dict[str, str]:
        return {service: row["state"] for service, row in self.rows.items()}


@dataclass
class Time:
    """The program's clock: the sandbox's own time, and what happens in it while the program sleeps."""

    hand: ManualClock
    events: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    wants_to_stop: bool = False

    def now(self) -> float:
        return self.hand().timestamp()

    def sleep(self, seconds: float) -> None:
        self.hand.advance(seconds)
        for event in [event for event in self.events if event[0] <= self.now()]:
            self.events.remove(event)
            event[1]()

    def call(self, function: Callable[[], Any], within_s: float) -> Any:
        return function()

    def stopping(self) -> bool:
        return self.wants_to_stop

    def after(self, seconds: float, happens: Callable[[], object]) -> None:
        """Let something happen that many seconds from now."""
        self.events.append((self.now() + seconds, happens))

    def stop(self) -> None:
        """Somebody wants the program to stop."""
        self.wants_to_stop = True


@dataclass
class Scene:
    """A sandbox and a dump folder with its history.

    Attributes:
        sandbox: what is being served.
        folder: with rollback.json and rollback.yaml.
        time: the program's and the sandbox's.
        options: given to every `run` and `undo`.
    """

    sandbox: Sandbox
    folder: Path
    time: Time
    options: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The date to go back to."""
        return (self.sandbox.story.now.date() - timedelta(days=DAYS_BACK)).isoformat()

    def command(self, *words: str, **parts: Any) -> Told:
        """One command of the program, its time ours; `parts` replace members of the module that performs."""
        out, err = io.StringIO(), io.StringIO()
        logger, term = logging.getLogger("rollback"), signal.getsignal(signal.SIGTERM)
        self.time.wants_to_stop = False
        try:
            with (
                patch.multiple(runner, stoppable=lambda *_: nullcontext(self.time), **parts),
                redirect_stdout(out),
                redirect_stderr(err),
            ):
                code = cli.main(
                    [*words, f"--dump={self.folder}"] if words[0] not in ("check", "thaw") else list(words)
                )
        finally:
            logger.propagate = True
            signal.signal(signal.SIGTERM, term)
        return Told(code, out.getvalue(), err.getvalue())

    def run(self, *words: str, **parts: Any) -> Told:
        """Go back to the day."""
        return self.command("run", f"--date={self.day}", "--env=prod", "--json", *self.common(), *words, **parts)

    def undo(self, *words: str, **parts: Any) -> Told:
        return self.command("undo", "--yes", "--json", *self.common(), *words, **parts)

    def common(self) -> tuple[str, ...]:
        """The options of every `run` and `undo`."""
        return (f"--config={self.folder / 'rollback.yaml'}", *self.options)

    def images(self) -> dict[str, str]:
        """By app, the tag of what every app of the fleet is to run."""
        with self.sandbox.fleet.lock:
            self.sandbox.fleet.advance()
            return {
                app_id: state.definition["container"]["docker"]["image"]
                for app_id, state in self.sandbox.fleet.apps.items()
            }

    def tags(self) -> dict[str, str]:
        """By service of the plan, its tag."""
        images = self.images()
        return {app_id.rpartition("/")[2]: _tag(images[app_id]) for app_id in PLANNED}

    def target_image(self, app_id: str) -> str:
        """The image that an app had on the day, as `repository:tag`."""
        service = app_id.rpartition("/")[2]
        limit = self.sandbox.story.now.date() - timedelta(days=DAYS_BACK)
        chosen = max(
            (
                release
                for release in self.sandbox.story.releases
                if (release.service, release.environment) == (service, "prod") and release.created.date() <= limit
            ),
            key=lambda release: release.created,
        )
        return f"{chosen.repo}:{chosen.tag}"

    def healthy(self) -> dict[str, bool]:
        """By app of the plan, whether all its instances run its present configuration, healthily, and no others."""
        fleet = self.sandbox.fleet
        with fleet.lock:
            fleet.advance()
            return {
                app_id: not state.outdated()
                and len(state.present()) == state.instances
                and all(task.counts for task in state.present())
                for app_id, state in fleet.apps.items()
                if app_id in PLANNED
            }

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request so far that was not a question, logins aside."""
        return [
            (method, path)
            for method, path in self.sandbox.front.seen
            if method not in ("GET", "HEAD") and not path.startswith("/acs/")
        ]

    def newest(self) -> Record:
        """The record of the newest run."""
        return record.read(record.files(self.folder)[0])

    def later(self, seconds: float = 60.0) -> None:
        """Let time pass."""
        self.time.hand.advance(seconds)
        self.sandbox.fleet.advance()


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]


@contextmanager
def scene(folder: Path, *, broken_before: bool = False, target: str = "marathon", **run: float) -> Iterator[Scene]:
    """Serve a sandbox, get its history, and see to it at the end that nothing outside the plan was written.

    Args:
        folder: an empty folder, for the program.
        broken_before: whether the fleet is as the story has it, two services down; else all are well.
        target: `marathon` or `dcos`.
        run: settings of the section `run`, instead of those used here.
    """
    hand = ManualClock(datetime.now(timezone.utc))
    story: Scenario = fortnight(hand())
    if not broken_before:
        story = replace(story, behaviors={})
    with serving(story, clock=hand) as sandbox:
        config = {
            "registry": {"url": sandbox.registry_url},
            "target": target,
            "targets": {"marathon": {"kind": "marathon", "url": sandbox.service_url}, "dcos": {"kind": "dcos"}},
            "run": {"timeout_s": 120, "settle_s": 10, "poll_s": 2, **run},
        }
        (folder / "rollback.yaml").write_text(json.dumps(config))
        password = folder / "password"
        password.write_text(sandbox.password)
        made = Scene(sandbox, folder, Time(hand), (f"--user={sandbox.user}", f"--pwd-file={password}"))
        got = made.command(
            "get", f"--repo={REPOS}", "--env=prod", f"--config={folder / 'rollback.yaml'}", "--no-cache"
        )
        assert got.code == 0, got.err
        others = _versions(sandbox)
        yield made
        assert _versions(sandbox) == others, "something outside the plan was written"
        assert set(sandbox.fleet.apps) == {*others, *PLANNED}
        assert sandbox.password not in "".join(path.read_text() for path in (folder / "runs").glob("*"))


def _versions(sandbox: Sandbox) -> dict[str, str]:
    return {app_id: state.version for app_id, state in sandbox.fleet.apps.items() if app_id not in PLANNED}
