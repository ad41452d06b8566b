"""How a run goes about it: its limits, and what it needs from outside: time, and a journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from rollback.core.apps import Change, Deployment
from rollback.core.plan import OnFailure
from rollback.core.rollout_status import Limits, RolloutStatus

Result = TypeVar("Result")


class Clock(Protocol):
    """Time, and the wish to stop."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until somebody wants it to stop."""
        ...

    def stopping(self) -> bool:
        """Whether the user or the system wants it to stop."""
        ...

    def call(self, function: Callable[[], Result], within_s: float) -> Result:
        """Call something that may take long, such as a request.

        Args:
            function: it.
            within_s: seconds that it may take.

        Raises:
            TimeoutError: its time was up, or somebody wants to stop; what it does may still be done.
        """
        ...


class RunJournal(Protocol):
    """Where a run is recorded as it happens; durable before each write."""

    def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
        """About to be sent. Raises RecordError if that cannot be recorded."""
        ...

    def cancelling(self, deployment: Deployment) -> None:
        """About to be rolled back on the target. Raises RecordError if that cannot be recorded."""
        ...

    def stopping(self, deployment: Deployment) -> None:
        """About to be ended without a rollback. Raises RecordError if that cannot be recorded."""
        ...

    def written(self, changes: Sequence[Change], deployment: Deployment | None, problem: str, *, taken: bool) -> None:
        """What came back: a deployment, or why there is none; `taken` is also true where it is unknown."""
        ...

    def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
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
        deadline_s: seconds after which the way forward ends, and `on_failure` decides; a way back has as long.
    """

    limits: Limits = field(default_factory=Limits)
    parallel: int = 4
    on_failure: OnFailure = OnFailure.RESTORE
    poll_s: float = 2.0
    deadline_s: float = 3600.0
