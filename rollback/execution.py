"""Deploy several at a time, watch health, put back what was touched.

Owns time, order and policy, so that targets need not. Nothing outside the given changes is ever written, and every
write is told to the journal before it is sent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from rollback.app import Change, Deployment, Status
from rollback.errors import NoAnswer, RecordError, TargetError
from rollback.plan import OnFailure
from rollback.targets.base import Target
from rollback.watch import Limits, State, Watch, judge

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Time, and the wish to stop."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until somebody wants it to stop."""
        ...

    def stopping(self) -> bool:
        """Whether a person or the system wants it to stop."""
        ...


class Journal(Protocol):
    """Where a run is told as it happens; durable before each write."""

    def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
        """About to be sent. Raises RecordError if that cannot be recorded."""
        ...

    def cancelling(self, deployment: Deployment) -> None:
        """About to be rolled back on the target. Raises RecordError if that cannot be recorded."""
        ...

    def written(self, changes: Sequence[Change], deployment: Deployment | None, problem: str) -> None:
        """What came back: a deployment, or why there is none."""
        ...

    def judged(self, watch: Watch, *, restoring: bool) -> None:
        """An app's state changed."""
        ...


@dataclass(frozen=True)
class Policy:
    """How a run goes about it.

    Attributes:
        limits: how long an app may take, and has to stay up.
        parallel: how many apps are deployed at a time, where the target takes one per write.
        on_failure: what happens when one does not come up.
        poll_s: seconds between two looks.
    """

    limits: Limits = field(default_factory=Limits)
    parallel: int = 4
    on_failure: OnFailure = OnFailure.RESTORE
    poll_s: float = 2.0


@dataclass(frozen=True)
class Execution:
    """What came of it.

    Attributes:
        forward: by app id, what is known of each app that was written, or perhaps was.
        refused: by app id, why the target did not take the write; these apps are as they were.
        restored: by app id, the same for what was put back; None if nothing was put back.
        interrupted: whether it was stopped from outside.
        stopped_because: why nothing more was written; empty if that was not so.
    """

    forward: Mapping[str, Watch] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    restored: Mapping[str, Watch] | None = None
    interrupted: bool = False
    stopped_because: str = ""

    @property
    def clean(self) -> bool:
        """Everything that was to be written was, and is up."""
        return not self.refused and not self.stopped_because and all_up(self.forward) and not self.interrupted


def all_up(watches: Mapping[str, Watch]) -> bool:
    """Whether every app is up."""
    return all(watch.state is State.UP for watch in watches.values())


def execute(
    changes: Sequence[Change],
    target: Target,
    *,
    policy: Policy,
    clock: Clock,
    journal: Journal,
    was_ready: Mapping[str, bool],
    look: Callable[[Watch], None] = lambda _: None,
) -> Execution:
    """Write the changes, watch them come up, and do what the policy says where one does not.

    Args:
        changes: what is to be written, in order.
        target: where.
        policy: how.
        clock: time, and the wish to stop.
        journal: told before and after each write.
        was_ready: by app id, whether the app was ready before; one that was not need not be once it is put back.
        look: told each time that an app's state or detail changes.

    Raises:
        RecordError: the very first write cannot be recorded; nothing was written.
    """
    rollout = _Rollout(target, policy, clock, journal, look)
    rollout.deploy(changes)
    result = Execution(rollout.watches, rollout.refused, None, rollout.interrupted, rollout.stopped_because)
    if result.clean or result.interrupted or policy.on_failure is not OnFailure.RESTORE or not result.forward:
        return result
    back = [Change(watch.change.app, watch.change.app.image) for watch in result.forward.values()][::-1]
    ours = {app_id: frozenset({watch.change.image}) for app_id, watch in result.forward.items()}
    restored = put_back(
        back, target, ours=ours, policy=policy, clock=clock, journal=journal, was_ready=was_ready, look=look
    )
    return replace(result, restored=restored.forward, interrupted=restored.interrupted)


def put_back(
    changes: Sequence[Change],
    target: Target,
    *,
    ours: Mapping[str, frozenset[str]],
    policy: Policy,
    clock: Clock,
    journal: Journal,
    was_ready: Mapping[str, bool],
    look: Callable[[Watch], None] = lambda _: None,
) -> Execution:
    """Bring apps back to what they were: roll our running deployments back, write again what is left, watch it.

    An app that runs neither its old image nor one of ours was changed by somebody else and is left alone.

    Args:
        changes: where the apps go back to, in the order in which they are written.
        target: where.
        ours: by app id, the images that this tool has put there.
        policy: how.
        clock: time, and the wish to stop.
        journal: told before and after each write; that it cannot write does not keep apps from being put back.
        was_ready: by app id, whether the app was ready in its old state; one that was not need not be now.
        look: told each time that an app's state or detail changes.
    """
    restore = _Restore(target, policy, clock, journal, look, changes, ours, was_ready)
    restore.run()
    return Execution(restore.watches, interrupted=restore.waiting() > 0)


class _Looker:
    """What both directions share: looking at several apps at once, through an unsteady connection."""

    def __init__(
        self, target: Target, policy: Policy, clock: Clock, journal: Journal, look: Callable[[Watch], None]
    ) -> None:
        self.target, self.policy, self.clock, self.journal, self.look = target, policy, clock, journal, look
        self.watches: dict[str, Watch] = {}
        self._silent_since: float | None = None
        self._silent_why = ""

    restoring = False

    def statuses(self) -> Mapping[str, Status] | None:
        """One look at everything watched; None if the target cannot be asked just now."""
        try:
            found = self.target.status(list(self.watches))
        except TargetError as error:
            if self._silent_since is None:
                self._silent_since = self.clock.now()
                log.warning("the target cannot be asked (%s); asking again", error.why or error.what)
            self._silent_why = error.why or error.what
            return None
        self._silent_since = None
        return found

    def silent_too_long(self) -> bool:
        """Whether the target has not been asked successfully for as long as an app may take."""
        since = self._silent_since
        return since is not None and self.clock.now() - since >= self.policy.limits.timeout_s

    def fail_silent(self) -> None:
        for watch in self.watches.values():
            if watch.state is not State.FAILED:
                why = f"the target could not be asked for {self.policy.limits.timeout_s:g} s: {self._silent_why}"
                self.keep(replace(watch, state=State.FAILED, detail=why))

    def keep(self, watch: Watch) -> None:
        """Remember a look, and tell of it if it says something new."""
        before = self.watches.get(watch.change.app.id)
        self.watches[watch.change.app.id] = watch
        if before is None or (before.state, before.detail) != (watch.state, watch.detail):
            self.look(watch)
        if before is not None and before.state is not watch.state:
            try:
                self.journal.judged(watch, restoring=self.restoring)
            except RecordError as error:
                log.warning("%s: %s", error.what, error.why)

    def judge_all(self, statuses: Mapping[str, Status]) -> None:
        now = self.clock.now()
        for app_id, watch in list(self.watches.items()):
            self.keep(judge(watch, statuses.get(app_id), now, self.policy.limits))

    def waiting(self) -> int:
        return sum(watch.state is State.WAITING for watch in self.watches.values())


class _Rollout(_Looker):
    """Forward: a window of apps at a time, or all in one write."""

    def __init__(
        self, target: Target, policy: Policy, clock: Clock, journal: Journal, look: Callable[[Watch], None]
    ) -> None:
        super().__init__(target, policy, clock, journal, look)
        self.refused: dict[str, str] = {}
        self.stopped_because = ""
        self.interrupted = False

    def deploy(self, changes: Sequence[Change]) -> None:
        queue = deque(_batches(changes, self.target.batch))
        while (queue or self.waiting()) and not self.clock.stopping():
            if self._failing() and self.policy.on_failure is OnFailure.RESTORE:
                return
            if self._failing() and self.policy.on_failure is OnFailure.STOP:
                queue.clear()
            self._write(self._window(queue))
            if self.stopped_because:
                queue.clear()
            if not self.waiting():
                continue
            self.clock.sleep(self.policy.poll_s)
            statuses = self.statuses()
            if statuses is not None:
                self.judge_all(statuses)
            elif self.silent_too_long():
                self.fail_silent()
        self.interrupted = bool(queue or self.waiting())

    def _failing(self) -> bool:
        return bool(
            self.refused or self.stopped_because or any(w.state is State.FAILED for w in self.watches.values())
        )

    def _window(self, queue: deque[list[Change]]) -> list[list[Change]]:
        free = self.policy.parallel - self.waiting()
        taken: list[list[Change]] = []
        while queue and (free > 0 or self.target.batch == 0):
            taken.append(queue.popleft())
            free -= len(taken[-1])
        return taken

    def _write(self, batches: Sequence[Sequence[Change]]) -> None:
        """Send several writes side by side, each recorded before any is sent."""
        if not batches:
            return
        try:
            for batch in batches:
                self.journal.writing(batch, restoring=False)
        except RecordError as error:
            if not self.watches:
                raise
            self.stopped_because = f"{error.what}: {error.why}"
            return
        with ThreadPoolExecutor(max_workers=len(batches)) as pool:
            answers = list(pool.map(lambda batch: _send(self.target, batch), batches))
        now = self.clock.now()
        for batch, answer in zip(batches, answers, strict=True):
            _tell_written(self.journal, batch, answer)
            for change in batch:
                if answer.taken:
                    version = answer.deployment.version if answer.deployment else ""
                    self.keep(Watch(change, now, answered=answer.deployment is not None, version=version))
                else:
                    self.refused[change.app.id] = answer.problem


class _Restore(_Looker):
    """Back: our running deployments are rolled back on the target, and what is left is written again."""

    restoring = True

    def __init__(
        self,
        target: Target,
        policy: Policy,
        clock: Clock,
        journal: Journal,
        look: Callable[[Watch], None],
        changes: Sequence[Change],
        ours: Mapping[str, frozenset[str]],
        was_ready: Mapping[str, bool],
    ) -> None:
        super().__init__(target, policy, clock, journal, look)
        self._ours = ours
        self._cancelled: set[str] = set()
        # Somebody who has the image and another definition around it is told apart from one who is back already.
        self._unlike = {c.app.id for c in changes if c.captured is not None and c.app.image == c.image}
        now = clock.now()
        for change in changes:
            app_id = change.app.id
            self.watches[app_id] = Watch(change, now, answered=False, healthy=was_ready.get(app_id, True))

    def run(self) -> None:
        deadline = self.clock.now() + 2 * self.policy.limits.timeout_s
        while self.waiting() and not self.clock.stopping():
            statuses = self.statuses()
            if statuses is not None:
                self._push(statuses)
                self._judge(statuses)
            elif self.silent_too_long():
                self.fail_silent()
            if not self.waiting():
                return
            if self.clock.now() >= deadline:
                for watch in self.watches.values():
                    if watch.state is State.WAITING:
                        self.keep(replace(watch, state=State.FAILED, detail=f"not back in time: {watch.detail}"))
                return
            self.clock.sleep(self.policy.poll_s)

    def _judge(self, statuses: Mapping[str, Status]) -> None:
        """Judge what runs its old image again; the rest is still on its way."""
        now = self.clock.now()
        for app_id, watch in list(self.watches.items()):
            status = statuses.get(app_id)
            if status is None:
                self.keep(replace(watch, state=State.FAILED, detail="the target no longer shows this app"))
            elif status.image == watch.change.image and app_id not in self._unlike:
                # Rolling a deployment back and writing again may make two versions one after the other.
                self.keep(judge(replace(watch, version=""), status, now, self.policy.limits))

    def _push(self, statuses: Mapping[str, Status]) -> None:
        """Do what brings back the apps that do not run their old image yet."""
        away = {
            app_id: status
            for app_id, status in statuses.items()
            if (status.image != self.watches[app_id].change.image or app_id in self._unlike)
            and self.watches[app_id].state is State.WAITING
        }
        if not away:
            return
        for deployment in self._running(away):
            self._cancel(deployment)
        for app_id, status in away.items():
            if not status.deployments and status.image not in self._ours[app_id]:
                why = f"somebody else changed it meanwhile: it is to run {status.image or 'no image'} now"
                self.keep(replace(self.watches[app_id], state=State.FAILED, detail=why))
        free = [
            watch.change
            for app_id, watch in self.watches.items()
            if app_id in away and not away[app_id].deployments and away[app_id].image in self._ours[app_id]
        ]
        self._write_again(list(_batches(free, self.target.batch)))

    def _write_again(self, batches: Sequence[Sequence[Change]]) -> None:
        if not batches or self.clock.stopping():
            return
        for batch in batches:
            self._record(partial(self.journal.writing, batch, restoring=True))
        with ThreadPoolExecutor(max_workers=self.policy.parallel) as pool:
            answers = list(pool.map(lambda batch: _send(self.target, batch), batches))
        for batch, answer in zip(batches, answers, strict=True):
            _tell_written(self.journal, batch, answer)
            for change in batch:
                if answer.taken:
                    self._unlike.discard(change.app.id)
                if answer.problem:
                    self.keep(replace(self.watches[change.app.id], detail=answer.problem))

    def _running(self, away: Mapping[str, Status]) -> Iterable[Deployment]:
        """Running deployments that brought our images, those without an answer included."""
        holding = {identity for status in away.values() for identity in status.deployments} - self._cancelled
        if not holding:
            return ()
        try:
            running = self.target.deployments()
        except TargetError as error:
            log.warning("the deployments cannot be listed (%s); asking again", error.why or error.what)
            return ()
        return [
            deployment
            for deployment in running
            if deployment.id in holding
            and set(deployment.apps) <= set(self.watches)
            and all(app_id not in away or away[app_id].image in self._ours[app_id] for app_id in deployment.apps)
        ]

    def _cancel(self, deployment: Deployment) -> None:
        if self.clock.stopping():
            return
        self._record(partial(self.journal.cancelling, deployment))
        try:
            self.target.cancel(deployment)
        except NoAnswer:
            pass  # the next look tells whether it was taken
        except TargetError as error:
            log.warning(
                "deployment %s cannot be rolled back (%s); trying again", deployment.id, error.why or error.what
            )
            return
        self._cancelled.add(deployment.id)

    @staticmethod
    def _record(write: Callable[[], None]) -> None:
        """A full disk must not keep the fleet from being put back: what it needs was recorded at the start."""
        try:
            write()
        except RecordError as error:
            log.warning("%s: %s", error.what, error.why)


@dataclass(frozen=True)
class _Answer:
    deployment: Deployment | None
    problem: str = ""
    taken: bool = True


def _send(target: Target, batch: Sequence[Change]) -> _Answer:
    try:
        return _Answer(target.update(batch))
    except NoAnswer as error:
        return _Answer(None, f"{error.what}: {error.why}")
    except TargetError as error:
        return _Answer(None, f"{error.what}: {error.why}" if error.why else error.what, taken=False)


def _tell_written(journal: Journal, batch: Sequence[Change], answer: _Answer) -> None:
    try:
        journal.written(batch, answer.deployment, answer.problem)
    except RecordError as error:
        log.warning("%s: %s", error.what, error.why)


def _batches(changes: Sequence[Change], most: int) -> Iterable[list[Change]]:
    size = most or max(len(changes), 1)
    for start in range(0, len(changes), size):
        yield list(changes[start : start + size])
