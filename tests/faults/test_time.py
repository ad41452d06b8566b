"""How long things may take: an app, a run, the way back, an answer, Slack; and what is not a lack of progress."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollback.output import slack_client
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.marathon.app_definition import updated
from tests.faults.scenario import BILLING, CART, Scene, scene


def change(stage: Scene, app_id: str, **members: Any) -> None:
    """Give an app other members, and let that deployment come to its end."""
    fleet = stage.sandbox.fleet
    fleet.put({app_id: updated(fleet.apps[app_id].definition, members)})
    stage.later(120)
    assert not fleet.deployments


def test_a_rolling_update_one_at_a_time_is_not_reversed_half_way(tmp_path: Path) -> None:
    with scene(tmp_path, timeout_s=15) as stage:
        one_at_a_time = {"minimumHealthCapacity": 1, "maximumOverCapacity": 0}
        change(stage, CART, instances=6, upgradeStrategy=one_at_a_time, healthChecks=[])
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(start_s=10))
        began = stage.time.now()

        told = stage.run()

        assert told.code == 0, told.out
        assert stage.time.now() - began > 60


@pytest.mark.parametrize(("policy", "code"), [("restore", 5), ("keep", 4), ("stop", 4)])
def test_the_deadline_of_a_run_ends_the_way_forward(tmp_path: Path, policy: str, code: int) -> None:
    with scene(tmp_path, deadline_s=30) as stage:
        before, began = stage.tags(), stage.time.now()
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.NO_OFFERS))

        told = stage.run(f"--on-failure={policy}")

        assert told.code == code, told.out
        assert "the run was not through within its 30 s (run.deadline_s)" in told.document["summary"]
        assert stage.time.now() - began < 90
        if policy == "restore":
            assert stage.tags() == before


def test_the_way_back_has_a_deadline_of_its_own(tmp_path: Path) -> None:
    with scene(tmp_path, deadline_s=40) as stage:
        began, old = stage.time.now(), stage.images()[BILLING].rpartition("/shop/")[2]
        change(stage, BILLING, upgradeStrategy={"minimumHealthCapacity": 0, "maximumOverCapacity": 0})
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
        stage.sandbox.behaviors.attach(f"shop/{old}", ContainerBehavior(ContainerOutcome.NO_OFFERS))

        told = stage.run()

        assert told.code == 4, told.out
        assert "not put back" in told.rows["billing"]["detail"]
        assert stage.time.now() - began < 120 + 2 * 40 + 30


def test_announced_durations_beyond_the_deadline_are_a_warning(tmp_path: Path) -> None:
    with scene(tmp_path, deadline_s=60) as stage:
        change(stage, CART, taskKillGracePeriodSeconds=300)

        told = stage.command("plan", f"--date={stage.day}", "--env=prod", *stage.common())

        assert told.code == 0
        words = " ".join(told.out.split())
        assert "s for starting and draining, and the run ends after 60 s" in words


def test_old_instances_that_drain_for_as_long_as_announced_fail_nothing(tmp_path: Path) -> None:
    with scene(tmp_path, timeout_s=20) as stage:
        change(stage, CART, taskKillGracePeriodSeconds=100)
        for task in stage.sandbox.fleet.apps[CART].tasks:
            task.drains_s = 90

        told = stage.run()

        assert told.code == 0, told.out
        assert "old draining" in told.err
        assert stage.sandbox.fleet.apps[CART].outdated() == []


def test_instances_of_this_run_may_drain_as_long_on_the_way_back(tmp_path: Path) -> None:
    with scene(tmp_path, timeout_s=20) as stage:
        change(stage, BILLING, taskKillGracePeriodSeconds=100)
        before = stage.tags()
        stage.sandbox.behaviors.attach(stage.target_image(BILLING), ContainerBehavior(drains_s=90))
        stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))

        told = stage.run()

        assert told.code == 5, told.out
        assert "old draining" in told.err
        assert stage.tags() == before
        assert stage.sandbox.fleet.apps[BILLING].outdated() == []


def test_an_old_instance_on_a_lost_agent_does_not_keep_a_new_version_from_being_up(tmp_path: Path) -> None:
    with scene(tmp_path, timeout_s=20) as stage:
        task = stage.sandbox.fleet.apps[CART].tasks[0]
        task.lose()
        stage.later(10)

        told = stage.run()

        assert told.code == 0, told.out
        assert told.err.count("1 instance on a lost agent (TASK_UNREACHABLE)") == 1  # in the plan
        assert "1 old unreachable on a lost agent" in told.rows["cart"]["detail"]
        assert task in stage.sandbox.fleet.apps[CART].tasks


def test_what_comes_up_never_speaks_of_offers(tmp_path: Path) -> None:
    with scene(tmp_path, poll_s=0.05, settle_s=1) as stage:
        told = stage.run()

        assert told.code == 0, told.out
        assert "offers" not in told.err + told.out


@contextmanager
def dripping() -> Iterator[str]:
    """A server that accepts everything and sends a byte whenever it is read from, without end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()
        connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

        def drip(connection: socket.socket) -> None:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not over.wait(0.02):
                    connection.sendall(b"x")
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/services/T/B/hush"
        over.set()
        for connection in connections:
            connection.close()


def test_a_slack_that_drips_costs_a_run_its_limit_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * slack_client._IN_ALL_S <= 5  # a run posts two messages
    monkeypatch.setattr(slack_client, "_IN_ALL_S", 0.3)
    with scene(tmp_path) as stage, dripping() as url:
        told = stage.run(f"--slack={url}")

        assert told.code == 0, told.out
        assert told.err.count("the Slack message was not sent") == 2
        assert "hush" not in told.err
