"""From a rollback.json to a plan and every reason against it; `plan` and `run` share it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rollback.config import option_values
from rollback.config.settings import Settings
from rollback.core import image_selection, preflight
from rollback.core import plan as plans
from rollback.core.history import History
from rollback.core.image import Image
from rollback.core.image_selection import AsOf, Selection
from rollback.core.plan import Action, Environment, OnFailure, Plan
from rollback.core.plan_file import Approved, held_against
from rollback.core.preflight import ImageCheck, ImagePresence
from rollback.core.timestamps import Instant
from rollback.errors import LoginRefused, NotInRegistry, Reason, Refused, RegistryError
from rollback.registry.client import Registry
from rollback.state import record
from rollback.targets.base import Target
from rollback.workflow import context
from rollback.workflow.context import Given

log = logging.getLogger(__name__)

_AT_A_TIME = 8  # questions to the registry


@dataclass(frozen=True)
class PreparedPlan:
    """A plan, every reason that stands against running it, and the registry that was asked."""

    plan: Plan
    reasons: tuple[Reason, ...]
    registry: str = ""


@dataclass(frozen=True)
class PlanInputs:
    """What needs no network: the history, the environment and the date."""

    history: History
    env: Environment
    as_of: AsOf


def read(options: Given, config: Settings, now: datetime) -> PlanInputs:
    """Read what is wanted.

    Raises:
        BadInput: a part of it cannot be read.
        Refused: the history is of another environment, or too old.
    """
    env = context.environment(options, config)
    as_of = image_selection.parse_as_of(options["--date"])
    max_age_s = (
        option_values.duration(options["--max-age"], "--max-age") if options["--max-age"] else config.run.max_age_s
    )
    history = context.read_history(options)
    reasons = (
        *preflight.of_history(history, env, config.tag_pattern),
        *preflight.of_age(history, Instant(now), max_age_s),
    )
    if reasons:
        raise Refused(reasons)
    return PlanInputs(history, env, as_of)


def prepare(wanted: PlanInputs | Approved, *, target: Target, config: Settings, options: Given) -> PreparedPlan:
    """Make the plan for a date, or hold an approved one against what runs now; ask whether it may be done.

    Raises:
        Refused: the date is not one of the history's, or the login is not accepted.
        BadInput: `--only` or `--skip` names an unknown service.
        TargetError: the target cannot be asked.
    """
    if isinstance(wanted, PlanInputs):
        return _by_date(wanted, target, config, options)
    with _registry(config, options, wanted.registry) as registry:
        _log_in(target)
        return _checked(held_against(wanted, target.apps(), target.name), target, registry, {}, options)


def _by_date(wanted: PlanInputs, target: Target, config: Settings, options: Given) -> PreparedPlan:
    chosen = image_selection.select(wanted.history, wanted.as_of)
    with _registry(config, options, wanted.history.registry) as registry:
        _log_in(target)
        apps = target.apps()
        chosen, unknown = _with_digests(chosen, registry)
        made = plans.build(chosen, apps, wanted.env, target.name, context.rules(config, options, registry.url))
        return _checked(made, target, registry, unknown, options)


@contextmanager
def _registry(config: Settings, options: Given, url: str) -> Iterator[Registry]:
    registry = context.registry(config, options, url=url, cached=False)
    try:
        yield registry
    finally:
        log.debug("requests to the registry: %s", registry.counts)
        registry.close()


def _log_in(target: Target) -> None:
    try:
        target.login()
    except LoginRefused as error:
        raise Refused([Reason(error.what, error.why, error.hint)]) from error


def _checked(
    made: Plan, target: Target, registry: Registry, unknown: Mapping[str, ImageCheck], options: Given
) -> PreparedPlan:
    images = [step.image for step in made.steps if step.action is Action.CHANGE and step.image]
    evidence = {**_evidence(images, registry), **unknown}
    running = target.deployments()
    ours = record.begun(context.dump_folder(options)) if running else {}
    return PreparedPlan(made, preflight.of_plan(made, evidence, running, registry.url, ours), registry.url)


def _with_digests(chosen: Selection, registry: Registry) -> tuple[Selection, Mapping[str, ImageCheck]]:
    """A history of the older form tells no digests: take those that the tags have now."""
    blank = [choice.image for choice in chosen.choices if choice.image and not choice.image.digest]
    evidence: dict[str, ImageCheck] = {}
    digests: dict[str, str] = {}

    def ask(image: Image) -> None:
        try:
            digests[image.repo] = registry.digest(image.repo, image.tag)
        except NotInRegistry as error:
            evidence[image.repo] = ImageCheck(ImagePresence.GONE, error.why or error.what)
        except RegistryError as error:
            evidence[image.repo] = ImageCheck(ImagePresence.UNKNOWN, error.why or error.what)

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(ask, blank))
    choices = tuple(
        replace(choice, image=replace(choice.image, digest=digests[choice.repo]))
        if choice.image and choice.repo in digests
        else choice
        for choice in chosen.choices
    )
    return replace(chosen, choices=choices), evidence


def _evidence(images: list[Image], registry: Registry) -> dict[str, ImageCheck]:
    def ask(image: Image) -> ImageCheck:
        try:
            now = registry.digest(image.repo, image.tag)
            if image.digest and now != image.digest:
                return ImageCheck(ImagePresence.MOVED, now)
            registry.complete(image.repo, now)
        except NotInRegistry as error:
            return ImageCheck(ImagePresence.GONE, error.why or error.what)
        except RegistryError as error:
            return ImageCheck(ImagePresence.UNKNOWN, error.why or error.what)
        return ImageCheck(ImagePresence.SOUND, now)

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return dict(zip((image.repo for image in images), pool.map(ask, images), strict=True))


def policy_text(on_failure: OnFailure, timeout_s: float) -> str:
    """What happens if one service does not come up, as the plan prints it."""
    then = {
        OnFailure.RESTORE: "everything goes back",
        OnFailure.KEEP: "the others go on",
        OnFailure.STOP: "everything stays as it stands",
    }[on_failure]
    return f"If one is not up within {timeout_s:g} s: {then}."
