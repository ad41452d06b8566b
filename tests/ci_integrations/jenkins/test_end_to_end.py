"""The button with everything behind it: ansible-playbook, the role, the tool, a registry and a cluster."""

from __future__ import annotations

import os
from pathlib import Path

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.ci_integrations.jenkins.conftest import ABORT, Build, Button, choose, type_in
from tests.ci_integrations.scenario import BROKEN, GOOD, Scene, command_lines, leaks


def read(build: Build) -> str:
    """All that a build shows."""
    return build.console + "".join(f"\n{step}" for step in build.steps)


def test_prod_goes_back_and_forward_again_though_slack_is_down(button: Button, scene: Scene) -> None:
    scene.slack.status = 500
    reason = "costs $HOME ${ROLLBACK_PASSWORD} {{ lookup('env', 'ROLLBACK_PASSWORD') }} --yes'; \"x\""
    with command_lines() as seen:
        build = button.press(choose(scene.good_day), type_in("prod"), ROLLBACK_REASON=reason)
        there = scene.running()
        thawed = button.press(type_in("prod", who="carol"), ACTION="thaw")
        undone = button.press(type_in("prod", who="carol"), ACTION="undo")

    assert (build.result, undone.result, thawed.result) == ("SUCCESS", "SUCCESS", "SUCCESS"), build.console
    assert "is no longer frozen" in thawed.console
    assert there == GOOD
    assert scene.running() == BROKEN
    assert "the Slack message was not sent" in build.console
    assert "3 to change, 1 the same, 0 stay." in build.questions[1]["message"]
    assert f"prod: to {scene.good_day}, by alice, confirmed by bob: DONE after" in str(build.description)
    records = [Path(path).read_text() for path in build.archived if path.endswith(".jsonl")]
    assert '"by": "alice, confirmed by bob"' in records[0]
    (run,) = (Path(path).stem for path in build.archived if path.endswith(".jsonl"))
    assert f"Undo: Build with Parameters: ENVIRONMENT=prod, ACTION=undo, RUN={run}" in build.console
    assert '"link": "https://jenkins.example.com/job/rollback/7/"' in records[0]
    assert "lookup('env', 'ROLLBACK_PASSWORD')" in records[0]
    assert {"rollback.json", "plan.json", "report.txt"} <= {Path(path).name for path in build.archived}
    assert leaks(read(build), seen, button.root / "rollback", Path(os.environ["HOME"])) == []


def test_a_run_that_fails_restores_and_fails_the_build(button: Button, scene: Scene) -> None:
    scene.sandbox.behaviors.attach("shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.CRASHES))

    with command_lines() as seen:
        build = button.press(choose(scene.good_day), type_in("prod"))

    assert build.result == "FAILURE"
    assert scene.running() == BROKEN
    assert "by alice, confirmed by bob: RESTORED after" in str(build.description)
    assert leaks(read(build), seen, button.root / "rollback", Path(os.environ["HOME"])) == []


def test_a_get_that_fails_asks_nothing(button: Button) -> None:
    build = button.press(REPOS="shop/nowhere")

    assert build.result == "FAILURE"
    assert "shop/nowhere" in build.console
    assert build.questions == []


def test_a_get_that_warns_shows_it_and_goes_on_to_the_question(button: Button, scene: Scene) -> None:
    button.credentials["rollback-prod"] = {"username": scene.sandbox.user, "password": "wrong"}

    build = button.press(ABORT, BASIS="auto")

    assert build.result == "ABORTED"
    assert len(build.questions) == 1
    assert scene.good_day in str(build.questions[0])
    assert "warning: " in build.console
