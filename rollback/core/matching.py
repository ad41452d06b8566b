"""Which apps of an environment run a repository: by the image that they run and by their id. Pure.

An app belongs to a repository if it runs an image whose whole path is the repository's, and its id fits the pattern
with `{service}` left open. The settings may name a repository's apps instead; then it is these and no others.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollback.core.apps import App
from rollback.core.image_reference import Reference
from rollback.core.plain_text import counted
from rollback.errors import BadInput, Reason

_MOST_CANDIDATES = 20  # apps of each kind that an error names; how many more there are, it says
_HUB = "docker.io"
_HUB_NAMES = {"", _HUB, "index.docker.io", "registry-1.docker.io"}
_OF_A_SEGMENT = re.compile(r"[^/.]+")  # what an environment's name is compared with, in ids with slashes or dots

NOT_IN_APPS = "not in apps:"
DOES_NOT_FIT = "its id does not fit app_id"


@dataclass(frozen=True)
class Rules:
    """How apps are found and how images are written.

    Attributes:
        app_id: pattern of an app's id, with `{service}` and `{env}` and any other `{name}` for part of a segment.
        apps: app ids by service or repository; they are exact.
        pin: write `repo:tag@digest`, so that what was seen is what runs.
        strict: refuse where a service has no image on or before the date, or an app is left out.
        host: the registry's host as the history knows it; an app that pulls from another one is noted.
        environments: deployment names of all environments; an app that the settings name is not another one's.
        only: apps, repositories or services to which the plan is narrowed; empty for all.
        skip: apps, repositories or services that are left out.
    """

    app_id: str = "/{department}/{env}/{project}/{service}"
    apps: Mapping[str, Sequence[str]] | None = None
    pin: bool = True
    strict: bool = False
    host: str = ""
    environments: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LeftOut:
    """An app that runs an image of a selected repository and is not changed.

    Attributes:
        app: the app, reduced to the containers of that repository.
        repo: the repository.
        reason: why it is not changed, in a few words.
    """

    app: App
    repo: str
    reason: str


@dataclass(frozen=True)
class Found:
    """The apps of one repository.

    Attributes:
        repo: the repository.
        apps: those that go back together, each reduced to the containers of the repository; in order of their ids.
        left_out: others that run it.
        notes: what the user should know about apps of that name.
        reason: why there are none, or not the ones that the settings name; None if there are.
    """

    repo: str
    apps: tuple[App, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    reason: Reason | None = None


def service_of(repo: str) -> str:
    """A repository's service: the last part of its path."""
    return repo.rpartition("/")[2]


def app_pattern(pattern: str, env: str, service: str | None = None) -> re.Pattern[str]:
    """The expression that whole app ids have to fit.

    `{env}` and `{service}` are replaced by their values; any other `{name}` is at least one character of one
    segment, so that no placeholder reaches over a `/`.

    Args:
        pattern: the pattern.
        env: deployment name of the environment.
        service: the service; None to leave `{service}` open.
    """
    known = {"{env}": re.escape(env)}
    if service is not None:
        known["{service}"] = re.escape(service)
    parts = re.split(r"(\{\w+\})", pattern)
    text = "".join(
        known.get(part, "[^/]+") if part.startswith("{") and part.endswith("}") else re.escape(part) for part in parts
    )
    return re.compile(text)


def find(repo: str, apps: Iterable[App], env: str, rules: Rules) -> Found:
    """Find the apps of a repository.

    Args:
        repo: the repository.
        apps: everything that the target shows.
        env: deployment name of the environment.
        rules: how apps are found.
    """
    shown = tuple(sorted(apps, key=lambda app: app.id))
    running = tuple(reduced for app in shown if (reduced := reduce_to(app, repo)))
    named = (rules.apps or {}).get(repo) or (rules.apps or {}).get(service_of(repo))
    if named:
        return _named(repo, named, shown, running, env, rules)
    open_pattern = app_pattern(rules.app_id, env)
    fitting = tuple(app for app in running if open_pattern.fullmatch(app.id) and not app.unmanaged)
    left_out = tuple(
        LeftOut(app, repo, app.unmanaged or DOES_NOT_FIT)
        for app in running
        if app not in fitting and not of_another(app.id, env, rules)
    )
    by_name = app_pattern(rules.app_id, env, service_of(repo))
    strangers = tuple(app for app in shown if by_name.fullmatch(app.id) and reduce_to(app, repo) is None)
    if fitting:
        notes = tuple(f"{app.id} has its name, but runs {app.image or 'no image'}" for app in strangers)
        return Found(repo, fitting, left_out, notes)
    return Found(repo, (), left_out, (), _none(repo, shown, running, strangers, env, rules))


def reduce_to(app: App, repo: str) -> App | None:
    """An app, reduced to its containers that run a repository; None if none does."""
    names = [part.name for part in app.parts if _is_of(part.image, repo)]
    if not names:
        return None
    return app.select(names) if app.containers else app


def same_repo(reference: Reference, repo: str) -> bool:
    """Whether a reference names a repository; Docker Hub's own images have a `library/` that nobody writes."""
    if pulled_from(reference.host) == _HUB:
        return reference.path.removeprefix("library/") == repo.removeprefix("library/")
    return reference.path == repo


def pulled_from(host: str) -> str:
    """The registry that a reference's host names: Docker Hub has several names, and is the default."""
    return _HUB if host in _HUB_NAMES else host


def of_another(app_id: str, env: str, rules: Rules) -> str:
    """The other environment that an app's id names; empty if it names none, or ours too.

    It names one as a whole segment, between slashes or dots, or in the place where the pattern has `{env}`, such as
    `/shop/stage-billing` with `/shop/{env}-{service}`.
    """
    segments = _OF_A_SEGMENT.findall(app_id)
    if env in segments or app_pattern(rules.app_id, env).fullmatch(app_id):
        return ""
    others = sorted(rules.environments - {env})
    by_segment = (part for part in segments if part in rules.environments)
    by_pattern = (
        name for name in others if "{env}" in rules.app_id and app_pattern(rules.app_id, name).fullmatch(app_id)
    )
    return next(itertools.chain(by_segment, by_pattern), "")


def may_be_of_another(app_id: str, env: str, environments: frozenset[str]) -> str:
    """The other environment of which an id that fits no pattern has the name between any two signs; empty if none.

    That proves nothing, `/tools/dev-portal` may well be an app of prod, so it is worth a note and no refusal.
    """
    words = re.findall(r"[^\W_]+", app_id)
    return "" if env in words else next((word for word in words if word in environments), "")


def shared(found: Iterable[Found]) -> list[Reason]:
    """A reason for every app that two repositories claim."""
    claims: dict[str, list[str]] = {}
    for one in found:
        for app in one.apps:
            claims.setdefault(app.id, []).append(one.repo)
    return [
        Reason(
            f"{app_id} would be the app of {len(repos)} services",
            why=", ".join(repos),
            hint="name each service's own app in the settings under apps:, by its whole repository",
        )
        for app_id, repos in claims.items()
        if len(repos) > 1
    ]


def _named(
    repo: str, named: Sequence[str], shown: Sequence[App], running: Sequence[App], env: str, rules: Rules
) -> Found:
    """The apps that the settings name, and no others."""
    service = service_of(repo)
    by_id = {app.id: app for app in shown}
    chosen: list[App] = []
    ids = tuple(dict.fromkeys(name.replace("{env}", env) for name in named))
    pattern = app_pattern(rules.app_id, env)
    left_out = tuple(
        LeftOut(app, repo, app.unmanaged or NOT_IN_APPS)
        for app in running
        if app.id not in ids and (pattern.fullmatch(app.id) or not of_another(app.id, env, rules))
    )
    for app_id in ids:
        other = of_another(app_id, env, rules)
        if other:
            general = re.sub(rf"(?<![^/.]){re.escape(other)}(?![^/.])", "{env}", app_id)
            if general == app_id:
                general = app_id.replace(other, "{env}", 1)
            return Found(
                repo,
                left_out=left_out,
                reason=Reason(
                    f"{service}: the settings name the app {app_id}, which is of {other} and not of {env}",
                    why="the same line of the settings counts for every environment",
                    hint=f'write it so that it fits them all: apps: {{{service}: "{general}"}}',
                    service=service,
                ),
            )
        if app_id not in by_id:
            return Found(
                repo,
                left_out=left_out,
                reason=Reason(
                    f"{service}: the settings name the app {app_id}, and the target shows none of that id",
                    why="it is not there, or this user has no right to see it",
                    hint=f"correct the line in the settings: apps: {{{service}: <id>}}",
                    service=service,
                ),
            )
        reduced = reduce_to(by_id[app_id], repo)
        if by_id[app_id].unmanaged:
            return Found(repo, left_out=left_out, reason=_unmanaged(by_id[app_id], service))
        if reduced is None:
            return Found(repo, left_out=left_out, reason=_another_image(by_id[app_id], repo))
        chosen.append(reduced)
    doubts = ((app.id, may_be_of_another(app.id, env, rules.environments)) for app in chosen)
    notes = tuple(
        f"{app_id} may be an app of {name}, not of {env}: its id says {name}" for app_id, name in doubts if name
    )
    return Found(repo, tuple(chosen), left_out, notes)


def _unmanaged(app: App, service: str) -> Reason:
    return Reason(
        f"{service}: the settings name {app.id}, which is never changed",
        why=f"it is {app.unmanaged}",
        hint=f"name another app in the settings: apps: {{{service}: <id>}}, or remove the line",
        service=service,
    )


def _another_image(app: App, repo: str) -> Reason:
    service = service_of(repo)
    try:
        if not app.parts:
            raise BadInput("it runs a command, not an image")
        paths = [Reference.parse(part.image).path for part in app.parts]
    except BadInput as error:
        return Reason(
            f"{service}: {app.id} has no image that can be changed",
            why=error.what,
            hint=f"name another app in the settings: apps: {{{service}: <id>}}, or leave it out with --skip",
            service=service,
        )
    images = ", ".join(part.image for part in app.parts)
    return Reason(
        f"{service}: {app.id} runs an image of another repository",
        why=f"it runs {images}, and the history is of {repo}",
        hint=f"name the right app in the settings: apps: {{{service}: <id>}}, or get the history of {paths[0]}",
        service=service,
    )


def _none(
    repo: str, shown: Sequence[App], running: Sequence[App], strangers: Sequence[App], env: str, rules: Rules
) -> Reason:
    """Why a repository has no app: every app of its name, and every app that runs it."""
    service = service_of(repo)
    if len(strangers) == 1 and not running:
        return _another_image(strangers[0], repo)
    facts = _some([f"{app.id} fits, but runs {app.image or 'no image'}" for app in strangers], "fit")
    facts += _some([f"{app.id} runs {app.image or repo}" for app in running], "run it")
    near = sorted((app.id for app in shown if app.id.rpartition("/")[2] == service and app not in strangers), key=len)
    if near and not running:
        facts.append(f"apps of that name elsewhere: {', '.join(_some(near, 'have it'))}")
    if not facts:
        facts.append(f"no app is called {service}")
    fits = app_pattern(rules.app_id, env)
    if not any(env in _OF_A_SEGMENT.findall(app.id) or fits.fullmatch(app.id) for app in shown):
        facts.insert(0, f"no app at all has a segment {env!r} ({counted(len(shown), 'app')} seen)")
    return Reason(
        f"{service}: no app of {env} runs {repo}",
        why=f"{'; '.join(facts)}; an app that this user may not see is absent too",
        hint=_named_by_hand(service, [*(app.id for app in running), *near], env, rules),
        service=service,
    )


def _named_by_hand(service: str, candidates: Sequence[str], env: str, rules: Rules) -> str:
    """The line of the settings that would help, with an app that may be meant; never with one of another environment.

    Args:
        service: the service without an app.
        candidates: ids of apps that run it or have its name, the better ones first.
        env: deployment name of the environment.
        rules: how apps are found.
    """
    own = [app_id for app_id in candidates if env in _OF_A_SEGMENT.findall(app_id)]
    possible = own or [app_id for app_id in candidates if not of_another(app_id, env, rules)]
    line = f"in the settings, e.g. apps: {{{service}: {possible[0] if possible else '<id>'}}}"
    if own:
        return f"name the app {line}; if all ids have this form, correct app_id"
    if possible or not candidates:
        return f"name the app {line}"
    return f"correct --env if another environment is meant, or name the app {line}"


def _some(facts: list[str], what: str) -> list[str]:
    """The first facts, and how many apps there are besides."""
    more = len(facts) - _MOST_CANDIDATES
    return [*facts[:_MOST_CANDIDATES], *([f"{more} more {what}"] if more > 0 else [])]


def _is_of(image: str, repo: str) -> bool:
    try:
        return same_repo(Reference.parse(image), repo)
    except BadInput:
        return False
