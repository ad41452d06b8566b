"""Whether an approved plan could have been made from what is known here. Pure.

A plan file has a fingerprint against accidents, which whoever changes the file can compute as well. So nothing in it
is believed that does not follow from the settings, the target, the registry and, where there is one, the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from rollback.core import image_selection, matching
from rollback.core import plan as plans
from rollback.core.apps import App
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image import Image
from rollback.core.image_reference import Reference
from rollback.core.image_selection import Choice, Match
from rollback.core.matching import Found, Rules
from rollback.core.plan import LEFT_OUT, Action, Plan, Step
from rollback.core.timestamps import end_of_day
from rollback.core.unchanged_apps import Other
from rollback.errors import BadInput, Reason

_HINT = "make a new plan with `rollback plan --out`, and have it approved"


def found_apps(plan: Plan, apps: Iterable[App], rules: Rules) -> tuple[Found, ...]:
    """The apps of each repository of a plan, as they are now.

    Args:
        plan: the approved plan.
        apps: everything that the target runs.
        rules: how apps are found.
    """
    running = tuple(apps)
    repos = dict.fromkeys(step.repo for step in plan.steps)
    return tuple(matching.find(repo, running, plan.env.name, rules) for repo in repos)


def matched_apps(plan: Plan, found: Iterable[Found]) -> dict[str, App]:
    """By id, the apps of a plan that run the repositories of its steps, each reduced to its containers.

    Args:
        plan: the approved plan.
        found: see `found_apps`.
    """
    its = {(one.repo, app.id): app for one in found for app in one.apps}
    return {
        step.app.id: its[step.repo, step.app.id]
        for step in plan.steps
        if step.app and (step.repo, step.app.id) in its
    }


def left_out(plan: Plan, found: Iterable[Found]) -> tuple[Other, ...]:
    """The apps that run a repository of a plan and are not its apps: a plan file does not say what runs now.

    Args:
        plan: the approved plan.
        found: see `found_apps`.
    """
    images: dict[str, list[Image]] = {}
    for step in plan.steps:
        images.setdefault(step.repo, []).extend([step.image] if step.image else [])
    choices = (
        Choice(repo, next(iter(its), None), Match.EXACT if its else Match.MISSING, candidates=tuple(its))
        for repo, its in images.items()
    )
    return plans.left_out_apps(found, choices)


def of_fleet(plan: Plan, found: Iterable[Found]) -> tuple[Reason, ...]:
    """A reason for every app of a repository that the plan does not know: it was started since, or left out of it.

    Args:
        plan: the approved plan.
        found: see `found_apps`.
    """
    known = {(step.repo, step.app.id) for step in plan.steps if step.app}
    return tuple(
        Reason(f"{app.id} is not in the plan", why=f"it runs {one.repo}, whose apps go back together", hint=_HINT)
        for one in found
        for app in one.apps
        if (one.repo, app.id) not in known
    )


def of_moment(plan: Plan) -> tuple[Reason, ...]:
    """Whether a plan's moment is the one that its date or time means; a day may be one of any zone."""
    why = f"it says {plan.as_of!r:.40} and {str(plan.until) if plan.until else 'no moment'}"
    with suppress(BadInput, ValueError):
        if plan.until:
            as_of = image_selection.parse_as_of(plan.as_of, plan.until.time)
            if as_of.instant is None:
                end_of_day(plan.as_of, plan.until)
                return ()
            if as_of.instant.time.replace(microsecond=0) == plan.until.time.replace(microsecond=0):
                return ()  # of a relative moment the text has no fraction
    return (Reason("the plan's moment does not follow from its date", why, _HINT),)


def of_rules(
    plan: Plan, matched: Mapping[str, App], tags: EnvironmentTags | None, rules: Rules
) -> tuple[Reason, ...]:
    """What a plan would write that no plan for this environment writes.

    Args:
        plan: the approved plan, with the apps as they are now.
        matched: see `matched_apps`.
        tags: which tags are the environment's; None where a history decides which images are.
        rules: how apps are found and images written.
    """
    reasons: list[Reason] = []
    written = [step for step in plan.steps if step.app and step.action is Action.CHANGE]
    for step in written:
        app = matched.get(step.app.id) if step.app else None
        if app is None:
            reasons.append(_not_ours(step, plan, rules))
            continue
        if tags and step.image and not tags.fits(step.image.tag):
            why = f"it names {step.image.tag!r:.80}, and {plan.env.name} has {tags.pattern} with {tags.environment}"
            reasons.append(_reason(step, f"its image is not one of {plan.env.name}", why))
            continue
        wanted = set(_references(app, step, rules))
        if step.after not in wanted:
            why = (
                f"it would write {step.after}, and its app and image make {' or '.join(sorted(wanted)) or 'nothing'}"
            )
            reasons.append(_reason(step, "its image does not follow from its app and repository", why))
    for app_id, times in Counter(step.app.id for step in written if step.app).items():
        if times > 1:
            reasons.append(Reason(f"the plan writes {times} times to {app_id}", "an app has one image", _HINT))
    return tuple(reasons)


def of_history(plan: Plan, derived: Plan) -> tuple[Reason, ...]:
    """Where a plan differs from the one that the history makes now.

    What the approved plan leaves out on request stays left out: it says so itself.

    Args:
        plan: the approved plan, with the apps as they are now.
        derived: the plan for the same date, made from the history without leaving anything out.
    """
    reasons: list[Reason] = []
    ours = {step.app.id: step for step in derived.steps if step.app}
    for step in plan.steps:
        if step.app is None:
            continue
        now = ours.pop(step.app.id, None)
        if LEFT_OUT in step.notes and step.action is Action.STAYS:
            continue
        if now is None:
            why = f"rollback.json has no image of {step.repo} for it as of {plan.as_of}"
        elif step.action is not now.action:
            why = f"as of {plan.as_of} the plan says {step.action.value}, rollback.json {now.action.value}"
        elif step.action is Action.CHANGE and not _same_image(step, now):
            why = f"the plan has {step.after}, and rollback.json makes it {now.after} as of {plan.as_of}"
        else:
            continue
        reasons.append(_reason(step, "the plan does not follow from rollback.json", why))
    for app_id, now in ours.items():
        why = f"rollback.json makes it {now.action.value} as of {plan.as_of}"
        reasons.append(_reason(now, f"{app_id} is not in the plan", why))
    return tuple(reasons)


def _references(app: App, step: Step, rules: Rules) -> Iterator[str]:
    """The references that a plan writes for an app and an image: with the tag of the image, or with the app's own."""
    try:
        now = Reference.parse(plans.image_of(app))
    except BadInput:
        return
    if step.image is None:
        return
    for tag in {step.image.tag, now.tag}:
        yield str(now.at(tag, step.image.digest if rules.pin else ""))


def _not_ours(step: Step, plan: Plan, rules: Rules) -> Reason:
    app_id = step.app.id if step.app else ""
    why = f"it does not run {step.repo}, or its id does not fit {rules.app_id} with {plan.env.name}"
    return _reason(step, f"{app_id} is not one of its apps in {plan.env.name}", why)


def _reason(step: Step, what: str, why: str) -> Reason:
    return Reason(f"{step.service}: {what}", why=why, hint=_HINT, service=step.service)


def _same_image(step: Step, derived: Step) -> bool:
    """Whether two steps write one image: by digest where both have one, under one of its tags or the app's own."""
    try:
        ours, theirs, before = map(Reference.parse, (step.after, derived.after, derived.before or derived.after))
    except BadInput:
        return step.after == derived.after
    if (ours.host, ours.path) != (theirs.host, theirs.path):
        return False
    tags = {theirs.tag, before.tag, *(derived.image.tags if derived.image else ())}
    return ours.tag in tags and (ours.digest == theirs.digest if ours.digest and theirs.digest else ours == theirs)
