"""One of four services does not come up: noticed in the server's own words, and answered as the policy says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.faults.scenario import BILLING, CART, WEB, Scene, scene


@dataclass(frozen=True)
class Case:
    """What becomes of cart's image, the words that tell it, and by when, in seconds of the fleet's time."""

    behavior: ContainerBehavior
    words: str
    within_s: float


CASES = {
    "crash-loops": Case(
        ContainerBehavior(ContainerOutcome.CRASHES), "it fails again and again: Command exited with status 1", 20
    ),
    "cannot be pulled": Case(ContainerBehavior(ContainerOutcome.UNPULLABLE), "manifest unknown", 20),
    "dies soon after it was up": Case(
        ContainerBehavior(ContainerOutcome.DIES, lasts_s=4), "Container exited with status 137", 60
    ),
    "is unhealthy": Case(
        ContainerBehavior(ContainerOutcome.UNHEALTHY), "of its instances ended without ever being ready", 130
    ),
    "sickens soon after it was up": Case(
        ContainerBehavior(ContainerOutcome.SICKENS, lasts_s=4), "health check: it fails", 160
    ),
    "gets no offers": Case(ContainerBehavior(ContainerOutcome.NO_OFFERS), "no offers", 130),
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_everything_goes_back_and_the_cause_is_told(stage: Scene, case: Case) -> None:
    before, began = stage.tags(), stage.time.now()
    stage.sandbox.behaviors.attach(stage.target_image(CART), case.behavior)

    told = stage.run()

    assert told.code == 5, told.err
    assert told.document["verdict"] == "RESTORED"
    assert case.words in told.document["summary"]
    assert stage.tags() == before
    assert all(stage.healthy().values())
    assert set(told.states.values()) == {"restored"}
    assert stage.sandbox.fleet.deployments == {}
    noticed = next(line for line in stage.newest().lines if line["event"] == "judged" and line["state"] == "failed")
    assert noticed["app"] == CART
    assert stage.time.now() - began <= case.within_s + 40  # going back and settling included


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_keep_lets_the_others_go_on(stage: Scene, case: Case) -> None:
    before = stage.tags()
    stage.sandbox.behaviors.attach(stage.target_image(CART), case.behavior)

    told = stage.run("--on-failure=keep")

    assert told.code == 4, told.err
    assert told.states == {"billing": "changed", "cart": "failed", "catalog": "changed", "web": "changed"}
    assert case.words in told.rows["cart"]["detail"]
    assert [stage.healthy()[app_id] for app_id in (BILLING, WEB)] == [True, True]
    back = stage.undo()
    assert back.code == 0, back.out
    assert stage.tags() == before


def test_stop_writes_nothing_more(stage: Scene) -> None:
    stage.sandbox.behaviors.attach(stage.target_image(BILLING), ContainerBehavior(ContainerOutcome.CRASHES))
    (stage.folder / "rollback.yaml").write_text(
        (stage.folder / "rollback.yaml").read_text().replace('"poll_s": 2', '"poll_s": 2, "parallel": 1')
    )
    before = stage.tags()

    told = stage.run("--on-failure=stop")

    assert told.code == 4
    assert told.states == {"billing": "failed", "cart": "not reached", "catalog": "not reached", "web": "not reached"}
    assert {name: tag for name, tag in stage.tags().items() if name != "billing"} == {
        name: tag for name, tag in before.items() if name != "billing"
    }
    assert set(stage.newest().sent) == {BILLING}
    assert stage.undo().code == 0
    assert stage.tags() == before


def test_services_that_were_down_before_do_not_hold_up_the_way_back(tmp_path: Path) -> None:
    with scene(tmp_path, broken_before=True) as stage:
        before = stage.tags()
        fleet = stage.sandbox.fleet
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
        stage.sandbox.behaviors.attach("shop/billing:1.9.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY))

        told = stage.run()

        assert told.code == 5, told.document
        assert stage.tags() == before
        assert stage.healthy()[CART]
        assert "it was not up before either" in told.rows["billing"]["detail"]
        assert fleet.deployments == {}  # one that waits for billing would wait for ever, and lock the others
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior())
        assert stage.run().code == 0


def test_another_run_is_told_which_undo_frees_what_a_hanging_one_holds(stage: Scene) -> None:
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    first = stage.run("--on-failure=keep").document["run"]
    stage.time.hand.advance(5)
    day = f"--date={stage.sandbox.story.good_day}"

    told = stage.command("run", day, "--env=prod", *stage.common())

    assert told.code == 3
    assert f"rollback undo --run={first} --dump={stage.folder}" in told.err
    assert stage.undo(f"--run={first}").code == 0
    assert stage.command("run", day, "--env=prod", *stage.common()).code == 0


def test_a_restore_that_fails_itself_tells_what_stands_where(stage: Scene) -> None:
    old = stage.images()[CART]
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    stage.sandbox.behaviors.attach(stage.target_image(BILLING), ContainerBehavior(start_s=30))
    stage.time.after(4, lambda: stage.sandbox.behaviors.attach(old, ContainerBehavior(ContainerOutcome.CRASHES)))

    told = stage.run()

    assert told.code == 4
    assert told.document["verdict"] == "PARTLY"
    assert "manual intervention needed" in told.document["summary"]
    assert told.rows["cart"]["state"] == "failed"
    assert told.rows["cart"]["detail"].startswith("not put back: ")
    assert told.document["undo"].startswith("rollback undo --run=")
    assert stage.tags()["cart"] == "2.11.0-master"  # the definition is back, whatever its instances do
