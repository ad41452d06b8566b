"""The small port of the contract: what its tests do to whatever runs the services, behind the back of the target.

    billing = stage.put("billing", "1.9.0", instances=2)
    words = stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
    target.update([…])
    stage.later()

A stage is where a target leads. The one under test is pointed at it by `TargetOptions` and knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from rollback.core.timestamps import Instant

SECRET, SECRET_NAME = "s3cret", "DB_PASSWORD"  # what every app has in its configuration


class Fate(Enum):
    """What becomes of the containers of an image."""

    CRASHES = "end soon after every start, without ever being ready"
    NEVER_READY = "run, and are never ready"
    DIES = "are ready for a while after every start, then end"
    UNPULLABLE = "never start, because there is no such image"


class LostAnswer(Enum):
    """How the answer to a write is lost that is carried out."""

    RESET = "reset"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT = "504"


def image(name: str, tag: str) -> str:
    """The reference of an image."""
    return f"registry:5000/shop/{name}:{tag}"


class Stage(Protocol):
    """Runs apps, each with an image `registry:5000/shop/<name>:<tag>` and a secret in its configuration.

    Attributes:
        address: part of the target's name.
        identity: of what the target leads to.
        program: what an operator types first.
        secret_mark: the name under which a target has the fingerprint of that part which holds the secret.
        hiding_is_an_error: whether reading fails where the user may not see an app; otherwise the app is absent.
    """

    address: str
    identity: str
    program: str
    secret_mark: str
    hiding_is_an_error: bool

    def put(self, name: str, tag: str = "1.9.0", *, instances: int = 1, checked: bool = True) -> str:
        """Run another app of the environment `prod`. It need not be up before `settle`.

        Args:
            name: `billing`, `cart` or `web`; a stage may run each as another kind of app.
            tag: of its image, which does what it should.
            instances: how many.
            checked: whether its health or readiness is checked.

        Returns:
            Its id.
        """
        ...

    def put_crowded(self, name: str, tag: str = "1.9.0") -> tuple[str, str]:
        """Run another app, where there is no room for a new instance beside its own.

        Returns:
            Its id, and words by which it is said that an instance has no room.
        """
        ...

    def fail(self, image: str, fate: Fate) -> str:
        """Decide what becomes of an image's containers.

        Returns:
            Words that a target has for it.
        """
        ...

    def change(self, app_id: str, *, tag: str = "", instances: int = 0, secret: str = "", team: str = "") -> None:
        """Change an app as somebody else, by force: what is given, and nothing else."""
        ...

    def remove(self, app_id: str) -> None:
        """Remove an app as somebody else."""
        ...

    def hide(self, app_id: str) -> None:
        """Let the user no longer see an app."""
        ...

    def refuse(self, app_id: str) -> str:
        """Let the user no longer change an app.

        Returns:
            Words by which that is said.
        """
        ...

    def lose_answer(self, how: LostAnswer) -> None:
        """Lose the answer to the next write, which is carried out."""
        ...

    def delay_answer(self, seconds: float) -> None:
        """Hold up the answer to the next write, which is carried out."""
        ...

    def settle(self) -> None:
        """Let time pass until every app is up whose image allows it, and nothing old is left of it."""
        ...

    def later(self, seconds: float) -> None:
        """Let time pass: so much where the stage makes the time, else until something has happened."""
        ...

    def ids(self) -> set[str]:
        """What there is."""
        ...

    def image(self, app_id: str) -> str:
        """The reference in an app's stored configuration."""
        ...

    def configuration(self, app_id: str) -> Mapping[str, Any]:
        """An app's whole stored configuration, without what the target's side keeps in it about itself."""
        ...


class DeploymentStage(Stage, Protocol):
    """One whose writes make deployments that hold their apps."""

    def hold(self, app_id: str) -> str:
        """Deploy over an app as somebody else.

        Returns:
            The id of that deployment.
        """
        ...

    def running_deployments(self) -> list[str]:
        """Ids of the deployments that run."""
        ...


class LoginStage(Stage, Protocol):
    """One that requires a login."""

    def expire_logins(self) -> None:
        """End all logins."""
        ...

    def forget_users(self) -> None:
        """Accept no password any more."""
        ...

    def count_logins(self) -> int:
        """How often somebody has tried to log in."""
        ...


class MemoryStage(Stage, Protocol):
    """One that remembers earlier configurations."""

    def now(self) -> Instant:
        """A moment after everything that has happened, and before everything that will."""
        ...


class UnmanagedStage(Stage, Protocol):
    """One where images run that are none of a target's apps."""

    def put_unmanaged(self, image: str) -> tuple[str, str]:
        """Run an image as something that the target never changes.

        Returns:
            Its id, and why it is not changed, as the target says it.
        """
        ...


class DigestStage(Stage, Protocol):
    """One whose instances say which image they run."""

    def resolve(self, image: str, digest: str) -> None:
        """Decide what a tag resolves to, for instances that start from now on."""
        ...
