"""What an approved plan does not say, or says wrongly, is found again in what runs now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import image_selection, plan, plan_verification
from rollback.core.apps import App
from rollback.core.matching import Rules
from rollback.core.plan import Plan
from rollback.core.timestamps import Instant
from tests.support.image_factory import PROD, app, built, day_of, image, runs

WEB, WORKER = app("web", runs("shop/web:2-master")), app("web-worker", runs("shop/web:2-master"))
NAMED = Rules(apps={"web": ("/ds/prod/shop/web",)})


def made(*apps: App, rules: Rules | None = None) -> Plan:
    chosen = image_selection.select(built([image("shop/web:1-master", "2026-11-20")]), day_of("2026-11-20"))
    return plan.build(chosen, apps, PROD, "m", rules or Rules())


@pytest.mark.parametrize(("tag", "differs"), [("2-master", True), ("1-master", False)])
def test_an_app_that_is_not_in_apps_is_named_again_with_what_it_runs_now(tag: str, differs: bool) -> None:
    blue = app("web-blue", runs(f"shop/web:{tag}"))
    approved = replace(made(WEB, blue, rules=NAMED), others=())  # a plan file has none

    found = plan_verification.found_apps(approved, (WEB, blue), NAMED)
    (other,) = plan_verification.left_out(approved, found)

    assert (other.app, other.reason, other.differs) == ("/ds/prod/shop/web-blue", "not in apps:", differs)
    assert plan_verification.of_fleet(approved, found) == ()


def test_an_app_that_was_started_since_the_plan_is_a_reason() -> None:
    approved = made(WEB)

    (reason,) = plan_verification.of_fleet(approved, plan_verification.found_apps(approved, (WEB, WORKER), Rules()))

    assert reason.what == "/ds/prod/shop/web-worker is not in the plan"
    assert "it runs shop/web" in reason.why
    assert "make a new plan" in reason.hint


def test_an_app_that_the_plan_leaves_out_on_request_is_known_to_it() -> None:
    approved = made(WEB, WORKER, rules=Rules(skip=frozenset({"web-worker"})))

    found = plan_verification.found_apps(approved, (WEB, WORKER), Rules())

    assert plan_verification.of_fleet(approved, found) == ()
    assert plan_verification.left_out(approved, found) == ()


@pytest.mark.parametrize(
    ("as_of", "until", "right"),
    [
        ("2026-11-20", "2026-11-20T23:59:59.999999Z", True),
        ("2026-11-20", "2026-11-21T07:59:59.999999Z", True),
        ("2026-11-20", "2026-11-29T23:59:59.999999Z", False),
        ("2026-11-20T14:30+01:00", "2026-11-20T13:30:00Z", True),
        ("2026-11-20T23:59:59+00:00", "2026-11-20T23:59:59.999999Z", True),
        ("2026-11-20T14:30+01:00", "2026-11-20T14:30:00Z", False),
        ("2026-11-20", "", False),
        ("yesterday", "2026-11-20T23:59:59Z", False),
        ("someday", "2026-11-20T23:59:59Z", False),
    ],
)
def test_the_moment_of_a_plan_has_to_be_that_of_its_date(as_of: str, until: str, right: bool) -> None:
    approved = replace(made(WEB), as_of=as_of, until=Instant.parse(until) if until else None)

    reasons = plan_verification.of_moment(approved)

    assert [reason.what for reason in reasons] == (
        [] if right else ["the plan's moment does not follow from its date"]
    )
