"""The port: what `rollback` needs of whatever runs the services.

A target is a module of this folder with a function `connect(options) -> Target` and a constant `KIND`; it is found by
its file name. It knows how to read and write, what its apps' ids look like, and what an operator types to look and
to help; time, order and policy are `execution`'s. What it may also have is in `capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from rollback.core.apps import App, Change, Deployment, OperatorCommands, Status
from rollback.secret import Secret

# The next step where an answer is not as the target's documents say: nothing that the user can correct.
UNREADABLE = "run it again; if it stays so, run it with --debug and report what it prints"


@dataclass(frozen=True)
class TargetOptions:
    """What a target is connected with.

    Attributes:
        name: its name in the settings, e.g. `dcos`.
        settings: its own section of the settings, already read (`kind`, `url`, …).
        user: login name; empty to use what the target's own configuration holds.
        password: its password; empty likewise.
        timeout_s: seconds that one request or one program call may take.
        folder: the folder of the settings file, to which relative paths in `settings` refer.
        environments: deployment names of the configured environments.
        env: deployment name of the environment that it is used for; empty where that is not known yet.
        distrust: why the settings file is not trusted to name programs; empty if it is.
    """

    name: str
    settings: Mapping[str, Any]
    user: str = ""
    password: Secret = field(default_factory=Secret)
    timeout_s: float = 60.0
    folder: Path = Path()
    environments: frozenset[str] = frozenset()
    env: str = ""
    distrust: str = ""


Mistakes = Iterable[tuple[str, str]]  # keys of a target's section, each with a sentence about it


@dataclass(frozen=True)
class TargetKind:
    """What is known of a kind of target before one is connected.

    Attributes:
        settings: the keys of its own section with their types: `str`, `bool`, `int`, `float`, `list` (of texts),
            `tuple` (a text or a list of texts).
        app_id: default pattern of an app's id, with `{service}`, `{env}` and other `{name}` for part of a segment.
        example: an app's id, for hints.
        variables: by key of its section, the environment variable that sets it.
        has_login: whether it takes a user and a password.
        check: finds what types cannot say: is given the app id pattern in use and the section.
        parallel: how many apps are deployed at a time where the settings do not say.
        shared_state: whether locks and freezes are kept on the target where the settings do not say.
        programs: the keys of its section that name a program or a file which names programs, each with whether a
            bare name is looked for on PATH. Nobody else may be able to write to the settings, then, or to that file.
        questions: by key of its section that has no default, what `init` asks for it.
        owners: names of owners that its apps may have, as far as they are known beforehand; see `Owner`.
    """

    settings: Mapping[str, type]
    app_id: str
    example: str
    variables: Mapping[str, str] = field(default_factory=dict)
    has_login: bool = True
    check: Callable[[str, Mapping[str, Any]], Mistakes] = lambda _pattern, _section: ()
    parallel: int = 4
    shared_state: bool = False
    programs: Mapping[str, bool] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)
    owners: Sequence[str] = ()


class Level(str, Enum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that `doctor` looked at on a target.

    Attributes:
        about: what, in one word: `target`, or a program's name.
        level: how it went.
        found: what was found.
        next_step: what to do about it; empty if nothing.
        clock_ahead_s: seconds that the other side's clock is ahead of ours; None if it was not read.
    """

    about: str
    level: Level
    found: str
    next_step: str = ""
    clock_ahead_s: float | None = None


class Target(Protocol):
    """Something that runs services. Every method may be called from several threads."""

    @property
    def name(self) -> str:
        """What users see as its name, with its address and without secrets: `marathon at https://…`."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every name with an address that these settings give it, as far as known without a login; may be empty.

        What `name` is by then, too, where the login finds a longer address. A name that may mean another target
        tomorrow, because the address in it is not known, is not among them.
        """
        ...

    @property
    def batch(self) -> int:
        """How many changes one write carries at most; 0: all of them, in one deployment."""
        ...

    @property
    def has_deployments(self) -> bool:
        """Whether a write makes a deployment that holds its apps until it ends."""
        ...

    @property
    def operator(self) -> OperatorCommands:
        """What an operator types to look and to help."""
        ...

    def identity(self) -> str:
        """What stays the same whatever address the target is called by: one cluster, one identity.

        Needs a login. Locks, freezes and records are kept under it.

        Raises:
            TargetError: the target cannot be queried, or has none.
        """
        ...

    def diagnose(self) -> Iterator[Check]:
        """What `doctor` looks at before the login: programs, addresses, certificates. Changes nothing."""
        ...

    def login(self) -> None:
        """Make sure that requests will be accepted; needed once, before anything else.

        Raises:
            LoginRefused: the user, the password or the token is not accepted.
            TargetError: the target cannot be queried.
        """
        ...

    def apps(self, env: str) -> tuple[App, ...]:
        """Everything of an environment that the user may see, complete enough to be put back later.

        Args:
            env: deployment name of the environment. Apps of others may be among them, for whoever compares ids.

        Raises:
            TargetError: the target cannot be queried; LoginRefused: not with this login.
        """
        ...

    def deployments(self) -> tuple[Deployment, ...]:
        """The deployments that run now.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...

    def update(self, changes: Sequence[Change]) -> Deployment:
        """Write the image of every change (at most `batch`) and return as soon as the target has accepted it.

        All or nothing; never overrides a lock. Only the image differs from the captured definition's
        container; what the target would lose if it were left out goes along unchanged.

        Raises:
            AppLocked: a deployment holds one of the apps; nothing was accepted.
            NoAnswer: sent, and no answer came; it may have been accepted.
            TargetError: refused or not reached; nothing was accepted.
        """
        ...

    def status(self, ids: Collection[str]) -> dict[str, Status]:
        """One look at the named apps, in as few requests as possible; an app that is gone is absent.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...

    def cancel(self, deployment: Deployment) -> Deployment | None:
        """Roll a running deployment back to what its apps were before it.

        Returns:
            The deployment that brings them back; None if the one named no longer runs.

        Raises:
            NoAnswer: sent, and no answer came.
            TargetError: the target cannot be queried.
        """
        ...

    def stop(self, deployment: Deployment) -> None:
        """End a deployment without rolling it back: its apps keep their definitions and are free. Harmless if over.

        Raises:
            NoAnswer: sent, and no answer came.
            TargetError: the target cannot be queried.
        """
        ...

    def close(self) -> None:
        """Give back connections and remove temporary files; harmless when called twice."""
        ...
