"""Deploy several at a time, watch health, put back what was touched.

Owns time, order and policy, so that targets need not. Nothing outside the given changes is ever written, and every
write is recorded before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rollback.core.apps import App, Change, Deployment, Status
from rollback.core.plan import OnFailure
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.execution.policy import Clock, Policy, RunJournal
from rollback.execution.revert import OwnChanges, Revert
from rollback.execution.rollout import Rollout
from rollback.targets.base import Target


@dataclass(frozen=True)
class Execution:
    """What came of it.

    Attributes:
        forward: by app id, what is known of each app that was written, or perhaps was.
        refused: by app id, why the target did not take the write; these apps are as they were.
        restored: by app id, the same for what was put back; None if nothing was put back.
        interrupted: whether it was stopped from outside.
        stopped_because: why nothing more was written; empty if that was not so.
        last: by app id, the last look at each app of the plan, those included that were not written; an app that is
            gone is absent, and without a look all are.
        hanging: ids of deployments that this run began and that still hold an app.
    """

    forward: Mapping[str, RolloutStatus] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    restored: Mapping[str, RolloutStatus] | None = None
    interrupted: bool = False
    stopped_because: str = ""
    last: Mapping[str, Status] = field(default_factory=dict)
    hanging: frozenset[str] = frozenset()

    @property
    def clean(self) -> bool:
        """Everything that was to be written was, and is up."""
        return not self.refused and not self.stopped_because and all_up(self.forward) and not self.interrupted

    @property
    def is_back(self) -> bool:
        """Everything that was written was put back, and nothing of it is left on the target."""
        return self.restored is not None and all_up(self.restored) and not self.hanging


def all_up(watches: Mapping[str, RolloutStatus]) -> bool:
    """Whether every app is up."""
    return all(watch.state is RolloutState.UP for watch in watches.values())


def execute(
    changes: Sequence[Change],
    target: Target,
    *,
    policy: Policy,
    clock: Clock,
    journal: RunJournal,
    was_ready: Mapping[str, bool],
    look: Callable[[RolloutStatus], None] = lambda _: None,
    beside: Sequence[App] = (),
) -> Execution:
    """Write the changes, watch them come up, and do what the policy says where one does not.

    Args:
        changes: what is to be written, in order.
        target: where.
        policy: how.
        clock: time, and the wish to stop.
        journal: called before and after each write.
        was_ready: by app id, whether the app was ready before; one that was not need not be once it is put back.
        look: called each time that an app's state or detail changes.
        beside: apps that are not written; the last look of all is at these, too.

    Raises:
        RecordError: the very first write cannot be recorded; nothing was written.
    """
    rollout = Rollout(target, policy, clock, journal, look)
    rollout.deploy(changes)
    rollout.look_at_all([*(change.app for change in changes), *beside])
    result = Execution(
        rollout.watches,
        rollout.refused,
        None,
        rollout.interrupted,
        rollout.stopped_because,
        rollout.seen,
        rollout.hanging(rollout.deployments),
    )
    if result.clean or result.interrupted or policy.on_failure is not OnFailure.RESTORE or not result.forward:
        return result
    touched = list(result.forward.values())
    restored = put_back(
        [Change(watch.change.app, watch.change.app.restore_image, run=watch.change.run) for watch in touched][::-1],
        target,
        ours={watch.change.app.id: frozenset({watch.change.image}) for watch in touched},
        policy=policy,
        clock=clock,
        journal=journal,
        was_ready=was_ready,
        look=look,
        is_ours=lambda held: held.id in rollout.deployments or not rollout.unanswered.isdisjoint(held.apps),
        versions={watch.change.app.id: watch.version for watch in touched if watch.version},
        before={watch.change.app.id: watch.change.app.image for watch in touched},
        late={
            watch.change.app.id: watch.since + policy.limits.lost_s
            for watch in touched
            if watch.change.app.id in rollout.unanswered
        },
        beside=beside,
    )
    return replace(
        result,
        restored=restored.forward,
        interrupted=restored.interrupted,
        last={**result.last, **restored.last},
        hanging=frozenset(
            held for status in restored.last.values() for held in status.deployments if held in rollout.deployments
        )
        | restored.hanging,
    )


def put_back(
    changes: Sequence[Change],
    target: Target,
    *,
    ours: Mapping[str, frozenset[str]],
    policy: Policy,
    clock: Clock,
    journal: RunJournal,
    was_ready: Mapping[str, bool],
    look: Callable[[RolloutStatus], None] = lambda _: None,
    is_ours: Callable[[Deployment], bool] = lambda _: True,
    versions: Mapping[str, str] | None = None,
    before: Mapping[str, str] | None = None,
    late: Mapping[str, float] | None = None,
    beside: Sequence[App] = (),
) -> Execution:
    """Bring apps back to what they were: roll our running deployments back, write again what is left, watch it.

    An app that runs neither its old image nor one of ours, or ours in another version than our write made, was
    changed by somebody else and is left alone.

    Args:
        changes: where the apps go back to, in the order in which they are written.
        target: where.
        ours: by app id, the images that this tool has put there.
        policy: how.
        clock: time, and the wish to stop.
        journal: called before and after each write; that it cannot write does not keep apps from being put back.
        was_ready: by app id, whether the app was ready in its old state; one that was not need not be now.
        look: called each time that an app's state or detail changes.
        is_ours: whether a running deployment of these apps may be rolled back, where its apps run our images.
        versions: by app id, the version that our write made, where it is known; with another one, somebody else has
            changed the app since.
        before: by app id, the reference that it had before: rolling a deployment back brings that one, and where it
            does not name the image exactly, the exact one is written over it.
        late: by app id, until when, in seconds of the clock, a write of ours without an answer may yet be carried
            out; until then an app is not back, whatever it runs.
        beside: apps that are not written; the last look of all is at these, too.
    """
    away = OwnChanges(ours, versions or {}, before or {}, late or {}, is_ours)
    restore = Revert(target, policy, clock, journal, look, changes, away, was_ready, beside)
    restore.run()
    return Execution(
        restore.watches,
        interrupted=restore.waiting() > 0,
        last=restore.seen,
        hanging=restore.hanging(restore.returning),
    )
