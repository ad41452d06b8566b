"""Plan, run, fail, kill, undo in any order, against a model of the fleet.

Whatever happens, the record tells every app that may not be as it was, the exit code is honest, nothing outside the
plan is written, nobody else's deployment is touched, and undo of the record restores what the record tells.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rollback.errors import Refused, RollbackError
from rollback.state import undo_choice
from rollback.state.record import Record, files, read
from tests.support.fleet import ContainerOutcome, FaultKind, Fleet, ManualClock
from tests.support.rehearsal import Doom, Killed, Rehearsal

APPS = ("/a", "/b", "/c")
BYSTANDER = "/x"
VERSIONS = ("1", "2", "3")
NEVER_UP = (ContainerOutcome.CRASHES, ContainerOutcome.SICK, ContainerOutcome.STUCK)

wanted_images = st.dictionaries(st.sampled_from(APPS), st.sampled_from(VERSIONS), min_size=1).map(
    lambda chosen: {app_id: f"{app_id[1:]}:{version}" for app_id, version in chosen.items()}
)
bad_luck = st.lists(st.sampled_from(FaultKind), max_size=4)
death = st.one_of(st.none(), st.none(), st.integers(1, 60))
signal = st.one_of(st.none(), st.none(), st.integers(0, 12))
somebody = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.integers(1, 8), st.sampled_from(APPS), st.sampled_from(("image", "env", "volume"))),
)


class Operations(RuleBasedStateMachine):
    """What people, programs and misfortune do to one fleet."""

    @initialize(
        batch=st.sampled_from((0, 1)),
        fates=st.dictionaries(
            st.tuples(st.sampled_from(APPS), st.sampled_from(VERSIONS)), st.sampled_from(ContainerOutcome), max_size=3
        ),
    )
    def begin(self, batch: int, fates: dict[tuple[str, str], ContainerOutcome]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.fleet = Fleet(
            ManualClock(), batch, {f"{app[1:]}:{version}": fate for (app, version), fate in fates.items()}
        )
        self.fleet.install({app_id: f"{app_id[1:]}:2" for app_id in (*APPS, BYSTANDER)})
        self.work = Rehearsal(self.fleet, self.folder)
        self.untouched = True  # by anybody else, since the newest record began
        self.left: dict[str, bool] = {}  # by run that came to its end, whether it left any app changed
        self.meddled: list[tuple[int, str]] = []  # how many records there were, and what somebody else changed then

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    @rule(
        wanted=wanted_images,
        on_failure=st.sampled_from(("restore", "restore", "keep", "stop")),
        mishaps=bad_luck,
        silent=st.integers(0, 3),
        dies_at=death,
        stops_after=signal,
        meddler=somebody,
    )
    def run(
        self,
        wanted: dict[str, str],
        on_failure: str,
        mishaps: list[FaultKind],
        silent: int,
        dies_at: int | None,
        stops_after: int | None,
        meddler: tuple[int, str, str] | None,
    ) -> None:
        before, began = self.fleet.images(), len(self.fleet.log)
        known = len(files(self.folder))
        told = self._command(
            lambda doom: self.work.run(wanted, on_failure=on_failure, doom=doom),
            mishaps,
            dies_at,
            stops_after,
            meddler,
            silent,
        )
        written = self.fleet.log[began:]
        made = self._newest_of(known)
        if made and made.sent:
            self.untouched = all(not one.foreign for one in written)
        assert_told(made, [one for one in written if not one.foreign])
        foreign = {one.app for one in written if one.foreign}
        if not mishaps and not silent:
            assert_left_alone(written)
        if told is None:
            return
        if told["code"] in (1, 3):
            assert not [one for one in written if not one.foreign], told
        now = {app_id: image for app_id, image in self.fleet.images().items() if app_id not in foreign}
        if made and told["code"] in (0, 1, 5):
            self.left[made.header.run] = any(now[app_id] != before[app_id] for app_id in now)
        if told["code"] == 0:
            assert now == {app_id: wanted.get(app_id, before[app_id]) for app_id in now}, told
        if told["code"] == 5:
            assert now == {app_id: before[app_id] for app_id in now}, told

    @rule(mishaps=bad_luck, dies_at=death, stops_after=signal, which=st.integers(0, 3))
    def undo_badly(self, mishaps: list[FaultKind], dies_at: int | None, stops_after: int | None, which: int) -> None:
        known = files(self.folder)
        if not known:
            return
        run = known[min(which, len(known) - 1)].stem
        began = len(self.fleet.log)
        self._command(lambda doom: self.work.undo(run, doom=doom), mishaps, dies_at, stops_after, None, 0)
        made = self._newest_of(len(known))
        if made and made.sent:
            self.untouched = True
        assert_told(made, self.fleet.log[began:])

    @rule()
    def undo(self) -> None:
        past = self.work.newest()
        if past is None:
            return
        self._assert_picked(past)
        known, began = len(files(self.folder)), len(self.fleet.log)
        left = undo_choice.left_changed(past)
        refusal = ""
        try:
            told = self.work.undo(past.header.run)
        except Refused as error:
            refusal = f"{error.what}: {error.why}"
        if refusal:
            assert not self.untouched, refusal
            assert len(self.fleet.log) == began
            return
        assert_told(self._newest_of(known), self.fleet.log[began:])
        if self._has_sent(known):
            self.untouched = True
        flapping = any(
            self.fleet.fates.get(past.captured[app_id].app.image) is ContainerOutcome.DIES for app_id in past.sent
        )
        assert told["exit_code"] == 0 or flapping, told
        now = self.fleet.definitions()
        # What a run has put back itself, or never changed, may be somebody else's since, and is left alone.
        ours = left | (past.sent.keys() - self._meddled_since(past))
        assert {app_id: now[app_id] for app_id in ours} == {
            app_id: dict(past.captured[app_id].app.definition) for app_id in ours
        }

    @rule(
        mishaps=st.lists(st.sampled_from((FaultKind.LOST_BEFORE, FaultKind.LOST_AFTER, FaultKind.LOCKED)), max_size=3)
    )
    def undo_what_moved(self, mishaps: list[FaultKind]) -> None:
        past = self.work.newest()
        if past is None or self.fleet.hanging():
            return
        known, began = len(files(self.folder)), len(self.fleet.log)
        services = ",".join(app_id[1:] for app_id in past.sent)
        left = undo_choice.left_changed(past)  # what a run has put back itself may be somebody else's since
        told = self._command(
            lambda doom: self.work.undo(past.header.run, accept=services, doom=doom), mishaps, None, None, None, 0
        )
        assert_told(self._newest_of(known), self.fleet.log[began:])
        if self._has_sent(known):
            self.untouched = True
        if told and told["code"] == 0:
            now = self.fleet.definitions()
            assert {app_id: now[app_id] for app_id in left} == {
                app_id: dict(past.captured[app_id].app.definition) for app_id in left
            }

    @rule(app_id=st.sampled_from(APPS), kind=st.sampled_from(("image", "env", "volume")))
    def hotfix(self, app_id: str, kind: str) -> None:
        self._meddle(app_id, kind)
        self.fleet.settle()
        self.untouched = False

    @rule()
    def wait(self) -> None:
        self.fleet.settle()

    @invariant()
    def nobody_else_was_bothered(self) -> None:
        if hasattr(self, "fleet"):
            assert self.fleet.broken_rules == []
            assert self.fleet.images()[BYSTANDER] == "x:2"
            assert all(one.app != BYSTANDER for one in self.fleet.log)

    def _command(
        self,
        command: Any,
        mishaps: list[FaultKind],
        dies_at: int | None,
        stops_after: int | None,
        meddler: tuple[int, str, str] | None,
        silent: int,
    ) -> dict[str, Any] | None:
        """Let one command come to its end; None if it was killed."""
        clock = self.fleet.clock
        clock.stop_at = None if stops_after is None else clock.now() + stops_after
        self.fleet.mishaps = deque(mishaps)
        if meddler:
            after, app_id, kind = meddler
            clock.meanwhile.append((clock.now() + after, lambda: self._meddle(app_id, kind)))
        try:
            told: dict[str, Any] = command(Doom(dies_at))
        except Killed:
            return None
        except RollbackError as error:
            return {"code": error.exit_code}
        else:
            return told if "code" in told else {"code": told["exit_code"], **told}
        finally:
            clock.stop_at = None
            clock.meanwhile.clear()
            self.fleet.mishaps.clear()
            if FaultKind.LATE in mishaps:
                self.fleet.settle()

    def _assert_picked(self, past: Record) -> None:
        """A plain undo picks the newest run that left something changed, and passes over those that did not."""
        runs = [path.stem for path in files(self.folder)]
        newer = runs[: runs.index(past.header.run)]
        assert not any(self.left.get(run, False) for run in newer), (past.header.run, self.left)
        if self.left.get(past.header.run) is False:  # of all that it knows none has left anything
            assert not any(self.left.get(run, False) for run in runs), (past.header.run, self.left)

    def _meddle(self, app_id: str, kind: str) -> None:
        number = len(self.fleet.log)
        self.meddled.append((len(files(self.folder)), app_id))
        self.fleet.foreign(app_id, **{kind: f"{app_id[1:]}:hotfix{number}" if kind == "image" else f"other{number}"})

    def _meddled_since(self, past: Record) -> set[str]:
        """What somebody else changed since a run had a record."""
        runs = [path.stem for path in files(self.folder)]
        place = len(runs) - runs.index(past.header.run)
        return {app_id for records, app_id in self.meddled if records >= place}

    def _has_sent(self, known: int) -> bool:
        made = self._newest_of(known)
        return made is not None and bool(made.sent)

    def _newest_of(self, known: int) -> Record | None:
        """The record that a command has begun, if it has."""
        found = files(self.folder)
        return read(found[0]) if len(found) > known else None


def assert_told(made: Record | None, written: list[Any]) -> None:
    """Everything that was written is in the record, app and image."""
    for one in written:
        assert made, f"{one} is in no record"
        assert one.image in made.sent.get(one.app, frozenset()), one


def assert_left_alone(written: list[Any]) -> None:
    """Whoever has changed an app while it was being rolled back keeps his change."""
    taken: set[str] = set()
    for one in written:
        if one.foreign:
            taken.add(one.app)
        assert one.foreign or one.app not in taken, one


TestOperations = Operations.TestCase
TestOperations.settings = settings(
    max_examples=120,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # shrinking takes minutes, and the steps are printed anyway
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
