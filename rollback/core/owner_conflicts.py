"""What else deploys the apps of a plan: reasons to refuse, and notes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rollback.core.apps import Owner
from rollback.core.plan import Action, Plan, Step
from rollback.errors import Reason

_MOST_NAMED = 6


@dataclass(frozen=True)
class _Owned:
    """An owner with the steps of a plan that change its apps."""

    owner: Owner
    steps: Sequence[Step]

    @property
    def services(self) -> str:
        names = [step.service for step in self.steps]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return f"{', '.join(names[:_MOST_NAMED])}{more}"


def reasons(plan: Plan, accepted: Collection[str]) -> tuple[Reason, ...]:
    """A reason for each owner that puts its own image back by itself, unless the operator accepts it.

    Args:
        plan: what is to be done.
        accepted: names of owners that are accepted.
    """
    return tuple(
        Reason(
            f"{owned.services}: {owned.owner.instance} {owned.owner.effect}",
            why="what this run changes would not last",
            hint=_remedy(owned),
            service=owned.steps[0].service if len(owned.steps) == 1 else "",
        )
        for owned in _owned(plan)
        if owned.owner.reverts and owned.owner.name not in accepted
    )


def with_notes(plan: Plan, accepted: Collection[str]) -> Plan:
    """The plan with a note for each owner of an app that it changes and that is no reason to refuse.

    Args:
        plan: what is to be done.
        accepted: names of owners that are accepted although they put their own image back.
    """
    return replace(plan, steps=tuple(_with_notes(step, accepted) for step in plan.steps))


def _with_notes(step: Step, accepted: Collection[str]) -> Step:
    if step.action is not Action.CHANGE or not step.app:
        return step
    notes = []
    for owner in step.app.owners:
        if not owner.reverts:
            notes.append(f"{owner.instance} {owner.effect}")
        elif owner.name in accepted:
            notes.append(f"{owner.instance} {owner.effect}, unless it is suspended (accepted: {owner.name})")
    return replace(step, notes=(*step.notes, *(note for note in notes if note not in step.notes)))


def _owned(plan: Plan) -> list[_Owned]:
    """The owners of the apps that a plan changes, each once."""
    found: dict[tuple[str, str], list[tuple[Owner, Step]]] = {}
    for step in plan.steps:
        if step.action is Action.CHANGE and step.app:
            for owner in step.app.owners:
                found.setdefault((owner.name, owner.instance), []).append((owner, step))
    return [_Owned(pairs[0][0], [step for _, step in pairs]) for pairs in found.values()]


def _remedy(owned: _Owned) -> str:
    apps = [owner for step in owned.steps if step.app for owner in step.app.owners if _is_same(owner, owned.owner)]
    commands = " && ".join(dict.fromkeys(owner.suspend for owner in apps if owner.suspend))
    accept = f"--accept-owner={owned.owner.name}"
    if not commands:
        return f"change the image where it comes from, or go on all the same with {accept}"
    return f"suspend it first: {commands}; then repeat this with {accept}"


def _is_same(one: Owner, other: Owner) -> bool:
    return (one.name, one.instance) == (other.name, other.instance)
