"""An undo in another process: what a record holds of a pod template, and what comes back of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollback.core.apps import App, Change
from rollback.core.plan import Plan
from rollback.state import record_format, undo_plan
from rollback.state.record import Captured, Header, Record, app_json
from rollback.state.undo_plan import UndoRules
from rollback.targets.kubernetes import Kubernetes
from tests.support.image_factory import PROD
from tests.support.kubernetes.memory_api import MemoryApi
from tests.support.kubernetes.workload_factory import APPS, NEW, OLD, Make, workload

WEB = f"{APPS}/deployments/web"
SECRET = {"name": "PASSWORD", "value": "hunter2-in-clear"}


def recorded(app: App) -> tuple[Captured, str]:
    """An app as a record holds it, and the text of that."""
    text = json.dumps(app_json(app), default=dict)
    return Captured(App(**record_format.members(App, json.loads(text))), ready=True), text


def after_a_run(api: MemoryApi, make: Make, *images: str) -> tuple[Record, str]:
    """What a run leaves that has given the older image to all containers of a Deployment, and the record's text."""
    api.add(f"{APPS}/deployments", "web", **workload(*images))
    containers(api)[0]["env"] = [SECRET]
    target = make()
    (app,) = target.apps("prod")
    captured, text = recorded(app)
    target.update([Change(app, OLD)])
    steps = ({"service": "web", "repo": "shop/web", "app": app.id},)
    header = Header("r1", "run", "prod", target.name, "2026-11-20", "me", "now", "restore", steps=steps)
    sent = {app.id: frozenset({OLD})}
    return Record(header, {app.id: captured}, sent, frozenset(), {}, (), Path("r1.jsonl")), text


def undone(past: Record, target: Kubernetes, accepted: str = "") -> Plan:
    made = undo_plan.build(past, target.apps("prod"), PROD, UndoRules(frozenset({accepted} - {""})))
    if not made.reasons:
        assert target.check_changes(made.changes) == ()
        target.update(made.changes)
    return made


def containers(api: MemoryApi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.objects[WEB]["spec"]["template"]["spec"]["containers"]
    return found


def test_nothing_of_a_pod_template_is_recorded_but_images_and_fingerprints(api: MemoryApi, make: Make) -> None:
    past, text = after_a_run(api, make, NEW)

    undone(past, make())

    assert "hunter2" not in text
    assert "PASSWORD" not in text
    assert [(one["image"], one["env"]) for one in containers(api)] == [(NEW, [SECRET])]


@pytest.mark.parametrize(
    ("member", "named"),
    [
        ({"env": [{"name": "PASSWORD", "value": "another"}]}, "container c0"),
        ({"resources": {"limits": {"memory": "1Gi"}}}, "container c0"),
    ],
)
def test_a_container_that_somebody_has_changed_since_is_named_and_kept_on_request(
    api: MemoryApi, make: Make, member: dict[str, Any], named: str
) -> None:
    past, _ = after_a_run(api, make, NEW)
    containers(api)[0].update(member)

    refused = undone(past, make())
    image = containers(api)[0]["image"]
    undone(past, make(), accepted="web")

    assert [reason.why for reason in refused.reasons] == [f"changed: {named}"]
    assert image == OLD
    assert {**containers(api)[0], **member, "image": NEW} == containers(api)[0]


def test_another_member_of_the_template_that_somebody_has_changed_is_named(api: MemoryApi, make: Make) -> None:
    past, _ = after_a_run(api, make, NEW)
    api.objects[WEB]["spec"]["template"]["spec"]["volumes"] = [{"name": "data"}]
    api.objects[WEB]["spec"]["template"]["metadata"]["annotations"] = {"restartedAt": "now"}

    assert [reason.why for reason in undone(past, make()).reasons] == ["changed: pod annotations, pod volumes"]


def test_containers_that_had_different_images_get_them_back(api: MemoryApi, make: Make) -> None:
    older = "r.example.com/shop/web:0"
    past, _ = after_a_run(api, make, NEW, older, "r.example.com/proxy:1")

    made = undone(past, make())

    assert [one["image"] for one in containers(api)] == [NEW, older, "r.example.com/proxy:1"]
    assert past.captured["shop/deployment/web"].app.images == (NEW, older)  # a run withdraws them, and `check` knows
    assert made.changes[0].brings == (NEW, older)
    assert f"its containers get different images: c0 {NEW}, c1 {older}" in made.steps[0].notes
    assert api.writes[-1][-1]["value"] == f"rollback: c0, c1 {OLD} -> {NEW}, {older}"


def test_a_restore_brings_back_different_images_too(api: MemoryApi, make: Make) -> None:
    older = "r.example.com/shop/web:0"
    api.add(f"{APPS}/deployments", "web", **workload(NEW, older))
    target = make()
    (app,) = target.apps("prod")

    target.update([Change(app, OLD)])
    target.update([Change(app, app.restore_image)])

    assert [one["image"] for one in containers(api)] == [NEW, older]
