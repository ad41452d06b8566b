"""What a command has to do, parsed once: options and settings as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollback.config.settings import Settings
from rollback.core.command_lines import CommandLines
from rollback.core.image_selection import AsOf
from rollback.core.plan import Environment, OnFailure
from rollback.core.rollout_status import Limits
from rollback.execution.policy import Policy
from rollback.secret import Secret
from rollback.state.record import Record
from rollback.workflow import context


@dataclass(frozen=True)
class PlanRequest:
    """A plan for a date.

    Attributes:
        config: the settings.
        dump: folder of rollback.json and of the records.
        env: the environment.
        as_of: the date or time to which it goes back.
        max_age_s: refuse a history that is older, in seconds; 0 for no limit.
        only: services to which the plan is narrowed; empty for all.
        skip: services that are left out.
        strict: refuse where a service has no image on or before the date.
        accepted_owners: names of owners that are accepted although they put their own image back.
        commands: what the user is shown to type next.
    """

    config: Settings
    dump: Path
    env: Environment
    as_of: AsOf
    max_age_s: float = 0.0
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    strict: bool = False
    accepted_owners: frozenset[str] = frozenset()
    commands: CommandLines = field(default_factory=CommandLines)


@dataclass(frozen=True)
class RunRequest:
    """A run or an undo, or what one would be.

    Attributes:
        kind: `plan`, `run` or `undo`.
        config: the settings.
        dump: folder of rollback.json and of the records.
        policy: how it is carried out.
        slack: address of the webhook; empty to post nothing.
        by: who does it.
        reason: why; may be empty.
        incident: what it belongs to; may be empty.
        freeze_s: how long the environment stays frozen after a run, in seconds; 0 for not at all.
        steal_lock: go on although another run holds the lock.
        dry_run: show the plan and stop.
        yes: consent was given beforehand.
        commands: what the user is shown to type next.
        undoes: the record of the run that an undo undoes; None for a run.
        unanswered: for an undo, by app id, for how many seconds a write of that run may still arrive.
    """

    kind: str
    config: Settings
    dump: Path
    policy: Policy
    slack: Secret
    by: str
    reason: str = ""
    incident: str = ""
    freeze_s: float = 0.0
    steal_lock: bool = False
    dry_run: bool = False
    yes: bool = False
    commands: CommandLines = field(default_factory=CommandLines)
    undoes: Record | None = None
    unanswered: Mapping[str, float] = field(default_factory=dict)


def policy(config: Settings, *, on_failure: OnFailure | None = None, timeout_s: float | None = None) -> Policy:
    """How a run is carried out: the command line's values before those of the settings.

    Args:
        config: the settings.
        on_failure: what happens when an app does not come up; None for what the settings say.
        timeout_s: seconds that an app may take to come up; None likewise.
    """
    settings = config.run
    return Policy(
        Limits(settings.timeout_s if timeout_s is None else timeout_s, settings.settle_s),
        context.parallel(config),
        on_failure or settings.on_failure,
        settings.poll_s,
        settings.deadline_s,
    )
