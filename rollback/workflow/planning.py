"""From a rollback.json to a plan and every reason against it; `plan` and `run` share it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from rollback.config.settings import Settings
from rollback.core import history_file, image_selection, owner_conflicts, plan_verification, preflight
from rollback.core import plan as plans
from rollback.core.apps import Remark
from rollback.core.command_lines import CommandLines
from rollback.core.direction import with_directions
from rollback.core.history import History
from rollback.core.image import Image
from rollback.core.image_reference import Reference
from rollback.core.image_selection import Selection
from rollback.core.plan import Action, Plan, Step
from rollback.core.plan_file import Approved, held_against
from rollback.core.preflight import ImageCheck, ImagePresence, OwnDeployment
from rollback.core.timestamps import Instant
from rollback.errors import LoginRefused, NotInRegistry, Reason, Refused, RegistryError
from rollback.registry.client import Registry
from rollback.state import record, undo_plan
from rollback.state.record import Record
from rollback.state.undo_plan import UndoRules
from rollback.system.bounded_call import each
from rollback.targets.base import Target
from rollback.targets.capabilities import ChangeChecks, Unmanaged, UnmanagedApps
from rollback.workflow import context, known_environments, running_images
from rollback.workflow.built_vs_deployed import MemoryComparison
from rollback.workflow.context import Access
from rollback.workflow.run_request import PlanRequest

log = logging.getLogger(__name__)

_NEW_PLAN = "make a new plan with `rollback plan --out`, and have it approved"
_AT_A_TIME = 8  # questions to the registry


@dataclass(frozen=True)
class PreparedPlan:
    """A plan, every reason not to run it, and the registry that was queried."""

    plan: Plan
    reasons: tuple[Reason, ...]
    registry: str = ""


def read_history(request: PlanRequest, now: datetime, access: Access) -> History:
    """Read the history that a plan is made from.

    Args:
        request: the plan.
        now: the time.
        access: the login on the target, whose apps are read if nothing else uses the environment.

    Raises:
        BadInput: it cannot be read, or nothing uses this environment.
        Refused: it is of another environment, or too old.
    """
    history = context.read_history(request.dump)
    known_environments.require_for_history(history, request.env, request.config, request.dump, access)
    reasons = (
        *preflight.of_history(history, request.env, request.config.tags(request.env)),
        *preflight.of_age(history, Instant(now), request.max_age_s),
    )
    if reasons:
        raise Refused(reasons)
    return history


def prepare(request: PlanRequest, history: History, target: Target) -> PreparedPlan:
    """Make the plan for a date, and find every reason against it.

    Raises:
        Refused: the date is not one of the history's, or the login is not accepted.
        BadInput: `only` or `skip` names an unknown service.
        TargetError: the target cannot be queried.
    """
    chosen = image_selection.select(history, request.as_of)
    with _registry(request.config, history.registry) as registry:
        log_in(target)
        apps = target.apps(request.env.name)
        beside = _unmanaged(target)
        apps += beside.apps
        chosen, unknown = _with_digests(chosen, registry)
        rules = context.rules(
            request.config, registry.url, only=request.only, skip=request.skip, strict=request.strict
        )
        made = plans.build(chosen, apps, request.env, target.name, rules, beside.not_looked_at)
        exact = running_images.with_evidence(made, history, request.config, registry, target)
        if exact:
            apps = tuple(exact.get(app.id, app) for app in apps)
            made = plans.build(chosen, apps, request.env, target.name, rules, beside.not_looked_at)
        made = with_directions(made, history)
        comparison = MemoryComparison(made, target, request.config.run.timeout_s)
        prepared = _checked(
            made,
            target,
            registry,
            unknown,
            request.accepted_owners,
            lambda: record.begun(request.dump, request.commands),
        )
        return replace(prepared, plan=replace(prepared.plan, warnings=comparison.noted()))


def prepare_approved(
    approved: Approved,
    config: Settings,
    dump: Path,
    accepted_owners: Collection[str],
    target: Target,
    commands: CommandLines,
) -> PreparedPlan:
    """Compare an approved plan with what runs now and with what it can follow from; find every reason against it.

    Where the dump folder has a history, the plan has to follow from it; else its images have to be in the configured
    registry, and its apps have to be the environment's by the settings.

    Args:
        approved: the plan, as it was read from its file.
        config: the settings.
        dump: folder of the records, and perhaps of a history.
        accepted_owners: owners that are accepted although they put their own image back.
        target: where.
        commands: what the user is shown to type next.

    Raises:
        BadInput: no registry is configured, or the history cannot be read.
        Refused: the login is not accepted, or the history does not offer the plan's date.
        TargetError: the target cannot be queried.
    """
    plan = approved.plan
    env = config.environment(plan.env.name)
    if env != plan.env:
        why = f"in the plan its tags are {plan.env.tag!r:.60}, in the settings {env.tag!r:.60}"
        raise Refused([Reason(f"this plan is of another environment {env.name!r:.60}", why, _NEW_PLAN)])
    history = context.read_history(dump) if (dump / history_file.FILE).exists() else None
    if history:
        foreign = preflight.of_history(history, env, config.tags(env))
        if foreign:
            raise Refused(foreign)
    with _registry(config, history.registry if history else "") as registry:
        log_in(target)
        rules = context.rules(config, registry.url)
        apps = target.apps(env.name)
        beside = _unmanaged(target)
        apps += beside.apps
        found = plan_verification.found_apps(plan, apps, rules)
        matched = plan_verification.matched_apps(plan, found)
        current = [matched.get(app.id, app) for app in apps]
        made = held_against(approved, current, target.name, target.identity() if approved.identity else "")
        exact = running_images.with_evidence(made, history or History((), (), ()), config, registry, target)
        steps = tuple(
            replace(step, app=exact.get(step.app.id, step.app)) if step.app else step for step in made.steps
        )
        others = plan_verification.left_out(plan, found)
        made = replace(made, steps=steps, others=others, not_looked_at=beside.not_looked_at)
        made = with_directions(made, history) if history else made
        comparison = MemoryComparison(made, target, config.run.timeout_s)
        reasons = plan_verification.of_rules(made, matched, None if history else config.tags(env), rules)
        reasons += (*plan_verification.of_moment(plan), *(() if history else plan_verification.of_fleet(plan, found)))
        if registry.url != approved.registry:
            why = f"it was {approved.registry:.200}, and this is {registry.url}"
            reasons = (Reason("this plan was checked against another registry", why, _NEW_PLAN), *reasons)
        if history and not made.reasons:
            chosen, _ = _with_digests(
                image_selection.select(history, context.as_of(plan.as_of, config, dump)), registry
            )
            shown = tuple(exact.get(app.id, app) for app in apps)
            derived = plans.build(chosen, shown, env, target.name, rules)
            reasons += plan_verification.of_history(made, derived)
            made = replace(made, others=derived.others)
        made = replace(made, reasons=(*made.reasons, *reasons))
        prepared = _checked(made, target, registry, {}, accepted_owners, lambda: record.begun(dump, commands))
        return replace(prepared, plan=replace(prepared.plan, warnings=comparison.noted()))


def prepare_undo(
    past: Record,
    config: Settings,
    dump: Path,
    rules: UndoRules,
    accepted_owners: Collection[str],
    target: Target,
    commands: CommandLines,
) -> PreparedPlan:
    """Plan an undo, and find every reason against it.

    Args:
        past: the record of the run that is undone.
        config: the settings.
        dump: folder of the records.
        rules: which services it is about.
        accepted_owners: names of owners that are accepted although they put their own image back.
        target: where; already logged in.
        commands: what the user is shown to type next.

    Raises:
        BadInput: one of the rules names a service that the run did not change.
        TargetError: the target cannot be queried.
    """
    made = undo_plan.build(past, target.apps(past.header.env), config.environment(past.header.env), rules)
    foreign = [held for held in target.deployments() if not undo_plan.is_of(past, made, held)]
    made, objections = _with_target(made, target, accepted_owners)
    locks = preflight.of_locks(made, foreign, record.begun(dump, commands), target.operator)
    return PreparedPlan(made, (*made.reasons, *locks, *objections))


@contextmanager
def _registry(config: Settings, url: str) -> Iterator[Registry]:
    registry = context.registry(config, url=url, cached=False)
    try:
        yield registry
    finally:
        log.debug("requests to the registry: %s", registry.counts)
        registry.close()


def log_in(target: Target) -> None:
    """Log in on the target.

    Raises:
        Refused: the login is not accepted.
        TargetError: the target cannot be queried.
    """
    try:
        target.login()
    except LoginRefused as error:
        raise Refused([Reason(error.what, error.why, error.hint)]) from error


def _unmanaged(target: Target) -> Unmanaged:
    return cast(UnmanagedApps, target).unmanaged() if hasattr(target, "unmanaged") else Unmanaged()


def _with_target(made: Plan, target: Target, accepted_owners: Collection[str]) -> tuple[Plan, tuple[Reason, ...]]:
    """A plan with notes on what the target knows of its changes, and every reason against them."""
    remarks: tuple[Remark, ...] = ()
    if made.changes and hasattr(target, "check_changes"):
        remarks = cast(ChangeChecks, target).check_changes(made.changes)
    noted = owner_conflicts.with_notes(preflight.with_remarks(made, remarks), accepted_owners)
    return noted, (*owner_conflicts.reasons(made, accepted_owners), *preflight.of_remarks(made, remarks))


def _checked(
    made: Plan,
    target: Target,
    registry: Registry,
    unknown: Mapping[str, ImageCheck],
    accepted_owners: Collection[str],
    begun: Callable[[], Mapping[str, OwnDeployment]],
) -> PreparedPlan:
    changing = [step for step in made.steps if step.action is Action.CHANGE and step.image]
    evidence = _evidence(changing, registry)
    evidence |= {step.after: unknown[step.repo] for step in changing if step.repo in unknown}
    running = target.deployments()
    ours = begun() if running else {}
    made, objections = _with_target(made, target, accepted_owners)
    reasons = preflight.of_plan(made, evidence, running, registry.url, ours, target.operator)
    return PreparedPlan(made, (*reasons, *objections), registry.url)


def _with_digests(chosen: Selection, registry: Registry) -> tuple[Selection, Mapping[str, ImageCheck]]:
    """A history of the older form has no digests: use those that the tags have now."""
    blank = [choice.image for choice in chosen.choices if choice.image and not choice.image.digest]
    evidence: dict[str, ImageCheck] = {}
    digests: dict[str, str] = {}

    def look_up(image: Image) -> None:
        try:
            digests[image.repo] = registry.digest(image.repo, image.tag)
        except NotInRegistry as error:
            evidence[image.repo] = ImageCheck(ImagePresence.GONE, error.why or error.what)
        except RegistryError as error:
            evidence[image.repo] = ImageCheck(ImagePresence.UNKNOWN, error.why or error.what)

    each(look_up, blank, workers=_AT_A_TIME)
    choices = tuple(
        replace(choice, image=replace(choice.image, digest=digests[choice.repo]))
        if choice.image and choice.repo in digests
        else choice
        for choice in chosen.choices
    )
    return replace(chosen, choices=choices), evidence


def _evidence(steps: list[Step], registry: Registry) -> dict[str, ImageCheck]:
    """By image reference, what the registry says of each image that is to run.

    Where the digest is written, it does not matter to what the tags have moved since.
    """
    images = {step.after: (step.image, Reference.parse(step.after).digest) for step in steps if step.image}

    def look_up(chosen: tuple[Image, str]) -> ImageCheck:
        image, pinned = chosen
        try:
            if pinned:
                registry.complete(image.repo, pinned)
                return ImageCheck(ImagePresence.SOUND, pinned)
            now = registry.digest(image.repo, image.tag)
            if image.digest and now != image.digest:
                return ImageCheck(ImagePresence.MOVED, now)
            registry.complete(image.repo, now)
        except NotInRegistry as error:
            return ImageCheck(ImagePresence.GONE, error.why or error.what)
        except RegistryError as error:
            return ImageCheck(ImagePresence.UNKNOWN, error.why or error.what)
        return ImageCheck(ImagePresence.SOUND, now)

    return dict(zip(images, each(look_up, images.values(), workers=_AT_A_TIME), strict=True))
