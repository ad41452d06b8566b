"""Forward: a window of apps at a time, or all in one write."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rollback.core.apps import App, Change
from rollback.core.plan import OnFailure
from rollback.core.rollout_status import RolloutState, RolloutStatus, judge, too_slow
from rollback.errors import RecordError
from rollback.execution.policy import Clock, Policy, RunJournal
from rollback.execution.polling import StatusPoller, batches, record_answer, send
from rollback.targets.base import Target


class Rollout(StatusPoller):
    """Forward: a window of apps at a time, or all in one write."""

    def __init__(
        self, target: Target, policy: Policy, clock: Clock, journal: RunJournal, look: Callable[[RolloutStatus], None]
    ) -> None:
        super().__init__(target, policy, clock, journal, look)
        self.refused: dict[str, str] = {}
        self.deployments: set[str] = set()  # ids of those that our writes began
        self.unanswered: set[str] = set()  # apps whose write may still be carried out
        self.stopped_because = ""
        self.interrupted = False

    def deploy(self, changes: Sequence[Change]) -> None:
        """Write and watch until everything is up, or the policy says that it is enough."""
        queue = deque(batches(changes, self._size))
        deadline = self.clock.now() + self.policy.deadline_s
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
                self._end_holding()
            elif self.unreachable_too_long():
                self.fail_unreachable()
            if self.clock.now() >= deadline and (queue or self.waiting()):
                self._end_late(queue)
        self.interrupted = bool(queue or self.waiting())

    def look_at_all(self, apps: Sequence[App]) -> None:
        """See `StatusPoller`; an app that is not as it was written any more was changed by somebody else."""
        super().look_at_all(apps)
        now = self.clock.now()
        for app_id, status in self.seen.items():
            watch = self.watches.get(app_id)
            if watch and watch.state is RolloutState.UP:
                judged = judge(watch, status, now, self.policy.limits)
                if judged.state is RolloutState.FAILED:
                    self.keep(judged)

    def _end_late(self, queue: deque[list[Change]]) -> None:
        """The whole way forward took too long: nothing more is written, and what is not up has failed."""
        limit = f"{self.policy.deadline_s:g} s"
        queue.clear()
        self.stopped_because = f"the run was not through within its {limit} (run.deadline_s)"
        for watch in self.watches.values():
            if watch.state is RolloutState.WAITING:
                why = f"not up when the {limit} of the run were over: {watch.detail}"
                self.keep(replace(watch, state=RolloutState.FAILED, detail=why))

    def _end_holding(self) -> None:
        """Give up on apps that nothing but a deployment holds up, once there is nobody else to wait for."""
        waiting = [watch for watch in self.watches.values() if watch.state is RolloutState.WAITING]
        limits, now = self.policy.limits, self.clock.now()
        if self._failing() and self.policy.on_failure is OnFailure.RESTORE:
            return
        if all(now - watch.since >= watch.limit_s(limits) and watch.ready_since is None for watch in waiting):
            for watch in waiting:
                self.keep(replace(watch, state=RolloutState.FAILED, detail=too_slow(watch, limits)))

    def _failing(self) -> bool:
        return bool(
            self.refused or self.stopped_because or any(w.state is RolloutState.FAILED for w in self.watches.values())
        )

    @property
    def _size(self) -> int:
        """How many changes one write carries: all, if one failure means that everything goes back.

        A deployment never ends as long as one of its apps does not come up, and holds the others until then; where
        the others are to go on, or nothing more is to be written, every app therefore gets a deployment of its own.
        """
        return self.target.batch if self.policy.on_failure is OnFailure.RESTORE else 1

    def _window(self, queue: deque[list[Change]]) -> list[list[Change]]:
        free = self.policy.parallel - self.waiting()
        taken: list[list[Change]] = []
        while queue and (free > 0 or self._size == 0):
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
            answers = list(pool.map(lambda batch: send(self.target, batch, self.clock), batches))
        now = self.clock.now()
        for batch, answer in zip(batches, answers, strict=True):
            record_answer(self.journal, batch, answer)
            if answer.deployment:
                self.deployments.add(answer.deployment.id)
            elif answer.taken:
                self.unanswered.update(change.app.id for change in batch)
            for change in batch:
                if answer.taken:
                    version = answer.deployment.version if answer.deployment else ""
                    self.keep(RolloutStatus(change, now, answered=answer.deployment is not None, version=version))
                else:
                    self.refused[change.app.id] = answer.problem
