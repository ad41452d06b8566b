"""Every reason to say no before the first write."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import plan, preflight
from rollback.core.apps import Deployment, Remark
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Environment, Plan
from rollback.core.preflight import ImageCheck, ImagePresence
from rollback.core.timestamps import Instant
from rollback.errors import Reason
from tests.support.image_factory import HOST, PROD, app, built, day_of, image
from tests.support.local_zone import local_zone

DAY = "2026-11-20"
MASTER = EnvironmentTags("master")
URL = f"https://{HOST}"
HELD = built([image("shop/billing:1-master", DAY), image("shop/cart:1-master", DAY)])
APPS = (app("billing", f"{HOST}/shop/billing:2-master"), app("cart", f"{HOST}/shop/cart:1-master"))
PLAN: Plan = plan.build(select(HELD, day_of(DAY)), APPS, PROD, "m", Rules())
(CHANGED,) = (step.after for step in PLAN.steps if step.action is plan.Action.CHANGE)
SOUND = {CHANGED: ImageCheck(ImagePresence.SOUND)}


def against(evidence: dict[str, ImageCheck], *deployments: Deployment) -> tuple[Reason, ...]:
    return preflight.of_plan(PLAN, evidence, deployments, URL)


def test_with_sound_evidence_nothing_stands_against_it() -> None:
    assert against(SOUND) == ()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (ImagePresence.GONE, "is no longer in"),
        (ImagePresence.MOVED, "names another image than when the history was made"),
        (ImagePresence.UNKNOWN, "cannot be looked up"),
    ],
)
def test_gone_moved_and_not_to_be_asked_are_three_refusals(found: ImagePresence, told: str) -> None:
    (reason,) = against({CHANGED: ImageCheck(found, "in its own words")})

    assert told in reason.what
    assert "in its own words" in reason.why
    assert (reason.service, bool(reason.hint)) == ("billing", True)


def test_no_evidence_is_no_permission() -> None:
    (reason,) = against({})

    assert "cannot be looked up" in reason.what


def test_what_stays_the_same_needs_no_evidence_and_no_lock() -> None:
    held = Deployment("d1", ("/ds/prod/shop/cart",))

    assert against(SOUND, held) == ()


def test_a_deployment_that_holds_an_app_is_named_with_its_start() -> None:
    held = Deployment("d1", ("/other", "/ds/prod/shop/billing"), since="2026-11-22T03:00:00Z")

    with local_zone("Europe/Berlin"):
        (reason,) = against(SOUND, held)

    assert "/ds/prod/shop/billing is locked" in reason.what
    assert reason.why == "deployment d1 runs, since 2026-11-22 03:00 UTC (04:00 CET)"


def test_a_deployment_that_holds_several_apps_is_one_reason() -> None:
    both = plan.build(
        select(HELD, day_of(DAY)),
        (APPS[0], app("cart", f"{HOST}/shop/cart:2-master")),
        PROD,
        "m",
        Rules(),
    )
    held = [
        Deployment("d1", ("/ds/prod/shop/billing", "/ds/prod/shop/cart")),
        Deployment("d2", ("/ds/prod/shop/cart",)),
    ]

    first, second = preflight.of_locks(both, held)

    assert first.what == "billing, cart: /ds/prod/shop/billing, /ds/prod/shop/cart are locked by a deployment"
    assert (first.why, second.why) == ("deployment d1 runs", "deployment d2 runs")
    assert second.what == "cart: /ds/prod/shop/cart is locked by a deployment"


def test_a_registry_that_cannot_be_reached_is_one_reason_for_all_and_a_gone_image_one_of_its_own() -> None:
    apps = (APPS[0], app("cart", f"{HOST}/shop/cart:2-master"))
    both = plan.build(select(HELD, day_of(DAY)), apps, PROD, "m", Rules())
    down = {step.after: ImageCheck(ImagePresence.UNKNOWN, "connection refused") for step in both.steps}
    gone = {step.after: ImageCheck(ImagePresence.GONE, "404") for step in both.steps}

    (one,) = preflight.of_plan(both, down, (), URL)
    two = preflight.of_plan(both, gone, (), URL)

    assert one.what.startswith("billing, cart: whether their 2 images are still there cannot be looked up")
    assert URL in one.what
    assert one.why == "connection refused"
    assert [reason.service for reason in two] == ["billing", "cart"]


def test_what_is_said_of_several_services_in_the_same_words_is_one_reason() -> None:
    apps = (APPS[0], app("cart", f"{HOST}/shop/cart:2-master"))
    older = built([*HELD.images, image("shop/catalog:1-master", "2026-11-10")])
    catalog = app("catalog", f"{HOST}/shop/catalog:1-master")
    early = plan.build(select(older, day_of("2026-11-10")), (*apps, catalog), PROD, "m", Rules(strict=True))
    both = plan.build(select(HELD, day_of(DAY)), apps, PROD, "m", Rules())
    forbidden = [
        Remark(step.app.id, "may not be patched", "403", "grant it", blocks=True) for step in both.steps if step.app
    ]

    (missing,) = preflight.of_plan(early, {}, (), URL)
    (right,) = preflight.of_remarks(both, forbidden)

    assert missing == Reason(
        "billing, cart: nothing on or before this date",
        "--strict requires an image of every service",
        "choose a later date, or leave out --strict to let it stay as it is",
        "billing, cart",
    )
    assert right == Reason("billing, cart: may not be patched", "403", "grant it", "billing, cart")


def test_deployments_of_others_do_not_matter() -> None:
    assert against(SOUND, Deployment("d1", ("/ds/prod/shop/billing-api", "/ds/prod/shop"))) == ()


def test_all_reasons_are_told_at_once_those_of_the_plan_first() -> None:
    stopped = replace(PLAN, reasons=(Reason("the plan's own"),))

    told = preflight.of_plan(stopped, {}, [Deployment("d1", ("/ds/prod/shop/billing",))], URL)

    assert [reason.what.split()[0] for reason in told] == ["the", "billing:", "billing:"]


def test_a_history_of_this_environment_is_accepted() -> None:
    assert preflight.of_history(HELD, PROD, MASTER) == ()


def test_a_history_of_another_environment_is_refused_with_both_ways_out() -> None:
    (reason,) = preflight.of_history(HELD, Environment("stage", "stage"), EnvironmentTags("stage"))

    assert "of prod, not of stage" in reason.what
    assert "make one of stage with `rollback get`" in reason.hint
    assert "--env=prod" in reason.hint


def test_a_history_that_does_not_name_its_environment_is_known_by_its_tags() -> None:
    plain = replace(HELD, env="", tag_env="")

    (reason,) = preflight.of_history(plain, Environment("preprod", "premaster"), EnvironmentTags("premaster"))

    assert "1-master is not one of its tags" in reason.why
    assert preflight.of_history(plain, PROD, MASTER) == ()


def test_a_history_that_names_its_tags_alone_gives_a_command_that_can_be_typed() -> None:
    (reason,) = preflight.of_history(replace(HELD, env=""), Environment("stage", "stage"), EnvironmentTags("stage"))

    assert reason.hint.endswith("--env=master")


def test_a_history_older_than_allowed_is_refused() -> None:
    later = Instant.parse("2026-11-23T04:00:01Z")

    assert preflight.of_age(HELD, later, 24 * 3600)
    assert preflight.of_age(HELD, Instant.parse("2026-11-23T04:00:00Z"), 24 * 3600) == ()
    assert preflight.of_age(HELD, later, 0) == ()
