"""What else deploys the apps of a plan: refused, accepted, or noted."""

from __future__ import annotations

from dataclasses import replace

from rollback.core import owner_conflicts, plan, preflight
from rollback.core.apps import App, Owner, Remark
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Plan
from tests.support.image_factory import HOST, PROD, app, built, day_of, image

DAY = "2026-11-20"
HELD = built([image(f"shop/{name}:1-master", DAY) for name in ("billing", "cart", "web")])
SYNC = Owner("sync", "Sync of shop", "puts its own image back", reverts=True, suspend="sync off shop")
RELEASE = Owner("release", "release shop", "brings its own image back at the next release", reverts=False)


def planned(**of: tuple[Owner, ...]) -> Plan:
    apps: list[App] = [
        replace(app(name, f"{HOST}/shop/{name}:{'1' if name == 'web' else '2'}-master"), owners=its)
        for name, its in of.items()
    ]
    return plan.build(select(HELD, day_of(DAY)), apps, PROD, "m", Rules())


def test_one_owner_of_several_services_is_one_reason_with_its_command_and_option() -> None:
    (reason,) = owner_conflicts.reasons(planned(billing=(SYNC,), cart=(SYNC,)), frozenset())

    assert reason.what == "billing, cart: Sync of shop puts its own image back"
    assert "sync off shop" in reason.hint
    assert reason.hint.endswith("--accept-owner=sync")
    assert reason.service == ""


def test_each_instance_of_an_owner_is_a_reason_of_its_own() -> None:
    other = replace(SYNC, instance="Sync of cart", suspend="")
    reasons = owner_conflicts.reasons(planned(billing=(SYNC,), cart=(other,)), frozenset())

    assert [reason.service for reason in reasons] == ["billing", "cart"]
    assert reasons[1].hint == "change the image where it comes from, or go on all the same with --accept-owner=sync"


def test_an_accepted_owner_is_a_note_and_no_reason() -> None:
    made = planned(billing=(SYNC,))

    assert owner_conflicts.reasons(made, {"sync"}) == ()
    (note,) = owner_conflicts.with_notes(made, {"sync"}).steps[0].notes[-1:]
    assert note == "Sync of shop puts its own image back, unless it is suspended (accepted: sync)"


def test_an_owner_that_waits_for_somebody_is_a_note() -> None:
    made = planned(billing=(RELEASE,))

    assert owner_conflicts.reasons(made, frozenset()) == ()
    noted = owner_conflicts.with_notes(made, frozenset())
    assert noted.steps[0].notes[-1] == "release shop brings its own image back at the next release"
    assert owner_conflicts.with_notes(noted, frozenset()) == noted


def test_owners_of_what_is_not_changed_do_not_matter() -> None:
    made = planned(web=(SYNC, RELEASE))

    assert owner_conflicts.reasons(made, frozenset()) == ()
    assert owner_conflicts.with_notes(made, frozenset()) == made


def test_a_remark_that_blocks_is_a_reason_and_another_one_a_note() -> None:
    made = planned(billing=(), web=())
    remarks = [
        Remark("/ds/prod/shop/billing", "it is paused", "no pod would be replaced", "resume it", blocks=True),
        Remark("/ds/prod/shop/billing", "a rollout is in flight", "1 of 2"),
        Remark("/ds/prod/shop/web", "it is paused", blocks=True),
    ]

    (reason,) = preflight.of_remarks(made, remarks)
    noted = preflight.with_remarks(made, remarks)

    assert (reason.what, reason.why, reason.hint) == (
        "billing: it is paused",
        "no pod would be replaced",
        "resume it",
    )
    assert noted.steps[0].notes[-1] == "a rollout is in flight: 1 of 2"
    assert preflight.with_remarks(noted, remarks) == noted
