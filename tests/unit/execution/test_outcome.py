"""How a run ended: the verdict, the exit code, and what stands where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import plan
from rollback.core.apps import Change
from rollback.core.image_selection import parse_as_of, select
from rollback.core.matching import Rules
from rollback.core.plan import OnFailure, Plan
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.execution import outcome
from rollback.execution.executor import Execution
from rollback.execution.outcome import Outcome, Verdict
from tests.support.image_factory import HOST, PROD, app, built, image

DAY = "2026-11-20"
HELD = built([image(f"shop/{name}:1-master", DAY) for name in ("billing", "cart", "web")])
APPS = tuple(app(n, f"{HOST}/shop/{n}:{v}-master") for n, v in (("billing", 2), ("cart", 2), ("web", 1)))
PLAN: Plan = plan.build(select(HELD, parse_as_of(DAY)), APPS, PROD, "m", Rules(pin=False))
BILLING, CART = (step.app.id for step in PLAN.steps[:2] if step.app)


def watches(
    billing: RolloutState = RolloutState.UP, cart: RolloutState = RolloutState.UP, detail: str = ""
) -> dict[str, RolloutStatus]:
    changes: dict[str, Change] = {change.app.id: change for change in PLAN.changes}
    return {
        BILLING: RolloutStatus(changes[BILLING], 0, state=billing, detail=detail or billing.value),
        CART: RolloutStatus(changes[CART], 0, state=cart, detail=detail or cart.value),
    }


def ended(execution: Execution, on_failure: OnFailure = OnFailure.RESTORE) -> Outcome:
    return outcome.conclude(PLAN, execution, on_failure=on_failure, took_s=3, run="r1", undo="rollback undo --run=r1")


def states(found: Outcome) -> dict[str, str]:
    return {row.service: row.state for row in found.rows}


def test_all_up_is_done() -> None:
    found = ended(Execution(watches()))

    assert (found.verdict, found.code, found.touched) == (Verdict.DONE, 0, 2)
    assert states(found) == {"billing": "changed", "cart": "changed", "web": "same"}
    assert found.undo == "rollback undo --run=r1"


def test_one_failed_and_all_put_back_is_restored() -> None:
    found = ended(Execution(watches(RolloutState.FAILED), restored=watches()))

    assert (found.verdict, found.code) == (Verdict.RESTORED, 5)
    assert "billing: failed" in found.summary
    assert {row.stands for row in found.rows} == {step.before for step in PLAN.steps}
    assert found.undo == ""


@pytest.mark.parametrize("back", [RolloutState.FAILED, RolloutState.WAITING])
def test_one_that_could_not_be_put_back_needs_a_person(back: RolloutState) -> None:
    found = ended(Execution(watches(RolloutState.FAILED), restored=watches(back)))

    assert (found.verdict, found.code) == (Verdict.PARTLY, 4)
    assert states(found)["billing"] == "failed"
    assert "not put back" in found.rows[0].detail
    assert found.undo


@pytest.mark.parametrize("policy", [OnFailure.KEEP, OnFailure.STOP])
def test_what_was_kept_needs_a_person(policy: OnFailure) -> None:
    found = ended(Execution(watches(cart=RolloutState.FAILED)), policy)

    assert (found.verdict, found.code) == (Verdict.PARTLY, 4)
    assert states(found) == {"billing": "changed", "cart": "failed", "web": "same"}
    assert found.undo


def test_refused_writes_that_touched_nothing_are_a_failure_without_change() -> None:
    found = ended(Execution(refused={BILLING: "locked", CART: "locked"}))

    assert (found.verdict, found.code, found.touched) == (Verdict.FAILED, 1, 0)
    assert "nothing was changed" in found.summary
    assert states(found) == {"billing": "not taken", "cart": "not taken", "web": "same"}
    assert found.undo == ""


def test_what_was_not_reached_is_told_as_it_was() -> None:
    forward = watches(RolloutState.FAILED)
    del forward[CART]

    row = ended(Execution(forward), OnFailure.STOP).rows[1]

    assert (row.state, row.stands) == ("not reached", PLAN.steps[1].before)


def test_nobody_knows_what_an_unanswered_write_has_left() -> None:
    forward = watches(RolloutState.FAILED)
    forward[BILLING] = replace(forward[BILLING], answered=False)

    row = ended(Execution(forward), OnFailure.KEEP).rows[0]

    assert row.stands == f"{row.after} or {row.before}"


@pytest.mark.parametrize(
    ("execution", "told"),
    [
        (Execution(interrupted=True), "nothing was changed"),
        (Execution(watches(RolloutState.WAITING), interrupted=True), "interrupted"),
        (
            Execution(watches(RolloutState.FAILED), restored=watches(RolloutState.WAITING), interrupted=True),
            "interrupted",
        ),
    ],
)
def test_an_interrupted_run_ends_with_130(execution: Execution, told: str) -> None:
    found = ended(execution)

    assert found.code == 130
    assert told in found.summary
    assert found.verdict is not Verdict.DONE


def test_a_record_that_could_not_be_written_any_more_is_no_success() -> None:
    found = ended(Execution(watches(), stopped_because="the record is full"), OnFailure.KEEP)

    assert (found.verdict, found.code) == (Verdict.PARTLY, 4)
    assert "the record is full" in found.summary


def test_nothing_to_do_says_why() -> None:
    same = replace(PLAN, steps=PLAN.steps[2:])

    found = outcome.nothing_to_do(same, 1)

    assert (found.verdict, found.code, found.touched) == (Verdict.NOTHING, 0, 0)
    assert states(found) == {"web": "same"}


def test_every_verdict_has_its_code() -> None:
    assert {verdict.value: code for verdict, code in outcome.CODES.items()} == {
        "DONE": 0,
        "NOTHING TO DO": 0,
        "FAILED": 1,
        "REFUSED": 3,
        "PARTLY": 4,
        "RESTORED": 5,
    }
