"""Which pod templates a workload had, and when, from its ReplicaSets or ControllerRevisions. Pure.

Both are numbered in the order in which the workload had them, and one that returns gets a new number (seen on 1.37):

- A ReplicaSet keeps its first creation time then, and lists the numbers that it had before in an annotation, without
  times. The time of its controller in `managedFields` is when it was last scaled; for an old one that is when it was
  scaled to 0, so when its successor was complete.
- A ControllerRevision loses its former number. The time of its controller in `managedFields` is when it got the
  present one.

So what was in force once has a beginning and an end. A template is doubtful

- if one follows that has returned, or a number is missing in between: something else may have been in force then;
- if the next one came before its predecessor was scaled to 0: it never was complete;
- if it is the present one, and pods of older ones are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from rollback.core.apps import Container
from rollback.core.deployed import ConfiguredImages
from rollback.core.timestamps import Instant
from rollback.targets.kubernetes import pods, workloads
from rollback.targets.kubernetes.rollout import REVISION

_EARLIER_REVISIONS = "deployment.kubernetes.io/revision-history"
_DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
_CONTROLLER = "kube-controller-manager"
_PATCH_DIRECTIVE = "$patch"  # in the template of a ControllerRevision, which is a strategic merge patch
_SAME_MOMENT = timedelta(seconds=1)  # times have no fractions


@dataclass(frozen=True)
class Revision:
    """A pod template that a workload had for some time.

    Attributes:
        template: the pod template; it may hold secrets.
        configured: its images, and when it was in force.
        replicas: how many the Deployment had when another template followed; None if that is not known.
    """

    template: Mapping[str, Any]
    configured: ConfiguredImages
    replicas: int | None = None


@dataclass(frozen=True)
class _Stored:
    """A pod template as the cluster keeps it.

    Attributes:
        template: the pod template.
        created: when it was in force for the first time.
        numbers: those that it is known to have had, ascending.
        renumbered: when it got the newest one, where that is not `created` and is known.
        lost_first: whether the number is not known that it had first.
        ended: when it was last scaled to 0, because its successor was complete; None if that is not known.
        alive: whether it should have pods.
        replicas: see `Revision`.
    """

    template: Mapping[str, Any]
    created: Instant
    numbers: tuple[int, ...]
    renumbered: Instant | None = None
    lost_first: bool = False
    ended: Instant | None = None
    alive: bool = False
    replicas: int | None = None


@dataclass(frozen=True)
class _Use:
    """A time from which a pod template was in force; `number` is None where it is not known."""

    stored: _Stored
    since: Instant
    number: int | None


def of_deployment(app_id: str, uid: str, replica_sets: Iterable[Mapping[str, Any]], now: Instant) -> list[Revision]:
    """The pod templates that a Deployment had, oldest first.

    Args:
        app_id: its id.
        uid: its uid.
        replica_sets: those of its namespace, with `managedFields`.
        now: when they were read.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: not ReplicaSets.
    """
    stored = [found for one in replica_sets if pods.owner(one) == uid and (found := _replica_set(one))]
    last_numbers = {one.numbers[-1]: one for one in stored}
    newest = max(last_numbers, default=0)
    uses = []
    for one in stored:
        uses.append(_Use(one, one.created, one.numbers[0]))
        for number in one.numbers[1:]:
            before = last_numbers.get(number - 1)
            since = before.ended if before else None
            if since is None and number == newest:
                since = now  # no more is known than that it is in force
            if since is not None:
                uses.append(_Use(one, since, number))
    return _in_order(app_id, uses)


def of_stateful(app_id: str, uid: str, revisions: Iterable[Mapping[str, Any]]) -> list[Revision]:
    """The pod templates that a StatefulSet or a DaemonSet had, oldest first.

    Args:
        app_id: its id.
        uid: its uid.
        revisions: the ControllerRevisions of its namespace, with `managedFields`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: not ControllerRevisions.
    """
    own = sorted((one for one in revisions if pods.owner(one) == uid), key=lambda one: int(one["revision"]))
    stored: list[_Stored] = []
    for entry in own:
        stored.append(_controller_revision(entry, stored))
    uses = [_Use(one, one.renumbered or one.created, one.numbers[-1]) for one in stored]
    returned = sorted((one for one in stored if one.lost_first), key=lambda one: one.created)
    known = {number for one in stored for number in one.numbers}
    free = sorted(set(range(1, max(known, default=0))) - known)
    # Each of them had a number that is gone, in the order of their creation: where as many are gone, it is these.
    first: Sequence[int | None] = free if len(free) == len(returned) else [None] * len(returned)
    uses += [_Use(one, one.created, number) for one, number in zip(returned, first, strict=True)]
    return _in_order(app_id, uses)


def _replica_set(entry: Mapping[str, Any]) -> _Stored | None:
    """A ReplicaSet; None for one that its Deployment has not numbered yet."""
    meta = entry["metadata"]
    annotations = meta.get("annotations") or {}
    if REVISION not in annotations:
        return None
    earlier = [int(one) for one in str(annotations.get(_EARLIER_REVISIONS) or "").split(",") if one]
    alive = bool(entry["spec"].get("replicas", 1))
    desired = annotations.get(_DESIRED_REPLICAS)
    # One that was scaled to 0 together with its Deployment says nothing about its successor.
    replaced = not alive and desired != "0"
    return _Stored(
        template=workloads.template(entry),
        created=Instant.parse(str(meta["creationTimestamp"])),
        numbers=tuple(sorted({*earlier, int(annotations[REVISION])})),
        ended=_changed_by_controller(meta) if replaced else None,
        alive=alive,
        replicas=int(desired) if replaced and desired else None,
    )


def _controller_revision(entry: Mapping[str, Any], lower: Sequence[_Stored]) -> _Stored:
    """A ControllerRevision.

    Args:
        entry: as the API gives it.
        lower: those with a lower number; where one of them was created later, this one has returned.
    """
    meta, found = entry["metadata"], entry["data"]["spec"]["template"]
    created, changed = Instant.parse(str(meta["creationTimestamp"])), _changed_by_controller(meta)
    changed_later = changed is not None and changed.time - created.time > _SAME_MOMENT
    number = int(entry["revision"])
    other_number_before = number - 1 > len(lower)  # without a number that is gone it cannot have had another one
    returned = (changed_later and other_number_before) or any(one.created > created for one in lower)
    return _Stored(
        template={key: value for key, value in found.items() if key != _PATCH_DIRECTIVE},
        created=created,
        numbers=(number,),
        renumbered=(changed or created) if returned else None,
        lost_first=returned,
    )


def _changed_by_controller(meta: Mapping[str, Any]) -> Instant | None:
    """When the controller has last changed an object, its status aside; None if that is not known."""
    times = [
        Instant.parse(str(one["time"]))
        for one in meta.get("managedFields") or ()
        if one.get("manager") == _CONTROLLER and not one.get("subresource") and one.get("time")
    ]
    return max(times, default=None)


def _in_order(app_id: str, uses: Iterable[_Use]) -> list[Revision]:
    """The uses of pod templates in their order, each with its end and whether it is doubtful."""
    ordered = _consistent(uses)
    found = []
    for place, use in enumerate(ordered):
        before = ordered[place - 1] if place else None
        after = ordered[place + 1] if place + 1 < len(ordered) else None
        configured = ConfiguredImages(
            app_id,
            tuple(
                Container(str(one["name"]), str(one["image"])) for _, one in workloads.containers(use.stored.template)
            ),
            use.since,
            after.since if after else None,
            before.since if before else None,
            doubtful=not _is_followed_by(use, after) or _never_complete(use, before, after),
        )
        replicas = use.stored.replicas if use.number == use.stored.numbers[-1] else None
        found.append(Revision(use.stored.template, configured, replicas))
    return found


def _consistent(uses: Iterable[_Use]) -> list[_Use]:
    """Uses by time, without those that the times of higher numbers contradict, so that the newest is the last.

    A template that returned and was replaced before it was complete seems to begin too late, and so does everything
    that was restored from a backup.
    """
    kept: list[_Use] = []
    for use in sorted(uses, key=lambda use: (use.number or 0, use.since), reverse=True):
        if all(use.since <= one.since for one in (kept if use.number else kept[:1])):
            kept.append(use)
    return sorted(kept, key=lambda use: (use.since, use.number or 0))


def _is_followed_by(use: _Use, after: _Use | None) -> bool:
    """Whether nothing else can have been in force between two uses, and the time of the second one is exact.

    What was followed by a template that returned may have failed, and have been taken back for that reason.
    """
    if after is None:
        return True
    if use.number is None or after.number != use.number + 1:
        return False
    return after.since == after.stored.created


def _never_complete(use: _Use, before: _Use | None, after: _Use | None) -> bool:
    """Whether pods of the template before it were still wanted when the next one came, or are now."""
    if before is None or before.stored is use.stored or before.number != before.stored.numbers[-1]:
        return False
    if before.stored.alive:
        return True
    ended = before.stored.ended
    return ended is not None and after is not None and ended > after.since


def with_doubt(revisions: Sequence[Revision]) -> list[Revision]:
    """The same, but that the present template is not known to run: pods of older ones are left."""
    *former, present = revisions
    return [*former, replace(present, configured=replace(present.configured, doubtful=True))]
