"""A selection held against what runs: per service change, same or stays, and every reason not to run it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import Any

from rollback.core import matching, plan_reasons, plan_rows, unchanged_apps
from rollback.core.apps import App, Change
from rollback.core.image import Basis, Image
from rollback.core.image_reference import Reference
from rollback.core.image_selection import Choice, Match, Selection, settled
from rollback.core.matching import Found, Rules, pulled_from, service_of
from rollback.core.timestamps import Instant
from rollback.core.unchanged_apps import Other
from rollback.errors import BadInput, Reason

LEFT_OUT = "left out on request"


class Action(str, Enum):
    """What a run does with a service."""

    CHANGE = "change"
    SAME = "same"  # it runs this image already: not touched
    STAYS = "stays"  # nothing to go back to, or left out on purpose: not touched


class OnFailure(str, Enum):
    """What happens when one service does not come up."""

    RESTORE = "restore"  # everything that this run changed goes back
    KEEP = "keep"  # the others go on, the failed one stays as it is
    STOP = "stop"  # nothing more is written, everything stays as it is now


@dataclass(frozen=True)
class Environment:
    """Both names of an environment: in deployments (`prod`) and in tags (`master`)."""

    name: str
    tag: str


@dataclass(frozen=True)
class Step:
    """What happens to one app.

    Attributes:
        service: what its row is called: the service, or where a repository has several apps, the app.
        repo: its repository.
        action: change, same or stays.
        match: how the image relates to the date.
        app: the app that runs it; None where none was found.
        image: the image chosen; None if it is missing.
        after: the image reference that it should run; empty unless something is chosen.
        notes: what the user should know, a few words each.
        released: the image's release date.
        captured: for an undo, the definition to which the app goes back.
        basis: `built`, or `deployed` if the image rests on what the app ran.
        direction: `back` or `forward` in time, for a change; empty if unknown. See `direction`.
        images: for an undo, see `Change.images`; `after` is empty then.
    """

    service: str
    repo: str
    action: Action
    match: Match
    app: App | None = None
    image: Image | None = None
    after: str = ""
    notes: tuple[str, ...] = ()
    released: date | None = None
    captured: Mapping[str, Any] | None = field(default=None, repr=False)
    basis: Basis = Basis.BUILT
    direction: str = ""
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def before(self) -> str:
        """The image reference that it runs now; empty without an app."""
        return self.app.image if self.app else ""


@dataclass(frozen=True)
class Plan:
    """What a run would do, and why it may not.

    Attributes:
        env: the environment.
        target: the target's name.
        as_of: the date or time, as it was given.
        steps: one per app, in the order of the history; one without an app where none was found.
        reasons: every reason not to run it; a plan with reasons is never run.
        warnings: what the user should know about the fleet as a whole.
        until: the last moment that `as_of` means; None for an undo.
        others: apps that run a selected repository and are not changed.
        not_looked_at: what the target could not look at, where something may run a selected repository, and why.
        basis: what the history rests on.
    """

    env: Environment
    target: str
    as_of: str
    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[str, ...] = ()
    until: Instant | None = None
    others: tuple[Other, ...] = ()
    not_looked_at: tuple[str, ...] = ()
    basis: Basis = Basis.BUILT

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is to be written, in order."""
        return tuple(
            Change(step.app, step.after, step.captured, images=step.images)
            for step in self.steps
            if step.action is Action.CHANGE and step.app
        )

    def count(self, action: Action) -> int:
        """How many services have this action."""
        return sum(step.action is action for step in self.steps)


def build(
    selection: Selection,
    apps: Iterable[App],
    env: Environment,
    target: str,
    rules: Rules,
    not_looked_at: tuple[str, ...] = (),
) -> Plan:
    """Compare a selection with what runs: one step per app, and every reason against it.

    Args:
        selection: one image per repository.
        apps: everything that the target runs, as far as the user may see it.
        env: the environment.
        target: the target's name.
        rules: how apps are found and images written.
        not_looked_at: what the target could not look at, and why.

    Raises:
        BadInput: `only` or `skip` names what the history does not have.
    """
    running = tuple(apps)
    found = {choice.repo: matching.find(choice.repo, running, env.name, rules) for choice in selection.choices}
    rows = plan_rows.row_names(found.values())
    only = plan_rows.select(rules.only, tuple(found.values()), rows, "only")
    skip = plan_rows.select(rules.skip, tuple(found.values()), rows, "skip")
    steps: list[Step] = []
    reasons: list[Reason] = []
    kept: list[Found] = []
    for choice in selection.choices:
        its = found[choice.repo]
        running_now = tuple(map(_digest, its.apps))
        choice = settled(choice, running_now)
        by_app = {app.id: settled(choice.of(app.id), running_now) for app in its.apps}
        named = service_of(choice.repo)
        left_out = {
            app.id: bool(only and (choice.repo, app.id) not in only) or (choice.repo, app.id) in skip
            for app in its.apps
        }
        whole = bool(only and not any(repo == choice.repo for repo, _ in only)) or (choice.repo, "") in skip
        if not its.apps:
            steps.append(_stays(choice, None, named, whole))
            if its.reason and not whole and (choice.image is not None or choice.match is Match.GONE):
                reasons.append(its.reason)
        for app in its.apps:
            name, mine = rows[choice.repo, app.id], by_app[app.id]
            if left_out[app.id] or mine.image is None:
                steps.append(_stays(mine, app, name, left_out[app.id]))
                if mine.match is Match.GONE and not left_out[app.id]:
                    reasons.append(plan_reasons.gone(mine, name))
                continue
            stays = _stays(mine, app, name, False)
            step, against = _with_image(stays, app, mine.image, _same_build(mine), rules)
            notes = (*step.notes, *its.notes, *((mine.note,) if mine.note else ()))
            steps.append(replace(step, notes=notes))
            reasons += against
        if rules.strict and not whole:
            without = (one for one in (choice, *by_app.values()) if one.image is None and one.match is not Match.GONE)
            reasons += [plan_reasons.nothing_selected(one) for one in itertools.islice(without, 1)]
        kept.append(replace(its, apps=tuple(app for app in its.apps if not left_out[app.id])))
    reasons += matching.shared(kept)
    others = left_out_apps(found.values(), selection.choices)
    if rules.strict:
        reasons += [unchanged_apps.reason(other) for other in others]
        reasons += [unchanged_apps.reason_not_looked_at(words) for words in not_looked_at]
    return Plan(
        env,
        target,
        selection.as_of.text,
        tuple(steps),
        tuple(reasons),
        _warnings(steps, selection),
        selection.until,
        others,
        not_looked_at,
        selection.basis,
    )


def left_out_apps(found: Iterable[Found], choices: Iterable[Choice]) -> tuple[Other, ...]:
    """Apps that run a selected repository and are not changed, although nobody requested that.

    Args:
        found: the apps of each repository.
        choices: the selected image of each repository; one that has none is passed over.
    """
    chosen = {choice.repo: choice for choice in choices}
    others = []
    for one in (left for its in found for left in its.left_out if left.repo in chosen):
        mine = chosen[one.repo].of(one.app.id)
        same = mine.image is not None and _is_same(_same_build(mine), mine.image, one.app)
        others.append(Other(one.app.id, one.repo, one.app.image, one.reason, differs=not same))
    return tuple(others)


def _stays(choice: Choice, app: App | None, name: str, on_request: bool) -> Step:
    """The step of an app as long as nothing is changed."""
    notes = (LEFT_OUT,) if on_request else (choice.reason,) if choice.image is None else ()
    return Step(
        name,
        choice.repo,
        Action.STAYS,
        choice.match,
        app,
        choice.image,
        notes=notes,
        released=choice.released,
        basis=choice.basis,
    )


def _with_image(
    step: Step, app: App, image: Image, same_build: frozenset[str], rules: Rules
) -> tuple[Step, tuple[Reason, ...]]:
    try:
        now = Reference.parse(image_of(app))
    except BadInput as error:
        return step, (
            Reason(
                f"{step.service}: {app.id} has no image that can be changed",
                why=error.what,
                hint=f"name another app in the settings: apps: {{{step.service}: <id>}}, or leave it out with --skip",
                service=step.service,
            ),
        )
    notes = []
    if not app.image:
        notes.append(f"its containers run different images now: {images_text(app)}")
    if rules.host and pulled_from(now.host) != pulled_from(rules.host):
        notes.append(f"pulls from {pulled_from(now.host)}")
    if now.digest and not rules.pin:
        notes.append("is pinned to a digest now, and will not be (pin: false)")
    if app.instances == 0:
        notes.append("0 instances: cannot be verified")
    elif not app.checked:
        notes.append("no health check: up means running")
    same = _is_same(same_build, image, app)
    if app.inexact:
        notes.append(
            f"which image it runs is unknown, since {now.tag or 'no tag'} may have moved: undo cannot bring "
            "back the exact image"
        )
    if same and app.deployments:
        notes.append("a deployment still holds it: not known to be up")
    # Of several tags of the image, the app keeps the one that it has.
    keeps_tag = now.tag in image.tags and not (app.inexact or app.exact_image)
    after = now.at(now.tag if keeps_tag else image.tag, image.digest if rules.pin else "")
    return replace(
        step,
        action=Action.SAME if same else Action.CHANGE,
        after=app.image if same else str(after),
        notes=tuple(notes),
    ), ()


def image_of(app: App) -> str:
    """The image reference that an app runs; of several containers that of the first selected one.

    Raises:
        BadInput: there is none.
    """
    if not app.images:
        raise BadInput("it runs a command, not an image")
    return app.images[0]


def images_text(app: App) -> str:
    """The images of the selected containers of an app, each with the container's name."""
    return ", ".join(f"{part.name} {part.image}" for part in app.parts if part.name in app.selected)


def _same_build(choice: Choice) -> frozenset[str]:
    """The digests of the image that was chosen, and of others of the same build."""
    images = (*choice.candidates, *((choice.image,) if choice.image else ()))
    return frozenset(image.digest for image in images if image.digest)


def _is_same(same_build: frozenset[str], image: Image, app: App) -> bool:
    """Whether an app is known to run an image already, by digest or else by a tag that does not move."""
    try:
        now = Reference.parse(app.image)
    except BadInput:
        return False
    digest = _digest(app)
    return digest in same_build if same_build and digest else now.tag in image.tags and not app.inexact


def _digest(app: App) -> str:
    """The digest that an app runs, as far as it is known."""
    try:
        return Reference.parse(app.restore_image).digest
    except BadInput:
        return ""


def _warnings(steps: Sequence[Step], selection: Selection) -> tuple[str, ...]:
    warnings = []
    missing = [step.service for step in steps if step.match is Match.MISSING]
    if missing:
        warnings.append(
            f"{', '.join(missing)}: no image on or before {selection.as_of.text}; stays as it is, "
            "and may not fit the others"
        )
    matches = {(step.repo, step.match) for step in steps}
    warnings += dict.fromkeys(
        f"{one.repo}: {one.reason}; it stays as it is, and may not fit the others: {plan_reasons.REMEDY[one.match]}"
        for choice in selection.choices
        for one in (choice, *choice.apps.values(), *((choice.other_apps,) if choice.other_apps else ()))
        if one.match in (Match.UNDATED, Match.TIED) and (one.repo, one.match) in matches
    )
    left_out = [step.service for step in steps if LEFT_OUT in step.notes]
    if left_out and len(left_out) < len(steps):
        warnings.append(f"{', '.join(left_out)}: left out on request; may not fit the services that go back")
    return tuple(warnings)
