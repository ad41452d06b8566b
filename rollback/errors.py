"""Everything that can go wrong, as one hierarchy: what happened, why, and the next step.

There is one class per exit code and, below it, one per outside party. Adapters turn foreign exceptions
into these; only `cli` prints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class RollbackError(Exception):
    """A mistake or failure that the user can act on.

    Args:
        what: one sentence, what happened.
        why: the cause, in the words of the server or program where there are any.
        hint: one next step.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint


class Failed(RollbackError):
    """It failed and nothing was changed (exit code 1)."""


class BadInput(RollbackError):
    """Wrong usage or bad input (exit code 2)."""

    exit_code = 2


@dataclass(frozen=True)
class Reason:
    """One reason to refuse: what is wrong, why, and the next step; `service` is empty if it is the fleet's."""

    what: str
    why: str = ""
    hint: str = ""
    service: str = ""


class Refused(RollbackError):
    """Refused before the first write (exit code 3).

    Args:
        reasons: every reason there is; the first one becomes this error's own text.
    """

    exit_code = 3

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        first = self.reasons[0]
        super().__init__(first.what, why=first.why, hint=first.hint)


class Declined(Refused):
    """The user answered no: nothing is wrong, and nothing was changed."""

    def __init__(self) -> None:
        super().__init__([Reason("Not started; nothing was changed.")])


class Partly(RollbackError):
    """The fleet is in a state it should not be in, and manual intervention is needed (exit code 4)."""

    exit_code = 4


class Interrupted(RollbackError):
    """A signal came while something was being written: whether it was is not known (exit code 130)."""

    exit_code = 130


class RegistryError(Failed):
    """The registry cannot be queried, or its answer cannot be used."""


class NotInRegistry(RegistryError):
    """The registry answered: this repository, tag, manifest or blob is not there."""


class TargetError(Failed):
    """The target cannot be queried, or it refused a request."""


class LoginRefused(TargetError):
    """The target knows neither this user nor this password, or the token has run out."""


class AppLocked(TargetError):
    """A deployment holds the app, so the target took nothing of this write."""


class NoAnswer(TargetError):
    """A write was sent and no answer came: it counts as done until the target says otherwise."""


class ProgramMissing(Failed):
    """Another program is needed and cannot be started: it is not there, or is not a program."""


class ProgramStopped(Failed):
    """Another program was stopped: its time was up, or it printed too much. What it did until then stays done."""


class RecordError(Failed):
    """The record of a run cannot be written or read."""


class Undecided(RollbackError):
    """`check` cannot tell (exit code 2): a caller must never read that as a yes."""

    exit_code = 2

    def __init__(self, cause: RollbackError) -> None:
        super().__init__(f"cannot tell: {cause.what}", why=cause.why, hint=cause.hint)
