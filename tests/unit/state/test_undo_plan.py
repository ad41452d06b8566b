"""The plan that undoes a run: back to what was captured, unless somebody has changed it since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback.core.apps import App, Deployment
from rollback.core.plan import Action, Plan
from rollback.errors import BadInput
from rollback.state import undo_plan
from rollback.state.record import Captured, Header, Record
from rollback.state.undo_plan import UndoRules
from tests.support.image_factory import PROD, app


def steps(*names: str) -> tuple[dict[str, Any], ...]:
    return tuple({"service": n, "repo": f"shop/{n}", "app": f"/ds/prod/shop/{n}"} for n in names)


def definition(image: str, **docker: Any) -> dict[str, Any]:
    return {"container": {"docker": {"image": image, "privileged": True, **docker}, "volumes": [{"a": 1}]}}


def service(name: str, image: str, **members: Any) -> App:
    return app(name, image, **{"definition": definition(image), **members})


BEFORE = (service("billing", "r/billing:2"), service("cart", "r/cart:2"))
AFTER = (service("billing", "r/billing:1", version="v2"), service("cart", "r/cart:1", version="v2"))
BILLING, CART = (one.id for one in BEFORE)
RECORD = Record(
    header=Header("r1", "run", "prod", "m", "2026-11-20", "me", "now", "restore", steps=steps("billing", "cart")),
    captured={one.id: Captured(one, ready=True) for one in BEFORE},
    sent={BILLING: frozenset({"r/billing:1"}), CART: frozenset({"r/cart:1"})},
    deployments=frozenset({"d1"}),
    outcome={},
    lines=(),
    path=Path("r1.jsonl"),
)


def undo(*apps: App, accepted: str = "", record: Record = RECORD) -> Plan:
    return undo_plan.build(record, apps or AFTER, PROD, UndoRules(frozenset(accepted.split(",")) - {""}))


def test_services_can_be_left_out_or_chosen() -> None:
    without = undo_plan.build(RECORD, AFTER, PROD, UndoRules(skip=frozenset({"billing"})))
    alone = undo_plan.build(RECORD, AFTER, PROD, UndoRules(only=frozenset({"billing"})))

    assert [change.app.id for change in without.changes] == [CART]
    assert [change.app.id for change in alone.changes] == [BILLING]
    with pytest.raises(BadInput, match="did not change 'web'"):
        undo_plan.build(RECORD, AFTER, PROD, UndoRules(skip=frozenset({"web"})))


@pytest.mark.parametrize("name", [BILLING, "billing", "shop/billing"])
def test_an_app_is_named_by_its_id_its_service_or_its_repository(name: str) -> None:
    named = frozenset({name})
    hotfixed = (replace(AFTER[0], image="r/billing:hotfix"), AFTER[1])

    without = undo_plan.build(RECORD, AFTER, PROD, UndoRules(skip=named))
    alone = undo_plan.build(RECORD, AFTER, PROD, UndoRules(only=named))

    assert [change.app.id for change in without.changes] == [CART]
    assert [change.app.id for change in alone.changes] == [BILLING]
    assert undo(*hotfixed, accepted=name).reasons == ()


def test_a_hotfix_in_one_service_does_not_keep_the_others_from_going_back() -> None:
    hotfixed = (replace(AFTER[0], image="r/billing:hotfix"), AFTER[1])

    found = undo_plan.build(RECORD, hotfixed, PROD, UndoRules(skip=frozenset({"billing"})))

    assert found.reasons == ()
    assert [change.app.id for change in found.changes] == [CART]
    assert "--skip=billing" in undo(*hotfixed).reasons[0].hint


def test_a_service_whose_write_was_refused_is_named_and_left_alone() -> None:
    services = [{"app": BILLING, "state": "not taken"}, {"app": CART, "state": "changed"}]
    refused = replace(RECORD, outcome={"verdict": "PARTLY", "services": services})
    foreign = (replace(AFTER[0], image="r/billing:hotfix"), AFTER[1])

    found = undo(*foreign, record=refused)

    assert found.reasons == ()
    first = found.steps[0]
    assert (first.service, first.action, first.notes) == ("billing", Action.STAYS, ("that run left it as it was",))


def test_the_plan_shows_what_an_accepted_undo_would_replace() -> None:
    hotfixed = (replace(AFTER[0], image="r/billing:hotfix"), AFTER[1])

    found = undo(*hotfixed, accepted="billing")

    (note,) = found.steps[0].notes
    assert note.startswith("replaces what somebody else changed since: it runs r/billing:hotfix now")


def test_a_service_for_which_a_write_may_still_arrive_is_not_the_same() -> None:
    found = undo_plan.build(RECORD, BEFORE, PROD, UndoRules(unanswered={BILLING: 12.0}))

    assert [change.app.id for change in found.changes] == [BILLING]
    assert "may still arrive" in found.steps[0].notes[0]


def test_everything_the_run_changed_goes_back_to_its_captured_definition() -> None:
    found = undo()

    assert found.reasons == ()
    assert [(c.app.id, c.image, c.definition) for c in found.changes] == [
        (one.id, one.image, one.definition) for one in BEFORE
    ]
    assert [step.service for step in found.steps] == ["billing", "cart"]


def test_what_the_run_did_not_reach_is_not_in_the_plan() -> None:
    half = replace(RECORD, sent={BILLING: frozenset({"r/billing:1"})})

    assert [step.service for step in undo(record=half).steps] == ["billing"]


def test_what_is_back_already_is_left_alone() -> None:
    found = undo(BEFORE[0], AFTER[1])

    assert [step.action for step in found.steps] == [Action.SAME, Action.CHANGE]


def test_another_number_of_instances_is_no_change_and_is_kept() -> None:
    found = undo(replace(AFTER[0], instances=7), AFTER[1])

    assert found.reasons == ()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (service("billing", "r/billing:hotfix"), "it runs r/billing:hotfix now"),
        (service("billing", "r/billing:1", definition=definition("r/billing:1", privileged=False)), "container"),
        (service("billing", "r/billing:1", definition={"container": None}), "container"),
        (service("billing", "r/billing:1", marks={"env": "other"}), "changed: env"),
        (service("billing", "", definition={}), "it runs no image now"),
    ],
)
def test_what_somebody_has_changed_since_is_refused_by_name(now: App, told: str) -> None:
    (reason,) = undo(now, AFTER[1]).reasons

    assert "billing: somebody has changed it since the run r1" in reason.what
    assert told in reason.why
    assert "--accept-moved=billing" in reason.hint


def test_accepted_it_goes_back_all_the_same() -> None:
    found = undo(service("billing", "r/billing:hotfix"), AFTER[1], accepted="billing")

    assert found.reasons == ()
    assert found.changes[0].image == "r/billing:2"


def test_a_service_that_the_run_did_not_change_cannot_be_accepted() -> None:
    with pytest.raises(BadInput, match="did not change 'web'"):
        undo(accepted="billing,web")


def test_an_app_that_is_gone_is_a_reason() -> None:
    (reason,) = undo(AFTER[1]).reasons

    assert f"no longer shows {BILLING}" in reason.what


def test_the_same_image_with_another_definition_around_it_goes_back_when_accepted() -> None:
    edited = service("billing", "r/billing:2", definition=definition("r/billing:2", privileged=False))

    found = undo(edited, AFTER[1], accepted="billing")

    assert found.steps[0].action is Action.CHANGE
    assert found.changes[0].definition == BEFORE[0].definition


def test_a_pinned_image_written_by_the_run_is_the_runs_own() -> None:
    pinned = "r/billing:1@sha256:" + "0" * 64
    record = replace(RECORD, sent={BILLING: frozenset({pinned})})

    assert undo(service("billing", pinned), record=record).reasons == ()


def test_an_app_that_was_not_up_before_is_noted() -> None:
    record = replace(RECORD, captured={one.id: Captured(one, ready=False) for one in BEFORE})

    assert undo(record=record).steps[0].notes == ("it was not up before that run either",)


def test_the_runs_own_deployment_is_known_by_its_id() -> None:
    assert undo_plan.is_of(RECORD, undo(), Deployment("d1", (BILLING,)))
    assert not undo_plan.is_of(RECORD, undo(), Deployment("d2", (BILLING,)))


def test_a_deployment_whose_answer_was_lost_is_known_by_its_apps() -> None:
    unsure = replace(RECORD, unsure=frozenset({BILLING}))

    assert undo_plan.is_of(unsure, undo(), Deployment("d2", (BILLING, CART)))
    assert not undo_plan.is_of(unsure, undo(), Deployment("d2", (CART,)))
    assert not undo_plan.is_of(unsure, undo(), Deployment("d2", (BILLING, "/ds/prod/shop/web")))
    moved = undo(service("billing", "r/billing:hotfix"), AFTER[1], accepted="billing")
    assert not undo_plan.is_of(unsure, moved, Deployment("d2", (BILLING,)))
