"""A plan file brings back the plan that was approved, or says what is not as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rollback.core import image_selection, matching, plan, plan_file
from rollback.core.apps import App
from rollback.core.plan import Action, Plan
from rollback.core.plan_file import Approved
from rollback.errors import BadInput
from tests.support.image_factory import PROD, app, built, day_of, image, runs

TARGET = "marathon at https://dcos.example.com"
APPS = (app("billing", runs("shop/billing:2-master")), app("web", runs("shop/web:1-master")))


def made(apps: tuple[App, ...] = APPS) -> Plan:
    history = built([image("shop/billing:1-master", "2026-11-20"), image("shop/web:1-master", "2026-11-18")])
    chosen = image_selection.select(history, day_of("2026-11-20"))
    return plan.build(chosen, apps, PROD, TARGET, matching.Rules(host="registry.example.com"))


def written(plan_: Plan, identity: str = "") -> str:
    return plan_file.dumps(
        plan_,
        identity=identity,
        registry="https://registry.example.com",
        made="2026-11-22T04:00:00Z",
        on_failure="stop",
        timeout_s=90,
    )


def read(text: str) -> Approved:
    return plan_file.loads(text, "p.json")


def test_what_is_read_back_is_the_plan_that_was_written() -> None:
    before = made()

    approved = read(written(before))

    assert plan_file.held_against(approved, APPS, TARGET, "") == before
    assert (approved.on_failure, approved.timeout_s, approved.registry) == (
        "stop",
        90,
        "https://registry.example.com",
    )


def test_the_rows_say_what_the_plan_said_of_their_direction() -> None:
    before = made()
    steps = (replace(before.steps[0], direction="back"), *before.steps[1:])

    approved = read(written(replace(before, steps=steps)))

    assert [step.direction for step in plan_file.held_against(approved, APPS, TARGET, "").steps] == ["back", ""]
    with pytest.raises(BadInput, match=r"p\.json cannot be used"):
        read(written(replace(before, steps=(replace(before.steps[0], direction="up\x1b[2J"),))))


def test_the_file_holds_no_definition() -> None:
    secret = app("billing", runs("shop/billing:2-master"), definition={"container": "PASSWORD=s3cret"})

    assert "s3cret" not in written(made((secret, APPS[1])))


@pytest.mark.parametrize(
    "change", [("as_of", "2026-11-19"), ("env", "stage"), ("timeout_s", 1), ("on_failure", "keep")]
)
def test_a_file_that_was_changed_is_refused(change: tuple[str, object]) -> None:
    data = json.loads(written(made()))
    data[change[0]] = change[1]

    with pytest.raises(BadInput, match="cannot be used") as caught:
        read(json.dumps(data))

    assert "fingerprint" in caught.value.why


def test_an_image_swapped_in_the_file_is_refused() -> None:
    text = written(made()).replace("1-master", "0-master")

    with pytest.raises(BadInput):
        read(text)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"kind": "rollback plan"}', "[" * 100_000, '{"kind": 1}'])
def test_what_is_no_plan_file_is_refused_with_a_next_step(text: str) -> None:
    with pytest.raises(BadInput, match="cannot be used") as caught:
        read(text)

    assert "plan --out" in caught.value.hint


@pytest.mark.parametrize(("identity", "refused"), [("marathon a", 0), ("marathon b", 1)])
def test_one_cluster_by_another_address_is_the_plans_target_and_another_cluster_is_not(
    identity: str, refused: int
) -> None:
    approved = read(written(made(), "marathon a"))

    held = plan_file.held_against(approved, APPS, "marathon at http://localhost", identity)

    assert len(held.reasons) == refused


def test_another_target_is_refused_with_both_names() -> None:
    held = plan_file.held_against(read(written(made())), APPS, "dcos at https://other.example.com", "")

    assert [TARGET in reason.why and "other.example.com" in reason.why for reason in held.reasons] == [True]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"image": runs("shop/billing:3-master")}, "now registry.example.com/shop/billing:3-master"),
        ({"marks": {"env": "other"}}, "something beside its image"),
    ],
)
def test_an_app_that_moved_since_is_refused_with_the_difference(now: dict[str, Any], told: str) -> None:
    apps = (replace(APPS[0], **now), APPS[1])

    held = plan_file.held_against(read(written(made())), apps, TARGET, "")

    assert [(reason.service, told in reason.why) for reason in held.reasons] == [("billing", True)]


def test_the_same_configuration_under_another_version_has_not_moved() -> None:
    held = plan_file.held_against(read(written(made())), (replace(APPS[0], version="v0"), APPS[1]), TARGET, "")

    assert held.reasons == ()


def test_a_file_without_fingerprints_of_configurations_is_compared_by_version() -> None:
    approved = replace(read(written(made())), configurations={})

    held = plan_file.held_against(approved, (replace(APPS[0], version="v2"), APPS[1]), TARGET, "")

    assert ["now v2" in reason.why for reason in held.reasons] == [True]


def test_an_app_that_is_gone_is_refused() -> None:
    held = plan_file.held_against(read(written(made())), APPS[1:], TARGET, "")

    assert [reason.service for reason in held.reasons] == ["billing"]


def test_an_app_that_stays_may_move() -> None:
    narrowed = plan.build(
        image_selection.select(
            built([image("shop/billing:1-master", "2026-11-20"), image("shop/web:1-master", "2026-11-18")]),
            day_of("2026-11-20"),
        ),
        APPS,
        PROD,
        TARGET,
        matching.Rules(host="registry.example.com", skip=frozenset({"web"})),
    )

    held = plan_file.held_against(read(written(narrowed)), (APPS[0], replace(APPS[1], version="v9")), TARGET, "")

    assert held.reasons == ()
    assert [step.action for step in held.steps] == [Action.CHANGE, Action.STAYS]
