"""A plan as a file: what was approved is what runs, or it is refused with the difference. Pure.

The file holds no definition and no secret: a service is known by its app's id and by the version and image that the
app had when the plan was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from rollback.core import json_text
from rollback.core.apps import App, Status
from rollback.core.direction import DIRECTIONS
from rollback.core.image import Basis, CreatedFrom, Image
from rollback.core.image_selection import Match
from rollback.core.plan import Action, Environment, Plan, Step
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Reason

SCHEMA = 1
_KIND = "rollback plan"


@dataclass(frozen=True)
class Approved:
    """A plan as it was written to a file.

    Attributes:
        plan: its steps name apps by id, image and version alone; `held_against` gives them back their apps.
        registry: URL of the registry that it was checked against.
        made: RFC 3339 time at which it was made.
        on_failure: the policy that was shown with it.
        timeout_s: seconds that a service may take to come up.
        fingerprint: of the file's content.
        identity: of the target's cluster, whatever its address; empty in a file of version 0.1.
        configurations: by app id, the fingerprint of its configuration; empty in a file of version 0.1.
    """

    plan: Plan
    registry: str
    made: str
    on_failure: str
    timeout_s: float
    fingerprint: str
    identity: str = ""
    configurations: Mapping[str, str] = field(default_factory=dict)


def dumps(plan: Plan, *, identity: str, registry: str, made: str, on_failure: str, timeout_s: float) -> str:
    """The text of a plan file."""
    content = {
        "kind": _KIND,
        "schema": SCHEMA,
        "made": made,
        "env": plan.env.name,
        "tag_env": plan.env.tag,
        "target": plan.target,
        "identity": identity,
        "registry": registry,
        "as_of": plan.as_of,
        "until": str(plan.until) if plan.until else None,
        "basis": plan.basis.value,
        "on_failure": on_failure,
        "timeout_s": timeout_s,
        "warnings": list(plan.warnings),
        "steps": [_step_json(step) for step in plan.steps],
    }
    return json.dumps({**content, "fingerprint": _fingerprint(content)}, indent=1, ensure_ascii=False) + "\n"


def _step_json(step: Step) -> dict[str, Any]:
    image = step.image
    return {
        "service": step.service,
        "repo": step.repo,
        "action": step.action.value,
        "match": step.match.value,
        "app": {"id": step.app.id, "version": step.app.version, "configuration": step.app.fingerprint}
        if step.app
        else None,
        "before": step.before,
        "after": step.after,
        "image": {
            "tag": image.tag,
            "digest": image.digest,
            "created": str(image.created),
            "created_from": image.created_from.value,
        }
        if image
        else None,
        "notes": list(step.notes),
        "released": step.released.isoformat() if step.released else None,
        "basis": step.basis.value,
        "direction": step.direction,
    }


def _fingerprint(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def loads(text: str, name: str) -> Approved:
    """Read a plan file.

    Args:
        text: its content.
        name: its name, for errors.

    Raises:
        BadInput: it is not a plan file, or was changed after it was made.
    """
    try:
        data = json_text.loads(text)
        if data["kind"] != _KIND or data["schema"] != SCHEMA:
            raise ValueError(f"it is not a {_KIND} of schema {SCHEMA}")
        content = {key: value for key, value in data.items() if key != "fingerprint"}
        if data["fingerprint"] != _fingerprint(content):
            raise ValueError("it was changed after it was made: its fingerprint does not fit")
        plan = Plan(
            Environment(data["env"], data["tag_env"]),
            data["target"],
            data["as_of"],
            tuple(_step(entry) for entry in data["steps"]),
            warnings=tuple(data["warnings"]),
            until=Instant.parse(data["until"]) if data["until"] else None,
            basis=Basis(data.get("basis", Basis.BUILT.value)),
        )
        return Approved(
            plan,
            data["registry"],
            data["made"],
            data["on_failure"],
            float(data["timeout_s"]),
            data["fingerprint"],
            str(data.get("identity", "")),
            {
                entry["app"]["id"]: str(entry["app"].get("configuration", ""))
                for entry in data["steps"]
                if entry["app"]
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"the member {error} is missing" if isinstance(error, KeyError) else str(error)
        raise BadInput(f"{name} cannot be used", why=why, hint="make a new one with `rollback plan --out`") from error


def _step(entry: Mapping[str, Any]) -> Step:
    app, image = entry["app"], entry["image"]
    direction = entry.get("direction", "")
    if direction not in DIRECTIONS:
        raise ValueError(f"there is no direction {direction!r:.40}")
    return Step(
        entry["service"],
        entry["repo"],
        Action(entry["action"]),
        Match(entry["match"]),
        App(app["id"], entry["before"], app["version"], 1, checked=False) if app else None,
        Image(
            entry["repo"],
            image["tag"],
            Instant.parse(image["created"]),
            image["digest"],
            CreatedFrom(image["created_from"]),
        )
        if image
        else None,
        entry["after"],
        tuple(entry["notes"]),
        date.fromisoformat(entry["released"]) if entry["released"] else None,
        basis=Basis(entry.get("basis", Basis.BUILT.value)),
        direction=direction,
    )


def held_against(approved: Approved, apps: Iterable[App], target: str, identity: str) -> Plan:
    """The approved plan with the apps as they are now, and a reason for each difference.

    Args:
        approved: as it was read.
        apps: everything that the target runs.
        target: the target's name.
        identity: of its cluster; the names are compared where the file has none.
    """
    plan = approved.plan
    if approved.identity != identity if approved.identity else plan.target != target:
        why = f"the plan is for {plan.target}, and this is {target}"
        reason = Reason("this plan was made for another target", why=why, hint="name that target with --target")
        return replace(plan, reasons=(reason,))
    running = {app.id: app for app in apps}
    steps: list[Step] = []
    reasons: list[Reason] = []
    for step in plan.steps:
        now = running.get(step.app.id) if step.app else None
        if step.app and step.action is not Action.STAYS:
            reasons += moved(step, now, approved.configurations.get(step.app.id, ""))
        steps.append(replace(step, app=now))
    return replace(plan, steps=tuple(steps), reasons=tuple(reasons))


def moved(step: Step, now: App | Status | None, configuration: str = "") -> tuple[Reason, ...]:
    """Whether somebody has changed an app since it was planned.

    The configurations are compared by their fingerprints: on Marathon one version may name two of them, and the same
    one may come back under another version. Versions are compared only where a fingerprint is not known.

    Args:
        step: with the app as it was then.
        now: the app as it is; None if the target does not show it.
        configuration: the fingerprint that its configuration had then; empty if unknown.
    """
    if step.app is None:
        return ()
    known = bool(configuration and now and now.fingerprint)
    if now is None:
        why = "the target no longer shows it"
    elif now.image != step.app.image:
        why = f"then it ran {step.app.image}, now {now.image or 'no image'}"
    elif known and now.fingerprint != configuration:
        why = "something beside its image is configured differently now"
    elif not known and now.version != step.app.version:
        why = f"then its configuration had the version {step.app.version}, now {now.version}"
    else:
        return ()
    return (
        Reason(
            f"{step.service}: {step.app.id} has changed since the plan was shown",
            why=why,
            hint="look at a new plan",
            service=step.service,
        ),
    )
