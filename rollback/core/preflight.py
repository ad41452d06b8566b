"""Facts in, refusals out: every reason to say no before the first write. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from rollback.core.apps import Deployment, OperatorCommands, Remark
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.history import History
from rollback.core.image import Basis
from rollback.core.plan import Action, Environment, Plan, Step
from rollback.core.timestamps import Instant, with_local
from rollback.errors import Reason


class ImagePresence(str, Enum):
    """What the registry says of an image."""

    SOUND = "sound"  # the tag still names the digest, and every part of the image is there
    MOVED = "moved"  # the tag names another digest now
    GONE = "gone"  # the registry answered: it is not there
    UNKNOWN = "unknown"  # the registry could not be queried


@dataclass(frozen=True)
class ImageCheck:
    """What the registry says of one image; `detail` is its own words, or the digest that the tag has now."""

    found: ImagePresence
    detail: str = ""


@dataclass(frozen=True)
class OwnDeployment:
    """Which run of this tool has begun a deployment.

    Attributes:
        run: its id.
        back: whether the deployment puts back what that run has changed.
        undo: the command that undoes the run, with the folder of its record where that is not the current one.
    """

    run: str
    back: bool
    undo: str = ""


_REACH = "check the way to the registry"


def of_history(history: History, env: Environment, tags: EnvironmentTags) -> tuple[Reason, ...]:
    """Whether a history is of this environment at all.

    Args:
        history: as it was read.
        env: the environment that is to go back.
        tags: which tags are its.
    """
    if history.tag_env and history.tag_env != env.tag:
        return (
            Reason(
                f"this history is of {history.env or history.tag_env}, not of {env.name}",
                why=f"its tags are those of {history.tag_env!r}, and {env.name} runs {env.tag!r}",
                hint=f"make one of {env.name} with `rollback get`, "
                f"or run with --env={history.env or history.tag_env}",
            ),
        )
    built = [image for image in history.images if image.basis is Basis.BUILT]  # what ran may have any tag
    strangers = [(image.repo, tag) for image in built for tag in image.tags if not tags.fits(tag)]
    if strangers:
        repo, tag = strangers[0]
        return (
            Reason(
                f"this history is not of {env.name}",
                why=f"{repo}:{tag} is not one of its tags ({tags.pattern} with {tags.environment})",
                hint=f"make one of {env.name} with `rollback get`",
            ),
        )
    return ()


def of_age(history: History, now: Instant, max_age_s: float) -> tuple[Reason, ...]:
    """Whether a history is too old: newer releases, and tags that moved, are not in it.

    Args:
        history: as it was read.
        now: the time.
        max_age_s: seconds; 0 for no limit.
    """
    if not max_age_s or history.generated is None:
        return ()
    age_s = (now.time - history.generated.time).total_seconds()
    if age_s <= max_age_s:
        return ()
    return (
        Reason(
            f"this history is {age_s / 3600:.1f} hours old",
            why=f"it was made at {with_local(str(history.generated))}, and may be {max_age_s / 3600:g} hours old at "
            "most",
            hint="make a new one with `rollback get`, or allow more with --max-age",
        ),
    )


def of_plan(
    plan: Plan,
    evidence: Mapping[str, ImageCheck],
    deployments: Iterable[Deployment],
    registry: str,
    begun: Mapping[str, OwnDeployment] | None = None,
    operator: OperatorCommands | None = None,
) -> tuple[Reason, ...]:
    """Every reason not to run a plan, those of the plan itself first.

    Args:
        plan: what is to be done.
        evidence: by the image reference that is to run, what the registry says of it.
        deployments: what runs on the target now.
        registry: the registry's URL, for the messages.
        begun: by id, deployments of earlier runs of this tool.
        operator: what an operator types on the target.
    """
    reasons = list(plan.reasons)
    for step in plan.steps:
        if step.action is Action.CHANGE:
            reasons += _of_image(
                step, evidence.get(step.after, ImageCheck(ImagePresence.UNKNOWN, "it was not queried")), registry
            )
    return (*_by_cause(reasons, registry), *of_locks(plan, deployments, begun, operator))


def _by_cause(reasons: Iterable[Reason], registry: str = "") -> Iterator[Reason]:
    """Reasons, with those of one cause as one: the registry that cannot be reached is not four faults.

    Nor is what is said of several services in the same words, such as a right that is missing.
    """
    causes: dict[tuple[str, str, str], list[Reason]] = {}
    for reason in reasons:
        of_registry = reason.service and reason.why and reason.hint.startswith(_REACH)
        about = "" if of_registry else reason.what.removeprefix(f"{reason.service}: ")
        causes.setdefault((about, reason.why, reason.hint), []).append(reason)
    for (about, why, hint), same in causes.items():
        services = ", ".join(dict.fromkeys(reason.service for reason in same if reason.service))
        if len(same) == 1 or not services:
            yield same[0]
        else:
            rest = about or f"whether their {len(same)} images are still there cannot be looked up in {registry}"
            yield Reason(f"{services}: {rest}", why, hint, services)


def of_locks(
    plan: Plan,
    deployments: Iterable[Deployment],
    begun: Mapping[str, OwnDeployment] | None = None,
    operator: OperatorCommands | None = None,
) -> tuple[Reason, ...]:
    """Every deployment that holds apps of a plan: one reason, however many it holds.

    Args:
        plan: what is to be done.
        deployments: those that run on the target now and may not be rolled back by this run.
        begun: by id, deployments of earlier runs of this tool.
        operator: what an operator types on the target.
    """
    changing = {step.app.id: step.service for step in plan.steps if step.app and step.action is Action.CHANGE}
    reasons = []
    for deployment in deployments:
        held = {app_id: service for app_id, service in changing.items() if app_id in deployment.apps}
        if not held:
            continue
        since = f", since {with_local(deployment.since)}" if deployment.since else ""
        which, verb = ", ".join(held), "are" if len(held) > 1 else "is"
        reasons.append(
            Reason(
                f"{', '.join(held.values())}: {which} {verb} locked by a deployment",
                why=f"deployment {deployment.id} runs{since}",
                hint=_freed(deployment, (begun or {}).get(deployment.id), operator),
                service=", ".join(held.values()),
            )
        )
    return tuple(reasons)


def of_remarks(plan: Plan, remarks: Iterable[Remark]) -> tuple[Reason, ...]:
    """Every remark of a target that forbids changes of a plan: one reason, however many services it is about."""
    services = _services(plan)
    reasons = (
        Reason(f"{services[one.app]}: {one.what}", one.why, one.hint, services[one.app])
        for one in remarks
        if one.blocks and one.app in services
    )
    return tuple(_by_cause(reasons))


def with_remarks(plan: Plan, remarks: Iterable[Remark]) -> Plan:
    """A plan with notes on what a target remarks on its changes and what does not stand against them."""
    notes: dict[str, list[str]] = {}
    for one in remarks:
        if not one.blocks:
            notes.setdefault(one.app, []).append(f"{one.what}: {one.why}" if one.why else one.what)
    return replace(plan, steps=tuple(_noted(step, notes) for step in plan.steps))


def _noted(step: Step, notes: Mapping[str, list[str]]) -> Step:
    """A step with its notes; those that an approved plan has already are not repeated."""
    if step.action is not Action.CHANGE or not step.app:
        return step
    new = [note for note in notes.get(step.app.id, ()) if note not in step.notes]
    return replace(step, notes=(*step.notes, *new))


def _services(plan: Plan) -> dict[str, str]:
    """By app id, the services that a plan changes."""
    return {step.app.id: step.service for step in plan.steps if step.app and step.action is Action.CHANGE}


def _of_image(step: Step, evidence: ImageCheck, registry: str) -> tuple[Reason, ...]:
    image = step.image
    if image is None or evidence.found is ImagePresence.SOUND:
        return ()
    name = f"{image.repo}:{image.tag}"
    if evidence.found is ImagePresence.GONE:
        return (
            Reason(
                f"{step.service}: the image {name} is no longer in {registry}",
                why=evidence.detail,
                hint="choose another date, or push the image again and run `rollback get`",
                service=step.service,
            ),
        )
    if evidence.found is ImagePresence.MOVED:
        return (
            Reason(
                f"{step.service}: the tag {name} names another image than when the history was made",
                why=f"then {image.digest}, now {evidence.detail}",
                hint="set run.pin: true, which writes the digest, or run `rollback get` again",
                service=step.service,
            ),
        )
    return (
        Reason(
            f"{step.service}: whether {name} is still there cannot be looked up in {registry}",
            why=evidence.detail,
            hint=f"{_REACH} and run again; this does not mean that the image is gone",
            service=step.service,
        ),
    )


def _freed(deployment: Deployment, begun: OwnDeployment | None, operator: OperatorCommands | None) -> str:
    """How the apps that a deployment holds become free."""
    if begun is None:
        command = operator.roll_back(deployment.id) if operator else ""
        way = f"roll it back on the target first{_typed(command)}"
    elif begun.back:
        # It brings what was there before; rolling it back would bring the run's images once more.
        command = operator.end(deployment.id) if operator else ""
        way = f"it puts back what {begun.run} changed, and can be ended without changing anything{_typed(command)}"
    else:
        way = f"it is of the run {begun.run}: {begun.undo}"
    return f"wait until it ends; if it hangs, {way}"


def _typed(command: str) -> str:
    return f" ({command})" if command else ""
