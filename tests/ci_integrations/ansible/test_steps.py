"""The steps of the role, each a real ansible-playbook against a registry and a cluster behind a login."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.ci_integrations.conftest import Playbook
from tests.ci_integrations.scenario import BROKEN, GOOD, REPOS, Scene, command_lines, leaks

# Templates, shell words and variables: all of it is only a text.
HOSTILE = (
    "{{ lookup('env', 'ROLLBACK_PASSWORD') }} --yes'; touch taken; \"$(id)\" $ROLLBACK_PASSWORD ${ROLLBACK_SLACK} ~"
)


def test_the_two_steps_roll_back_and_undo_puts_back(playbook: Playbook, scene: Scene) -> None:
    with command_lines() as seen:
        got = playbook("--tags", "get", "-vvv", env="prod", repo=REPOS, rollback_cache="~/.cache/rollback-role")
        ran = playbook(
            *("--tags", "run", "-vvv"),
            date=scene.good_day,
            rollback_cache="~/.cache/rollback-role",
            accept_owner="argocd,flux",
            environ={**scene.secrets(), "ROLLBACK_REASON": HOSTILE, "ROLLBACK_BY": "alice"},
        )
        there = scene.running()
        undone = playbook(
            *("--tags", "undo", "-vvv", "-e", '{"rollback_accept_owner": ["argocd"]}'),
            rollback_cache="~/.cache/rollback-role",
        )

    assert [got.code, ran.code, undone.code] == [0, 0, 0], ran.said
    assert [got.changed, ran.changed, undone.changed] == [0, 1, 1]
    assert there == GOOD
    assert scene.running() == BROKEN
    record = min((scene.dump / "runs").glob("*.jsonl"))
    began = json.loads(record.read_text().splitlines()[0])
    assert (began["reason"], began["by"]) == (HOSTILE, "alice")
    assert [text.split(":")[0] for text in scene.slack.texts] == ["Started", "DONE", "Started", "DONE"]
    for command, accepted in (("run", "--accept-owner=argocd,flux"), ("undo", "--accept-owner=argocd")):
        assert any({command, accepted} <= set(line.split()) for line in seen), command
    assert "-e accept_owner=argocd,flux" in ran.said
    # Lines, not one escaped text.
    assert re.search(rf"^{scene.good_day}  shop/billing:1.8.0-master", got.said, re.MULTILINE)
    assert re.search(r"^DONE after .* 3 changed", ran.said, re.MULTILINE)
    assert leaks(got.said + ran.said + undone.said, seen, scene.dump, Path(os.environ["HOME"])) == []


def test_a_plan_is_run_as_it_was_shown_and_freezes_the_environment_until_thawed(
    playbook: Playbook, scene: Scene, history: Path
) -> None:
    planned = playbook("--tags", "plan", date=scene.good_day, rollback_plan_file="plan.json")
    before = scene.running()
    ran = playbook("--tags", "run", date=scene.good_day, rollback_plan_file="plan.json")
    frozen = playbook("--tags", "check")
    thawed = playbook("--tags", "thaw")
    free = playbook("--tags", "check")

    assert planned.code == 0, planned.said
    assert planned.changed == 0
    assert "3 to change, 1 the same, 0 stay." in (scene.dump / "plan.txt").read_text()
    assert before == BROKEN
    assert ran.code == 0, ran.said
    assert scene.running() == GOOD
    assert (scene.dump / "report.txt").read_text().startswith("DONE after ")
    assert frozen.code != 0
    assert "check (exit code 1) says NO: deployments are blocked: NO: prod: frozen until" in frozen.said
    assert [thawed.code, free.code] == [0, 0], thawed.said + free.said


def test_check_mode_shows_the_plan_and_changes_nothing(oldest: Playbook, scene: Scene, history: Path) -> None:
    played = oldest("--tags", "run", "--check", date=scene.good_day)

    assert played.code == 0, played.said
    assert played.changed == 0
    assert re.search(r"^3 to change, 1 the same, 0 stay", played.said, re.MULTILINE)
    assert scene.running() == BROKEN
    assert not (scene.dump / "runs").exists()


def test_a_run_with_nothing_to_do_is_not_a_change(newest: Playbook, scene: Scene, history: Path) -> None:
    newest_day = next(iter(json.loads(history.read_text())["rollbacks"]))

    played = newest("--tags", "run", date=newest_day)

    assert played.code == 0, played.said
    assert played.changed == 0
    assert "NOTHING TO DO" in played.said


def test_a_run_that_fails_restores_and_says_so(playbook: Playbook, scene: Scene, history: Path) -> None:
    scene.sandbox.behaviors.attach("shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.CRASHES))

    with command_lines() as seen:
        played = playbook("--tags", "run", "-vvv", date=scene.good_day)

    assert played.code != 0
    assert played.changed == 0
    assert "run (exit code 5) failed; everything was restored: RESTORED after" in played.said
    assert scene.running() == BROKEN
    assert (scene.dump / "report.txt").read_text().startswith("RESTORED after ")
    assert playbook.leftovers() == []
    assert leaks(played.said, seen, scene.dump, Path(os.environ["HOME"])) == []


def test_a_refusal_is_told_in_the_programs_own_words(oldest: Playbook, scene: Scene, history: Path) -> None:
    played = oldest("--tags", "run", date="2001-01-01")

    assert played.code != 0
    last_red = [line for line in played.said.splitlines() if line.startswith("fatal: ")][-1]
    assert "run (exit code 3) was refused before the first write; nothing was changed: 2001-01-01 is not" in last_red
    assert "next: " in last_red
    assert oldest.leftovers() == []


def test_a_get_that_fails_keeps_the_dates_of_before(newest: Playbook, scene: Scene, history: Path) -> None:
    before = history.read_bytes()

    played = newest("--tags", "get", repo="shop/billing,shop/nowhere")

    assert played.code != 0
    assert "shop/nowhere" in played.said
    assert history.read_bytes() == before
    assert newest.leftovers() == []


def test_a_get_that_needs_the_target_has_the_login_and_its_failure_keeps_the_dates_of_before(
    newest: Playbook, scene: Scene, history: Path
) -> None:
    before = history.read_bytes()

    failed = newest("--tags", "get", repo=REPOS, basis="deployed", password="wrong")
    kept = history.read_bytes()
    played = newest("--tags", "get", repo="shop/billing,shop/web", basis="deployed")

    last_red = [line for line in failed.said.splitlines() if line.startswith("fatal: ")][-1]
    assert failed.code != 0
    assert "get (exit code 1) failed; nothing was changed: what ran is not known" in last_red
    assert "nothing was written" in last_red
    assert kept == before
    assert played.code == 0, played.said
    assert "no longer has: add to --repo" in played.said
    assert '"basis": "deployed"' in history.read_text()
