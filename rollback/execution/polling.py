"""What both directions of a run share: looking at several apps at once, and sending writes that may get no answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rollback.core.apps import App, Change, Deployment, Status
from rollback.core.rollout_status import RolloutState, RolloutStatus, extended, judge
from rollback.errors import NoAnswer, RecordError, TargetError
from rollback.execution.policy import Clock, Policy, Result, RunJournal
from rollback.targets.base import Target

log = logging.getLogger(__name__)

_SHORTEST_ASK_S, _LONGEST_ASK_S = 10.0, 60.0  # between these, a question takes as long as an app may take at most
LONGEST_WRITE_S = 300.0  # seconds; every kind of target has shorter limits of its own


class StatusPoller:
    """What both directions share: looking at several apps at once, through an unsteady connection."""

    def __init__(
        self, target: Target, policy: Policy, clock: Clock, journal: RunJournal, look: Callable[[RolloutStatus], None]
    ) -> None:
        self.target, self.policy, self.clock, self.journal, self.look = target, policy, clock, journal, look
        self.watches: dict[str, RolloutStatus] = {}
        self.seen: Mapping[str, Status] = {}  # the last look
        self._unreachable_since: float | None = None
        self._unreachable_reason = ""

    restoring = False

    def statuses(self) -> Mapping[str, Status] | None:
        """One look at everything watched; None if the target cannot be queried just now."""
        try:
            found = self.query(lambda: self.target.status(list(self.watches)))
        except TargetError as error:
            if self._unreachable_since is None:
                self._unreachable_since = self.clock.now()
                log.warning("the target cannot be queried (%s); trying again", error.why or error.what)
            self._unreachable_reason = error.why or error.what
            return None
        self._unreachable_since = None
        self.seen = {
            app_id: replace(status, image=status.image_of(self.watches[app_id].change.app))
            for app_id, status in found.items()
        }
        return self.seen

    def query(self, question: Callable[[], Result]) -> Result:
        """Read something from the target, in limited time.

        Raises:
            TargetError: it cannot be queried, does not answer in time, or a stop is requested meanwhile.
        """
        limit_s = min(max(self.policy.limits.timeout_s, _SHORTEST_ASK_S), _LONGEST_ASK_S)
        try:
            return self.clock.call(question, limit_s)
        except TimeoutError as error:
            raise TargetError(
                "the target cannot be queried",
                why=f"{self.target.name}: {error}",
                hint="check its address, the network and the VPN",
            ) from error

    def look_at_all(self, apps: Sequence[App]) -> None:
        """Look once more at the end, at apps that were not written, too: what is reported is what was seen last."""
        if self.clock.stopping():
            return
        try:
            found = self.query(lambda: self.target.status([app.id for app in apps]))
        except TargetError as error:
            log.warning("how it ended cannot be looked at (%s)", error.why or error.what)
            return
        self.seen = {
            app.id: replace(found[app.id], image=found[app.id].image_of(app)) for app in apps if app.id in found
        }

    def hanging(self, deployments: Collection[str]) -> frozenset[str]:
        """Which of these deployments held an app at the last look."""
        held = {identity for status in self.seen.values() for identity in status.deployments}
        return frozenset(held.intersection(deployments))

    def unreachable_too_long(self) -> bool:
        """Whether the target has not answered for as long as an app may take."""
        since = self._unreachable_since
        return since is not None and self.clock.now() - since >= self.policy.limits.timeout_s

    def fail_unreachable(self) -> None:
        """Give up on every app that has not failed: its state is unknown."""
        for watch in self.watches.values():
            if watch.state is not RolloutState.FAILED:
                limit = f"{self.policy.limits.timeout_s:g} s"
                why = f"the target could not be queried for {limit}: {self._unreachable_reason}"
                self.keep(replace(watch, state=RolloutState.FAILED, detail=why))

    def keep(self, watch: RolloutStatus) -> None:
        """Remember a look, and report it if it says something new."""
        before = self.watches.get(watch.change.app.id)
        self.watches[watch.change.app.id] = watch
        if before is None or (before.state, before.detail) != (watch.state, watch.detail):
            with suppress(OSError):  # a terminal or a pipe that is gone does not leave a fleet half way
                self.look(watch)
        if before is not None and before.state is not watch.state:
            try:
                self.journal.judged(watch, restoring=self.restoring)
            except RecordError as error:
                log.warning("%s: %s", error.what, error.why)

    def judge_all(self, statuses: Mapping[str, Status]) -> None:
        """Take one look at every app into account."""
        now = self.clock.now()
        for app_id, watch in list(self.watches.items()):
            self.keep(judge(watch, statuses.get(app_id), now, self.policy.limits))
        self.extend(statuses, now)

    def extend(self, statuses: Mapping[str, Status], now: float) -> None:
        """Let the time begin again of apps that wait for their turn in a deployment."""
        for app_id in extended(self.watches, statuses, now):
            self.watches[app_id] = replace(self.watches[app_id], since=now)

    def waiting(self) -> int:
        """How many apps are neither up nor given up."""
        return sum(watch.state is RolloutState.WAITING for watch in self.watches.values())


@dataclass(frozen=True)
class WriteResult:
    """What came back from a write; `taken` is also true where it is unknown."""

    deployment: Deployment | None
    problem: str = ""
    taken: bool = True


def send(target: Target, batch: Sequence[Change], clock: Clock) -> WriteResult:
    """Write one batch, once."""
    try:
        return WriteResult(clock.call(lambda: target.update(batch), LONGEST_WRITE_S))
    except TimeoutError as error:
        return WriteResult(None, f"sent, and no answer was waited for any longer: {error}")
    except NoAnswer as error:
        return WriteResult(None, f"{error.what}: {error.why}")
    except TargetError as error:
        return WriteResult(None, f"{error.what}: {error.why}" if error.why else error.what, taken=False)


def record_answer(journal: RunJournal, batch: Sequence[Change], answer: WriteResult) -> None:
    """Record what came back; that it cannot be recorded changes nothing any more."""
    try:
        journal.written(batch, answer.deployment, answer.problem, taken=answer.taken)
    except RecordError as error:
        log.warning("%s: %s", error.what, error.why)


def batches(changes: Sequence[Change], most: int) -> Iterable[list[Change]]:
    """Cut the changes into writes of at most `most`; 0 means one write for all."""
    size = most or max(len(changes), 1)
    for start in range(0, len(changes), size):
        yield list(changes[start : start + size])
