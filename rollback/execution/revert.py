"""Back: running deployments are rolled back on the target, and what is left is written again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from rollback.core.apps import App, Change, Deployment, Status
from rollback.core.rollout_status import FOREIGN, RolloutState, RolloutStatus, judge
from rollback.errors import NoAnswer, RecordError, TargetError
from rollback.execution.policy import Clock, Policy, RunJournal
from rollback.execution.polling import LONGEST_WRITE_S, StatusPoller, WriteResult, batches, record_answer, send
from rollback.targets.base import Target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnChanges:
    """By what an app is known that is to be put back and was not changed by anybody else.

    Attributes:
        ours: by app id, the images that this tool has put there.
        versions: by app id, the version that its write made; absent where it is not known.
        before: by app id, the reference that it had before, which rolling a deployment back brings.
        late: by app id, until when, in seconds of the clock, a write without an answer may yet be carried out.
        is_ours: whether a running deployment of these apps may be rolled back.
    """

    ours: Mapping[str, frozenset[str]]
    versions: Mapping[str, str]
    before: Mapping[str, str]
    late: Mapping[str, float]
    is_ours: Callable[[Deployment], bool]

    def overwrites(self, status: Status) -> bool:
        """Whether what an app is to run may be written over: it is ours, or what was there before."""
        return status.image in self.ours[status.id] or status.image == self.before.get(status.id)

    def foreign(self, status: Status) -> str:
        """The sign that somebody else changed an app that does not run its old image; empty if there is none."""
        if status.image == self.before.get(status.id):
            return ""
        if status.image not in self.ours[status.id]:
            # As long as a deployment runs, nobody knows what it comes to.
            now = status.image or "no image"
            return "" if status.deployments else f"somebody else changed it meanwhile: it is to run {now} now"
        return FOREIGN if status.version != self.versions.get(status.id, status.version) else ""


class Revert(StatusPoller):
    """Back: our running deployments are rolled back on the target, and what is left is written again."""

    restoring = True

    def __init__(
        self,
        target: Target,
        policy: Policy,
        clock: Clock,
        journal: RunJournal,
        look: Callable[[RolloutStatus], None],
        changes: Sequence[Change],
        away: OwnChanges,
        was_ready: Mapping[str, bool],
        beside: Sequence[App] = (),
    ) -> None:
        super().__init__(target, policy, clock, journal, look)
        self._beside = beside
        self._away = away
        self._cancelled: set[str] = set()
        self.returning: set[str] = set()  # deployments of ours that bring apps back
        # An app that has the image already and another definition around it is not back before it was written.
        self._unlike = {
            c.app.id
            for c in changes
            if c.captured is not None and c.app.image == c.image and c.fingerprint != c.app.fingerprint
        }
        now = clock.now()
        for change in changes:
            app_id = change.app.id
            self.watches[app_id] = RolloutStatus(change, now, answered=False, healthy=was_ready.get(app_id, True))

    def run(self) -> None:
        """Go on until every app is back, given up, or the time for the whole way back is over."""
        self._bring_back()
        self._end_deployments()
        self.look_at_all([*(watch.change.app for watch in self.watches.values()), *self._beside])
        for app_id, watch in list(self.watches.items()):
            if watch.state is RolloutState.UP and app_id in self.seen:
                self.keep(self._still_back(watch, self.seen[app_id]))

    def _bring_back(self) -> None:
        deadline = self.clock.now() + self.policy.deadline_s
        while self.waiting() and not self.clock.stopping():
            statuses = self.statuses()
            if statuses is not None:
                self._push(statuses)
                self._judge(statuses)
            elif self.unreachable_too_long():
                self.fail_unreachable()
            if not self.waiting():
                return
            if self.clock.now() >= deadline:
                for watch in self.watches.values():
                    if watch.state is RolloutState.WAITING:
                        self.keep(self._late(watch))
                return
            self.clock.sleep(self.policy.poll_s)

    @staticmethod
    def _late(watch: RolloutStatus) -> RolloutStatus:
        return replace(watch, state=RolloutState.FAILED, detail=f"not back in time: {watch.detail}")

    def _end_deployments(self) -> None:
        """End our own deployments that wait for ever, since they bring back an app that was not up before either.

        Left alone they would lock their apps, so that the next run were refused. Ended are only those whose apps all
        have their old definition again; what instances are too many, Marathon's next check of their number removes.
        """
        hung = self._hung(self.seen) & self.returning
        if not hung or self.clock.stopping():
            return
        back = {app_id for app_id, watch in self.watches.items() if watch.state is RolloutState.UP}
        try:
            for deployment in self.query(self.target.deployments):
                if deployment.id in hung and back.issuperset(deployment.apps):
                    self._record(partial(self.journal.stopping, deployment))
                    self.query(partial(self.target.stop, deployment))
        except TargetError as error:
            log.warning("a deployment that may never end is left behind (%s)", error.why or error.what)

    def _judge(self, statuses: Mapping[str, Status]) -> None:
        """Judge what runs its old image again; the rest is still on its way."""
        now, limits = self.clock.now(), self.policy.limits
        hung = self._hung(statuses)
        for app_id, watch in list(self.watches.items()):
            status = statuses.get(app_id)
            if watch.state is RolloutState.FAILED:
                continue
            if status is None:
                self.keep(replace(watch, state=RolloutState.FAILED, detail="the target no longer shows this app"))
            elif now < self._away.late.get(app_id, now):
                self.keep(replace(watch, detail="a write without an answer may yet be carried out"))
            elif status.image == watch.change.image and app_id not in self._unlike:
                if watch.most_ready is None:
                    watch = replace(watch, since=now)  # only now does it begin to come up
                seen = replace(status, deployments=tuple(held for held in status.deployments if held not in hung))
                # Rolling a deployment back and writing again may make two versions one after the other.
                self.keep(judge(replace(watch, version="", fingerprint=""), seen, now, limits))
            elif watch.state is RolloutState.UP:
                self.keep(self._no_longer_back(watch, status))
            elif status.deployments:
                self.keep(replace(watch, since=now, image=status.image))  # its time begins once it is free
            elif now - watch.since >= watch.limit_s(limits):
                self.keep(self._late(watch))
        self.extend(statuses, now)

    def _still_back(self, watch: RolloutStatus, status: Status) -> RolloutStatus:
        """What the last look of all says of an app that was back."""
        if status.image != watch.change.image:
            return self._no_longer_back(watch, status)
        known = bool(status.fingerprint and watch.change.fingerprint)
        if known and status.fingerprint != watch.change.fingerprint:
            return replace(watch, state=RolloutState.FAILED, detail=FOREIGN)
        return watch

    def _no_longer_back(self, watch: RolloutStatus, status: Status) -> RolloutStatus:
        """An app that was back and is to run another image: somebody else's, or ours by a write that came late."""
        if status.image in self._away.ours[status.id] and not self._away.foreign(status):
            return replace(watch, state=RolloutState.WAITING, ready_since=None, most_ready=None, image=status.image)
        why = f"somebody else changed it meanwhile: it is to run {status.image or 'no image'} now"
        return replace(watch, state=RolloutState.FAILED, detail=why, image=status.image)

    def _hung(self, statuses: Mapping[str, Status]) -> frozenset[str]:
        """Deployments that may never end, since they bring back an app that was not up before either.

        What else they hold is judged by its instances alone.
        """
        return frozenset(
            held
            for app_id, status in statuses.items()
            if not self.watches[app_id].healthy
            for held in status.deployments
        )

    def _push(self, statuses: Mapping[str, Status]) -> None:
        """Do what brings back the apps that do not run their old image yet."""
        # A write without an answer was accepted if there is another configuration now.
        self._unlike -= {a for a in self._unlike & statuses.keys() if self._is_another(statuses[a])}
        away = {
            app_id: status
            for app_id, status in statuses.items()
            if (status.image != self.watches[app_id].change.image or app_id in self._unlike)
            and self.watches[app_id].state is RolloutState.WAITING
        }
        for app_id in list(away):
            if app_id not in self._unlike and (why := self._away.foreign(away[app_id])):
                self.keep(replace(self.watches[app_id], state=RolloutState.FAILED, detail=why))
                del away[app_id]
        for deployment in self._running(away):
            self._cancel(deployment)
        free = [
            watch.change
            for app_id, watch in self.watches.items()
            if app_id in away and not away[app_id].deployments and self._away.overwrites(away[app_id])
        ]
        self._write_again(list(batches(free, self.target.batch)))

    def _is_another(self, status: Status) -> bool:
        app = self.watches[status.id].change.app
        differs = bool(status.fingerprint and app.fingerprint) and status.fingerprint != app.fingerprint
        return differs or status.version != app.version

    def _write_again(self, batches: Sequence[Sequence[Change]]) -> None:
        if not batches or self.clock.stopping():
            return

        def write(batch: Sequence[Change]) -> WriteResult:
            if self.clock.stopping():  # while others were being sent
                return WriteResult(None, "not sent: it was interrupted", taken=False)
            return send(self.target, batch, self.clock)

        for batch in batches:
            self._record(partial(self.journal.writing, batch, restoring=True))
        with ThreadPoolExecutor(max_workers=self.policy.parallel) as pool:
            answers = list(pool.map(write, batches))
        for batch, answer in zip(batches, answers, strict=True):
            record_answer(self.journal, batch, answer)
            if answer.deployment:
                self.returning.add(answer.deployment.id)
            for change in batch:
                if answer.deployment:
                    self._unlike.discard(change.app.id)
                if answer.problem:
                    self.keep(replace(self.watches[change.app.id], detail=answer.problem))

    def _running(self, away: Mapping[str, Status]) -> Iterable[Deployment]:
        """Running deployments that brought our images, those without an answer included."""
        holding = {identity for status in away.values() for identity in status.deployments} - self._cancelled
        if not holding:
            return ()
        try:
            running = self.query(self.target.deployments)
        except TargetError as error:
            log.warning("the deployments cannot be listed (%s); trying again", error.why or error.what)
            return ()
        return [
            deployment
            for deployment in running
            if deployment.id in holding
            and self._away.is_ours(deployment)
            and set(deployment.apps) <= set(self.watches)
            and all(app_id not in away or away[app_id].image in self._away.ours[app_id] for app_id in deployment.apps)
        ]

    def _cancel(self, deployment: Deployment) -> None:
        if self.clock.stopping():
            return
        self._record(partial(self.journal.cancelling, deployment))
        try:
            made = self.clock.call(lambda: self.target.cancel(deployment), LONGEST_WRITE_S)
        except TimeoutError as error:
            log.warning("deployment %s was to be rolled back (%s); looking again", deployment.id, error)
            return
        except NoAnswer as error:
            log.warning("deployment %s was to be rolled back (%s); looking again", deployment.id, error.why)
            return  # one that is still there at the next look was not rolled back
        except TargetError as error:
            log.warning(
                "deployment %s cannot be rolled back (%s); trying again", deployment.id, error.why or error.what
            )
            return
        self._cancelled.add(deployment.id)
        if made:
            self.returning.add(made.id)
            record_answer(
                self.journal, [self.watches[app_id].change for app_id in deployment.apps], WriteResult(made)
            )

    @staticmethod
    def _record(write: Callable[[], None]) -> None:
        """A full disk must not keep the fleet from being put back: what it needs was recorded at the start."""
        try:
            write()
        except RecordError as error:
            log.warning("%s: %s", error.what, error.why)
