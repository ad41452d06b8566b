"""How a run ended: the verdict, the exit code, and what stands where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rollback.core import plan
from rollback.core.apps import Change, Status
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import OnFailure, Plan
from rollback.core.preflight import OwnDeployment
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.execution import outcome
from rollback.execution.executor import Execution
from rollback.execution.outcome import Outcome, Verdict
from tests.support.image_factory import HOST, PROD, app, built, day_of, image

DAY = "2026-11-20"
HELD = built([image(f"shop/{name}:1-master", DAY) for name in ("billing", "cart", "web")])
APPS = tuple(app(n, f"{HOST}/shop/{n}:{v}-master") for n, v in (("billing", 2), ("cart", 2), ("web", 1)))
PLAN: Plan = plan.build(select(HELD, day_of(DAY)), APPS, PROD, "m", Rules(pin=False))
BILLING, CART, WEB = (step.app.id for step in PLAN.steps if step.app)


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
    assert found.next_step == ""


def test_one_failed_and_all_put_back_is_restored() -> None:
    found = ended(Execution(watches(RolloutState.FAILED), restored=watches()))

    assert (found.verdict, found.code) == (Verdict.RESTORED, 5)
    assert "billing: failed" in found.summary
    assert {row.stands for row in found.rows} == {step.before for step in PLAN.steps}
    assert found.undo == ""
    assert found.next_step == "choose an earlier date, or leave out what failed: --skip=billing"


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

    found = outcome.nothing_to_do(same, 1, {WEB: seen(WEB)}, {})

    assert (found.verdict, found.code, found.touched) == (Verdict.NOTHING, 0, 0)
    assert states(found) == {"web": "same"}
    assert found.headline == "NOTHING TO DO"
    assert found.good


def test_nothing_to_do_never_hides_what_is_down() -> None:
    same = replace(PLAN, steps=PLAN.steps[2:])

    found = outcome.nothing_to_do(same, 1, {WEB: seen(WEB, ready=0)}, {})

    assert (found.headline, found.code) == ("NOTHING TO DO, but web is down (0 of 2 ready)", 0)
    assert not found.good


def test_a_deployment_of_ours_that_still_hangs_needs_somebody() -> None:
    same = replace(PLAN, steps=PLAN.steps[2:])
    held = {WEB: seen(WEB, deployments=("d1",))}

    ours = outcome.nothing_to_do(same, 1, held, {"d1": OwnDeployment("r0", back=True)})
    foreign = outcome.nothing_to_do(same, 1, held, {})

    assert ours.code == 4
    assert "the deployment d1 of the run r0 still holds web" in ours.headline
    assert foreign.code == 0
    assert "a deployment still holds web" in foreign.summary


def test_what_is_not_ready_is_never_called_up() -> None:
    forward = watches()
    forward[BILLING] = replace(forward[BILLING], healthy=False)

    found = ended(Execution(forward, last={BILLING: seen(BILLING, ready=0), CART: seen(CART)}))

    assert (found.verdict, found.code) == (Verdict.DONE, 0)
    assert found.summary == "2 changed; billing is down (0 of 2 ready), as it was before that run"
    assert found.rows[0].detail == "0 of 2 ready"  # the same look
    assert not found.good


def test_what_stands_is_what_was_seen_last() -> None:
    refused = Execution({}, refused={BILLING: "HTTP 409: locked"}, last={BILLING: seen(BILLING, image="r/x:hotfix")})

    row = ended(refused).rows[0]

    assert (row.state, row.stands) == ("not taken", "r/x:hotfix")
    assert row.detail == "HTTP 409: locked; somebody else changed it meanwhile: it is to run r/x:hotfix now"


def test_what_a_run_leaves_alone_is_shown_as_it_was_seen_last() -> None:
    last = {WEB: seen(WEB, image="r/x:hotfix")}
    words = "somebody else changed it meanwhile: it is to run r/x:hotfix now"

    done = ended(Execution(watches(), last=last))
    restored = ended(
        Execution({CART: watches(cart=RolloutState.FAILED)[CART]}, restored={CART: watches()[CART]}, last=last)
    )
    nothing = outcome.nothing_to_do(replace(PLAN, steps=PLAN.steps[2:]), 1, last, {})

    for found in (done, restored, nothing):
        row = found.rows[-1]
        assert (row.service, row.state, row.stands, row.detail) == ("web", "same", "r/x:hotfix", words)
        assert not found.good
    assert done.summary == f"2 changed and up, but web: {words}"
    assert "web was changed by somebody else" in restored.summary
    assert nothing.headline == f"NOTHING TO DO, but web: {words}"


def test_restored_does_not_claim_what_somebody_else_changed() -> None:
    forward = {CART: watches(cart=RolloutState.FAILED)[CART]}
    back = {CART: watches()[CART]}

    found = ended(
        Execution(forward, restored=back, refused={BILLING: "409"}, last={BILLING: seen(BILLING, image="r/x:hotfix")})
    )

    assert found.verdict is Verdict.RESTORED
    assert "billing was changed by somebody else" in found.summary


def test_a_deployment_that_hangs_is_not_restored() -> None:
    found = ended(Execution(watches(RolloutState.FAILED), restored=watches(), hanging=frozenset({"d1"})))

    assert (found.verdict, found.code) == (Verdict.PARTLY, 4)


def seen(app_id: str, **members: Any) -> Status:
    whole: dict[str, Any] = {
        "id": app_id,
        "image": next(app.image for app in APPS if app.id == app_id),
        "version": "v1",
        "instances": 2,
        "deployments": (),
        "ready": 2,
        "started": 2,
        "stale": 0,
    }
    return Status(**{**whole, **members})


def test_every_verdict_has_its_code() -> None:
    assert {verdict.value: code for verdict, code in outcome.CODES.items()} == {
        "DONE": 0,
        "NOTHING TO DO": 0,
        "FAILED": 1,
        "REFUSED": 3,
        "PARTLY": 4,
        "RESTORED": 5,
    }
