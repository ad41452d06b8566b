"""What a target may also have: small protocols beside the port, each of which a target has wholly or not at all.

Whoever uses one asks for it with `hasattr` and does without where it is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rollback.core.apps import App, Change, Remark
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant


class Markers(Protocol):
    """What a target also has if facts can be kept on it: things that run nothing and have labels."""

    def marker_ids(self, name: str, env: str) -> tuple[str, ...]:
        """The ids of an environment's markers; the same for every run, whichever apps it is about.

        There are several where an environment has several places that it may share with others, such as namespaces:
        each of them counts, and they may differ.

        Args:
            name: what it is for: `rollback-lock` or `rollback-freeze`.
            env: deployment name of the environment.

        Returns:
            At least one, in the same order for every run.

        Raises:
            TargetError: there is no place for it on the target, or the target cannot be queried.
        """
        ...

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """Create a marker, atomically.

        Returns:
            False if there is one of this name already; it is as it was.

        Raises:
            TargetError: the target cannot be queried, or does not allow it.
        """
        ...

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """The labels of a marker; None if there is none.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a marker.

        Raises:
            TargetError: the target cannot be queried, or does not allow it.
        """
        ...

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        """Remove a marker; harmless if there is none.

        Args:
            marker: its id.
            only_if: labels that it must have to be removed; empty for whatever it is.

        Returns:
            False if there is none, or it has other labels.

        Raises:
            TargetError: the target cannot be queried, or does not allow it.
        """
        ...


@dataclass(frozen=True)
class Unmanaged:
    """What runs images on a target and can never be changed through it.

    Attributes:
        apps: each with `App.unmanaged`, and with its images as containers.
        not_looked_at: what could not be looked at, each as `what: why`.
    """

    apps: tuple[App, ...] = ()
    not_looked_at: tuple[str, ...] = ()


class UnmanagedApps(Protocol):
    """What a target also has if something can run images on it that is none of its apps."""

    def unmanaged(self) -> Unmanaged:
        """Everything that runs an image and is none of the apps that were last read.

        Raises:
            LoginRefused: the credentials are not accepted.
            TargetError: the target cannot be queried.
        """
        ...


class ChangeChecks(Protocol):
    """What a target also has if it can say what forbids changes before they are written."""

    def check_changes(self, changes: Sequence[Change]) -> tuple[Remark, ...]:
        """Look at every change without writing anything: rights, rules of the target, states in which none arrives.

        Raises:
            LoginRefused: the credentials are not accepted.
            TargetError: the target cannot be queried.
        """
        ...


class RunningDigests(Protocol):
    """What a target also has if its instances report which images they run."""

    def running_digests(self, apps: Sequence[App]) -> Mapping[str, str]:
        """The digest that all instances of an app with its image report; absent where they differ or do not say it.

        Args:
            apps: apps that `apps` has shown, reduced to the containers in question.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...


class InstanceTimes(Protocol):
    """What a target also has if it knows when instances were started."""

    def oldest_starts(self, ids: Collection[str]) -> Mapping[str, Instant]:
        """When the oldest running instance of each app was started; an app without one is absent.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...


class Remembering(Protocol):
    """What a target also has if it keeps earlier definitions."""

    def drift(self, app_id: str, until: Instant) -> tuple[str, ...]:
        """What has changed in an app's configuration since a time, its image aside; a few words each, no secrets.

        Empty, too, if its memory does not reach back so far.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...


class ImageMemory(Protocol):
    """What a target also has if it remembers with which images apps were configured."""

    def image_history(self, ids: Sequence[str], most: int) -> Mapping[str, tuple[ConfiguredImages, ...]]:
        """With what apps were configured, each back to where `most` images are known; many apps at a time.

        Args:
            ids: of apps that `apps` has shown.
            most: how many images count for each app, the newest first.

        Returns:
            By app id, its configurations, oldest first, without a gap.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...

    def image_at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        """With what an app was configured at a moment; None if the target's memory does not reach back so far.

        Args:
            app_id: of an app that `apps` has shown.
            moment: the moment.

        Raises:
            TargetError: the target cannot be queried.
        """
        ...
