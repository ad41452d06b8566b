"""Runs and undos by the program's own commands, on a fleet of its own, to be killed wherever a test likes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rollback import cli
from rollback.commands import undo
from rollback.config import settings
from rollback.core.image_selection import Match
from rollback.core.matching import service_of
from rollback.core.plan import Action, Environment, OnFailure, Plan, Step
from rollback.errors import RollbackError
from rollback.execution.outcome import INTERRUPTED
from rollback.output.progress import Progress
from rollback.secret import Secret
from rollback.state import record, undo_choice
from rollback.state.journal import Journal
from rollback.state.record import Record
from rollback.workflow import context, runner
from rollback.workflow.run_request import RunRequest, policy
from tests.support.fleet import Fleet

LIMITS = {"timeout_s": 60, "settle_s": 4, "poll_s": 1, "parallel": 2}


class Killed(BaseException):
    """The program is gone from here on."""


class Doom:
    """Counts the steps of a program, and ends it at one of them.

    Every line of the record and every call of the target is two steps: one before it and one after it.

    Args:
        at: the step that is the last one; None for none.
    """

    def __init__(self, at: int | None = None) -> None:
        self.at, self.steps = at, 0

    def step(self) -> None:
        """Go on, or not."""
        self.steps += 1
        if self.at is not None and self.steps >= self.at:
            raise Killed

    def over(self, part: Any) -> Any:
        """The same thing, with two steps for every call."""
        return _Doomed(part, self)

    def journal(self) -> type[Journal]:
        """A journal with two steps for every line."""
        doom = self

        class Doomed(Journal):
            def _append(self, event: str, **members: Any) -> None:
                doom.step()
                super()._append(event, **members)
                doom.step()

        return Doomed


class _Doomed:
    def __init__(self, part: Any, doom: Doom) -> None:
        self._part, self._doom = part, doom

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._part, name)
        if not callable(member):
            return member

        def call(*args: Any, **named: Any) -> Any:
            self._doom.step()
            answer = member(*args, **named)
            self._doom.step()
            return answer

        return call


@cache
def _parsed(words: tuple[str, ...]) -> dict[str, Any]:
    """What the command's own text makes of these words; reading that text takes longer than most runs here."""
    return cli.parse(words)[1]


class Rehearsal:
    """A dump folder, and the commands that work on it.

    Args:
        fleet: the target.
        folder: an empty folder.
    """

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "rollback.yaml"
        self._config.write_text(
            json.dumps(
                {"run": LIMITS, "shared_state": "folder", "target": "fleet", "targets": {"fleet": {"kind": "fleet"}}}
            ),
            encoding="utf-8",
        )

    def run(
        self, wanted: Mapping[str, str], *, on_failure: str = "restore", doom: Doom | None = None
    ) -> dict[str, Any]:
        """Bring apps to other images; what the command's JSON says.

        Raises:
            RollbackError: as the command does.
            Killed: the doom had it so.
        """
        steps = tuple(
            Step(
                service_of(app.id),
                f"shop{app.id}",
                Action.SAME if app.image == wanted[app.id] else Action.CHANGE,
                Match.EXACT,
                app,
                after=wanted[app.id],
            )
            for app in self.fleet.apps()
            if app.id in wanted
        )
        plan = Plan(Environment("prod", "master"), self.fleet.name, "2026-11-20", steps)
        config = settings.load(str(self._config), {})
        how = policy(config, on_failure=OnFailure(on_failure))
        request = RunRequest("run", config, self.folder, how, Secret(), "ann", freeze_s=config.run.freeze_s)
        with self._place(doom) as target:
            try:
                return {**vars(runner.perform(request, plan, target, Progress(StringIO())))}
            except KeyboardInterrupt:  # a wish to stop before there is a record
                return {"code": INTERRUPTED}

    def undo(self, run: str = "", *, accept: str = "", doom: Doom | None = None) -> dict[str, Any]:
        """Undo a run, the newest one if none is named; what the command's JSON says.

        Raises:
            RollbackError: as the command does.
            Killed: the doom had it so.
        """
        chosen = {"--run": run or None, "--accept-moved": accept or None}
        options = {**self._options("undo", "--yes"), **chosen}
        with (
            self._place(doom) as target,
            patch.object(context, "target", lambda *_: target),
            redirect_stderr(StringIO()),
        ):
            try:
                data: dict[str, Any] = undo.main(options, Progress(StringIO())).data
            except KeyboardInterrupt:
                return {"code": INTERRUPTED, "exit_code": INTERRUPTED}
            return data

    def newest(self) -> Record | None:
        """The record of the newest run that may have changed something."""
        records = [record.read(path) for path in record.files(self.folder)]
        try:
            return undo_choice.choose(records, self.folder, None).record
        except RollbackError:
            return None

    def _options(self, *words: str) -> dict[str, Any]:
        common = (f"--dump={self.folder}", f"--config={self._config}")
        return {**_parsed(words), **{name: value for name, _, value in (word.partition("=") for word in common)}}

    @contextmanager
    def _place(self, doom: Doom | None) -> Iterator[Any]:
        """Our clock instead of the system's, and a program that may end."""
        doom = doom or Doom()
        with (
            patch.object(runner, "stoppable", lambda *_: nullcontext(self.fleet.clock)),
            patch.object(runner, "Journal", doom.journal()),
            patch.object(os, "fsync", lambda _handle: None),  # it outlives a power cut, which is not rehearsed here
        ):
            yield doom.over(self.fleet)
