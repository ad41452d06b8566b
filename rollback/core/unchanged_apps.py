"""Apps that run a selected repository and are not changed: what a plan says of them, and why it may refuse. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rollback.core import matching
from rollback.core.matching import service_of
from rollback.errors import Reason


@dataclass(frozen=True)
class Other:
    """An app that runs a selected repository and is not changed.

    Attributes:
        app: its id.
        repo: the repository.
        image: the image reference that it runs.
        reason: why it is not changed, in a few words.
        differs: whether it runs another image than the selected one.
    """

    app: str
    repo: str
    image: str
    reason: str
    differs: bool

    @property
    def matters(self) -> bool:
        """Whether the first line has to say so: it runs another image, and is of this environment.

        An app whose id does not fit is mostly one of another environment that nobody has configured.
        """
        return self.differs and self.reason != matching.DOES_NOT_FIT

    def __str__(self) -> str:
        """The app, why it is not changed and what it runs."""
        return f"{self.app} ({self.reason}) runs {self.image or self.repo}"


def reason(other: Other) -> Reason:
    """The reason against a plan that leaves an app out, where every app of a repository has to go back."""
    service = service_of(other.repo)
    can_be_named = other.reason in {matching.NOT_IN_APPS, matching.DOES_NOT_FIT}
    remedy = (
        f"name it in the settings: apps: {{{service}: [{other.app}, …]}}" if can_be_named else "change it by hand"
    )
    return Reason(
        f"{service}: {other.app} runs {other.repo} and would not be changed",
        why=f"{other.reason}; --strict requires every app of a repository",
        hint=f"{remedy}, or leave out --strict",
        service=service,
    )


def reason_not_looked_at(words: str) -> Reason:
    """The reason against a plan where something could not be looked at: `what: why`."""
    what, _, why = words.partition(": ")
    return Reason(
        f"{what} were not looked at",
        why=f"{why}; --strict requires to know everything that runs a repository",
        hint="grant the right, or leave out --strict",
    )
