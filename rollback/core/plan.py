"""A selection held against what runs: per service change, same or stays, and every reason that stands against it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from typing import Any

from rollback.core.apps import App, Change
from rollback.core.image import Image
from rollback.core.image_reference import Reference
from rollback.core.image_selection import Choice, Match, Selection, settled
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Reason

_MOST_CANDIDATES = 6
_HUB = "docker.io"
_HUB_NAMES = {"", _HUB, "index.docker.io", "registry-1.docker.io"}
_NO_IMAGE = {
    Match.MISSING: "nothing on or before this date",
    Match.UNDATED: "no image with a usable time on or before this date",
    Match.TIED: "two images of the same time",
}
_REMEDY = {
    Match.MISSING: "choose a later date",
    Match.UNDATED: "set registry.tag_date if its tags hold dates, and run `rollback get` again",
    Match.TIED: "choose another date, or set registry.tag_date if its tags hold dates, and run `rollback get` again",
}


class Action(str, Enum):
    """What a run does with a service."""

    CHANGE = "change"
    SAME = "same"  # it runs this image already: not touched
    STAYS = "stays"  # nothing to go back to, or left out on purpose: not touched


class OnFailure(str, Enum):
    """What happens when one service does not come up."""

    RESTORE = "restore"  # everything that this run changed goes back
    KEEP = "keep"  # the others go on, the failed one stays as it is
    STOP = "stop"  # nothing more is written, everything stays as it stands


@dataclass(frozen=True)
class Environment:
    """Both names of an environment: in deployments (`prod`) and in tags (`master`)."""

    name: str
    tag: str


@dataclass(frozen=True)
class Step:
    """What happens to one service.

    Attributes:
        service: its name, the last part of the repository.
        repo: its repository.
        action: change, same or stays.
        match: how the image relates to the date.
        app: the app that runs it; None where none was found.
        image: the image chosen; None if it is missing.
        after: the image reference that it shall run; empty unless something is chosen.
        notes: what a person should know, a few words each.
        released: the image's release date.
        captured: for an undo, the definition to which the app goes back.
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
        as_of: the date or time, as a person gave it.
        steps: one per service, in the order of the history.
        reasons: everything that stands against it; a plan with reasons is never run.
        warnings: what a person should know about the fleet as a whole.
        until: the last moment that `as_of` stands for; None for an undo.
    """

    env: Environment
    target: str
    as_of: str
    steps: tuple[Step, ...]
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[str, ...] = ()
    until: Instant | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is to be written, in order."""
        return tuple(Change(s.app, s.after, s.captured) for s in self.steps if s.action is Action.CHANGE and s.app)

    def count(self, action: Action) -> int:
        """How many services have this action."""
        return sum(step.action is action for step in self.steps)


@dataclass(frozen=True)
class Rules:
    """How apps are found and how images are written.

    Attributes:
        app_id: pattern of an app's id, with `{service}` and `{env}` and any other `{name}` for part of a segment.
        apps: app ids by service or repository, for those that do not follow the pattern.
        pin: write `repo:tag@digest`, so that what was seen is what runs.
        strict: refuse where a service has nothing on or before the date.
        host: the registry's host as the history knows it; an app that pulls from another one is noted.
        environments: deployment names of all environments; an app that the settings name is not another one's.
        only: services to which the plan is narrowed; empty for all.
        skip: services that are left out.
    """

    app_id: str = "/{department}/{env}/{project}/{service}"
    apps: Mapping[str, str] | None = None
    pin: bool = True
    strict: bool = False
    host: str = ""
    environments: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()


def service_of(repo: str) -> str:
    """A repository's service: the last part of its path."""
    return repo.rpartition("/")[2]


def build(selection: Selection, apps: Iterable[App], env: Environment, target: str, rules: Rules) -> Plan:
    """Hold a selection against what runs.

    Args:
        selection: one image per repository.
        apps: everything that the target runs, as far as the user may see it.
        env: the environment.
        target: the target's name.
        rules: how apps are found and images written.

    Raises:
        BadInput: `only` or `skip` names a service that the history does not have.
    """
    repos = [choice.repo for choice in selection.choices]
    known = {service_of(repo) for repo in repos} | set(repos)
    for name in sorted((rules.only | rules.skip) - known):
        raise BadInput(
            f"there is no service {name!r} in this history",
            why=f"it has {', '.join(sorted({service_of(repo) for repo in repos}))}",
            hint="correct --only or --skip",
        )
    running = tuple(apps)
    by_id = {app.id: app for app in running}
    steps: list[Step] = []
    reasons: list[Reason] = []
    for choice in selection.choices:
        found = _apps_of(choice.repo, running, by_id, env, rules)
        step, against = _step(choice, found, rules)
        steps.append(step)
        reasons += against
    reasons += _shared_apps(steps)
    return Plan(
        env,
        target,
        selection.as_of.text,
        tuple(steps),
        tuple(reasons),
        _warnings(steps, selection),
        selection.until,
    )


def app_pattern(pattern: str, env: str, service: str) -> re.Pattern[str]:
    """The expression that whole app ids of a service have to fit.

    `{env}` and `{service}` stand for themselves; any other `{name}` is at least one character of one segment,
    so that no placeholder reaches over a `/`.
    """
    known = {"{env}": re.escape(env), "{service}": re.escape(service)}
    parts = re.split(r"(\{\w+\})", pattern)
    text = "".join(
        known.get(part, "[^/]+") if part.startswith("{") and part.endswith("}") else re.escape(part) for part in parts
    )
    return re.compile(text)


def _apps_of(
    repo: str, apps: Sequence[App], by_id: Mapping[str, App], env: Environment, rules: Rules
) -> tuple[App, ...] | Reason:
    service = service_of(repo)
    named = (rules.apps or {}).get(repo) or (rules.apps or {}).get(service)
    if named:
        app_id = named.replace("{env}", env.name)
        segments = app_id.split("/")
        other = next((part for part in segments if part in rules.environments), "")
        if other and env.name not in segments:
            general = "/".join("{env}" if part == other else part for part in segments)
            return Reason(
                f"{service}: the settings name the app {app_id}, which is of {other} and not of {env.name}",
                why="the same line of the settings counts for every environment",
                hint=f"write it so that it fits them all: apps: {{{service}: {general}}}",
                service=service,
            )
        if app_id in by_id:
            return (by_id[app_id],)
        return Reason(
            f"{service}: the settings name the app {app_id}, and the target shows none of that id",
            why="it is not there, or this user has no right to see it",
            hint=f"correct the line in the settings: apps: {{{service}: <id>}}",
            service=service,
        )
    expression = app_pattern(rules.app_id, env.name, service)
    found = tuple(app for app in apps if expression.fullmatch(app.id))
    if len(found) == 1:
        return found
    if found:
        ids = ", ".join(app.id for app in found[:_MOST_CANDIDATES])
        return Reason(
            f"{service}: {len(found)} apps fit {rules.app_id}",
            why=f"found: {ids}",
            hint=f"name the app in the settings, e.g. apps: {{{service}: {found[0].id}}}",
            service=service,
        )
    near = sorted((app.id for app in apps if app.id.rpartition("/")[2] == service), key=len)[:_MOST_CANDIDATES]
    inside = sum(f"/{env.name}/" in f"{app.id}/" for app in apps)
    why = f"apps of that name elsewhere: {', '.join(near)}" if near else f"no app is called {service}"
    if not inside:
        why = f"no app at all has a segment {env.name!r} ({len(apps)} apps seen); {why}"
    return Reason(
        f"{service}: no app fits {rules.app_id} in {env.name}",
        why=f"{why}; an app that this user may not see is absent too",
        hint=f"name the app in the settings, e.g. apps: {{{service}: {near[0] if near else '/…/' + service}}}",
        service=service,
    )


def _step(choice: Choice, found: tuple[App, ...] | Reason, rules: Rules) -> tuple[Step, tuple[Reason, ...]]:
    service = service_of(choice.repo)
    app = None if isinstance(found, Reason) else found[0]
    choice = settled(choice, () if isinstance(found, Reason) else tuple(map(_digest, found)))
    step = Step(service, choice.repo, Action.STAYS, choice.match, app, choice.image, released=choice.released)
    if (rules.only and not {service, choice.repo} & rules.only) or {service, choice.repo} & rules.skip:
        return replace(step, notes=("left out on request",)), ()
    if choice.image is None:
        if rules.strict:
            return step, (
                Reason(
                    f"{service}: {_NO_IMAGE[choice.match]}",
                    why=f"{choice.reason}; --strict requires an image of every service",
                    hint=f"{_REMEDY[choice.match]}, or leave out --strict to let it stay as it is",
                    service=service,
                ),
            )
        return replace(step, notes=(choice.reason,)), ()
    if isinstance(found, Reason):
        return step, (found,)
    return _with_image(step, found[0], choice.image, rules)


def _with_image(step: Step, app: App, image: Image, rules: Rules) -> tuple[Step, tuple[Reason, ...]]:
    try:
        if not app.image:
            raise BadInput("it runs a command, not an image")
        now = Reference.parse(app.image)
    except BadInput as error:
        return step, (
            Reason(
                f"{step.service}: {app.id} has no image that can be exchanged",
                why=error.what,
                hint=f"name another app in the settings: apps: {{{step.service}: <id>}}, or leave it out with --skip",
                service=step.service,
            ),
        )
    if not _same_repo(now, step.repo):
        return step, (
            Reason(
                f"{step.service}: {app.id} runs an image of another repository",
                why=f"it runs {app.image}, and the history is of {step.repo}",
                hint=f"name the right app in the settings: apps: {{{step.service}: <id>}}, or get the history of "
                f"{now.path}",
                service=step.service,
            ),
        )
    notes = []
    if rules.host and _pulled_from(now.host) != _pulled_from(rules.host):
        notes.append(f"pulls from {_pulled_from(now.host)}")
    if now.digest and not rules.pin:
        notes.append("is pinned to a digest now, and will not be (pin: false)")
    if app.instances == 0:
        notes.append("0 instances: cannot be verified")
    elif not app.checked:
        notes.append("no health check: up means running")
    same = image.digest == now.digest if image.digest and now.digest else now.tag in image.tags
    if same and app.deployments:
        notes.append("a deployment still holds it: not known to be up")
    # Of several tags of the image, the app keeps the one that it has.
    after = now.at(now.tag if now.tag in image.tags else image.tag, image.digest if rules.pin else "")
    return replace(
        step,
        action=Action.SAME if same else Action.CHANGE,
        after=app.image if same else str(after),
        notes=tuple(notes),
    ), ()


def _digest(app: App) -> str:
    """The digest in an app's reference; empty if it has none."""
    try:
        return Reference.parse(app.image).digest
    except BadInput:
        return ""


def _same_repo(now: Reference, repo: str) -> bool:
    """Whether a reference names this repository; Docker Hub's own images have a `library/` that nobody writes."""
    if _pulled_from(now.host) == _HUB:
        return now.path.removeprefix("library/") == repo.removeprefix("library/")
    return now.path == repo


def _pulled_from(host: str) -> str:
    """The registry that a reference's host stands for: Docker Hub has several names, and is the default."""
    return _HUB if host in _HUB_NAMES else host


def _shared_apps(steps: Sequence[Step]) -> list[Reason]:
    times = Counter(step.app.id for step in steps if step.app and step.action is not Action.STAYS)
    return [
        Reason(
            f"{app_id} would be the app of {count} services",
            why=", ".join(step.repo for step in steps if step.app and step.app.id == app_id),
            hint="name each service's own app in the settings under apps:, by its whole repository",
        )
        for app_id, count in times.items()
        if count > 1
    ]


def _warnings(steps: Sequence[Step], selection: Selection) -> tuple[str, ...]:
    warnings = []
    missing = [step.service for step in steps if step.match is Match.MISSING]
    if missing:
        warnings.append(
            f"{', '.join(missing)}: no image on or before {selection.as_of.text}; stays as it is, "
            "and may not fit the others"
        )
    warnings += [
        f"{choice.repo}: {choice.reason}; it stays as it is, and may not fit the others: {_REMEDY[choice.match]}"
        for choice in selection.choices
        for step in steps
        if step.repo == choice.repo and step.match is choice.match and choice.match in (Match.UNDATED, Match.TIED)
    ]
    left_out = [step.service for step in steps if "left out on request" in step.notes]
    if left_out and len(left_out) < len(steps):
        warnings.append(f"{', '.join(left_out)}: left out on request; may not fit the services that go back")
    return tuple(warnings)
