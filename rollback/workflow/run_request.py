"""What a run or an undo is to perform."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.config.settings import Settings
from rollback.core.plan import Plan
from rollback.secret import Secret
from rollback.state.record import Record
from rollback.workflow.context import Given


@dataclass(frozen=True)
class RunRequest:
    """What is to be performed.

    Attributes:
        kind: `run` or `undo`.
        plan: what is to be done.
        options: what was given.
        config: the settings.
        slack: the webhook.
        undoes: the record of the run that an undo undoes; None for a run.
    """

    kind: str
    plan: Plan
    options: Given
    config: Settings
    slack: Secret
    undoes: Record | None = None
