"""The plan that undoes a run: back to what its record captured, unless somebody has changed a service since. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from rollback.core.apps import App, Deployment, with_image, without_image
from rollback.core.image_selection import Match
from rollback.core.matching import service_of
from rollback.core.plan import Action, Environment, Plan, Step, images_text
from rollback.errors import BadInput, Reason
from rollback.state.record import Captured, Record
from rollback.state.undo_choice import left_changed

LEFT_OUT = "left out"


@dataclass(frozen=True)
class UndoRules:
    """Which services an undo is about.

    Attributes:
        accepted: what goes back although somebody has changed it since: rows, services, repositories or app ids.
        only: to what it is narrowed, likewise; empty for all.
        skip: what is left out, likewise.
        unanswered: by app id, for how many seconds a write of the undone run may still arrive.
    """

    accepted: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()
    unanswered: Mapping[str, float] = field(default_factory=dict)


def build(record: Record, apps: Iterable[App], env: Environment, rules: UndoRules) -> Plan:
    """Plan an undo.

    Args:
        record: the run that is undone.
        apps: what the target runs now.
        env: the run's environment.
        rules: which services it is about.

    Raises:
        BadInput: one of the rules names a service that the run did not change.
    """
    running = {app.id: app for app in apps}
    names = {step["app"]: (step["service"], step["repo"]) for step in record.header.steps if step.get("app")}
    called = {app_id: _called(app_id, *names.get(app_id, (service_of(app_id), ""))) for app_id in record.sent}
    services = {names.get(app_id, (service_of(app_id), ""))[0] for app_id in record.sent}
    for name in sorted((rules.accepted | rules.only | rules.skip).difference(*called.values())):
        raise BadInput(
            f"the run {record.header.run} did not change {name!r:.80}",
            why=f"it changed {', '.join(sorted(services))}",
            hint="check --accept-moved, --only and --skip",
        )
    left = left_changed(record)
    steps: list[Step] = []
    reasons: list[Reason] = []
    for app_id in record.sent:
        service, repo = names.get(app_id, (service_of(app_id), ""))
        before, now = record.captured[app_id], running.get(app_id)
        left_out = bool(called[app_id] & rules.skip) or bool(rules.only and not called[app_id] & rules.only)
        if left_out or app_id not in left:
            note = LEFT_OUT if left_out else "that run left it as it was"
            steps.append(Step(service, repo, Action.STAYS, Match.EXACT, now, notes=(note,)))
            continue
        if now is None:
            reasons.append(
                Reason(
                    f"{service}: the target no longer shows {app_id}",
                    why="it was removed, or this user may not see it",
                    hint="bring it back first, or log in as somebody who may see it",
                    service=service,
                )
            )
            continue
        moved = _moved(before, now, record.sent[app_id])
        if moved and not called[app_id] & rules.accepted:
            reasons.append(
                Reason(
                    f"{service}: somebody has changed it since the run {record.header.run}",
                    why=moved,
                    hint=f"keep it and undo the others with --skip={service}, or put it back all the same with "
                    f"--accept-moved={service}",
                    service=service,
                )
            )
        steps.append(_step(service, repo, before, now, moved, pending=app_id in rules.unanswered))
    return Plan(env, record.header.target, record.header.run, tuple(steps), tuple(reasons))


def _called(app_id: str, row: str, repo: str) -> frozenset[str]:
    """What a user may call an app: its id, its row, its repository, or the service that both name."""
    return frozenset({app_id, row, repo, repo.rpartition("/")[2], service_of(app_id)} - {""})


def _step(service: str, repo: str, before: Captured, now: App, moved: str, *, pending: bool) -> Step:
    back = before.app
    images = (
        {} if back.restore_image else {part.name: part.image for part in back.parts if part.name in back.selected}
    )
    same = now.image == back.restore_image and not _differences(back, now) and not pending
    notes = [] if before.ready else ["it was not up before that run either"]
    if moved:
        notes.append(f"replaces what somebody else changed since: {moved}")
    if pending:
        notes.append("a write of that run got no answer and may still arrive")
    if images:
        notes.append(f"its containers get different images: {images_text(back)}")
    if back.inexact:
        notes.append(f"cannot bring back the exact image: {back.image} may name another one by now")
    return Step(
        service,
        repo,
        Action.SAME if same else Action.CHANGE,
        Match.EXACT,
        now,
        after=back.restore_image,
        notes=() if same else tuple(notes),
        captured=with_image(back.definition, back.image, back.restore_image),
        images=images,
    )


def is_of(record: Record, plan: Plan, deployment: Deployment) -> bool:
    """Whether a running deployment is one that the undone run began, so that it may be rolled back.

    One whose answer was lost is known by its apps: the run was left without an answer about one of them, it holds
    none that the run did not change, and all of them run what the run sent.
    """
    if deployment.id in record.deployments:
        return True
    if record.unsure.isdisjoint(deployment.apps):
        return False
    now = {step.app.id: step.app.image for step in plan.steps if step.app}
    return bool(deployment.apps) and all(
        now.get(app_id) in record.sent.get(app_id, frozenset()) for app_id in deployment.apps
    )


def _moved(before: Captured, now: App, sent: frozenset[str]) -> str:
    """What somebody else has changed since; empty if nothing."""
    differences = []
    if now.image not in sent | {before.app.image, before.app.restore_image}:
        differences.append(f"it runs {now.image or 'no image'} now")
    changed = _differences(before.app, now)
    if before.back is not None:  # an undo writes more than an image: what it has written is no surprise
        written = replace(before.app, definition=before.back, image=now.image)
        changed = [key for key in changed if key in _differences(written, now)]
    if changed:
        differences.append(f"changed: {', '.join(changed)}")
    return "; ".join(differences)


def _differences(before: App, now: App) -> list[str]:
    """The members of its configuration that differ, the image itself and the number of instances left aside."""
    changed = {
        key
        for key in {*before.definition, *now.definition}
        if without_image(before.definition.get(key), before.image)
        != without_image(now.definition.get(key), now.image)
    }
    changed |= {key for key in {*before.marks, *now.marks} if before.marks.get(key) != now.marks.get(key)}
    return sorted(changed)
