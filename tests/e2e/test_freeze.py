"""What a deployment job is told after a run, and one run at a time."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command, Said
from tests.e2e.conftest import running, settings, written

BAD = "registry.other.example.com/shop/billing:1.9.0-master"


@pytest.fixture(params=["folder", "target"])
def keeping(request: pytest.FixtureRequest, sandbox: Sandbox, offered: Command) -> Command:
    """The command, with its state kept on this machine or on the target."""
    settings(offered.folder, sandbox, f"shared_state: {request.param}\n")
    return offered


def ran(rollback: Command, sandbox: Sandbox, *more: str) -> Said:
    said = rollback("run", f"--date={sandbox.story.good_day}", "--env=prod", "--by=alice", *more)
    assert said.code == 0, said.err
    return said


def test_an_environment_is_free_before_and_frozen_after_a_run(sandbox: Sandbox, keeping: Command) -> None:
    before = keeping("check", "--env=prod")

    ran(keeping, sandbox, "--reason=it answers 503")
    after = keeping("check", "--env=master")

    assert (before.code, before.out.startswith("FREE: prod may be deployed to")) == (0, True)
    assert (after.code, "by alice because it answers 503" in after.out) == (1, True)
    assert keeping("check", "--env=stage").code == 0


def test_an_image_that_was_rolled_back_stays_known_after_a_thaw(sandbox: Sandbox, keeping: Command) -> None:
    ran(keeping, sandbox)
    frozen, worse = keeping("check", "--env=prod"), keeping("check", "--env=prod", f"--image={BAD}")

    thawed = keeping("thaw", "--env=prod", "--by=bob", "--reason=fixed")
    free, bad, good = (
        keeping("check", "--env=prod", *image)
        for image in ([], [f"--image={BAD}"], ["--image=shop/billing:1.9.1-master"])
    )

    assert (thawed.code, thawed.out.partition(":")[0]) == (0, "DONE")
    assert (free.code, bad.code, good.code) == (0, 1, 0)
    assert frozen.out.endswith("  next: rollback thaw --env=prod, once it may be deployed to again\n")
    assert worse.out.endswith("may be deployed to again; then deploy another image than this one\n")
    assert frozen.out.count("thaw") == worse.out.count("thaw") == 1
    assert "was rolled back at" in bad.out
    assert bad.out.endswith("  next: deploy another image than this one\n")
    assert keeping("thaw", "--env=prod").out.startswith("NOTHING TO DO")


def test_an_undo_lifts_the_freeze_and_wants_the_images_again(sandbox: Sandbox, keeping: Command) -> None:
    ran(keeping, sandbox)

    keeping("undo", "--yes")

    assert keeping("check", "--env=prod", f"--image={BAD}").code == 0


def test_a_run_can_do_without_a_freeze(sandbox: Sandbox, offered: Command) -> None:
    ran(offered, sandbox, "--no-freeze")

    assert offered("check", "--env=prod").code == 0


def test_a_freeze_lasts_as_long_as_asked(sandbox: Sandbox, offered: Command) -> None:
    ran(offered, sandbox, "--freeze=30m")

    freeze = offered("check", "--env=prod", "--json").json()["freeze"]
    begin, end = (freeze[name][11:16].split(":") for name in ("since", "until"))
    assert ((int(end[0]) - int(begin[0])) * 60 + int(end[1]) - int(begin[1])) % 1440 == 30


def test_a_run_that_was_put_back_freezes_nothing(sandbox: Sandbox, offered: Command) -> None:
    from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome

    sandbox.behaviors.attach("shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.CRASHES))

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod")

    assert said.code == 5
    assert offered("check", "--env=prod").code == 0


def test_a_job_that_cannot_be_told_gets_neither_yes_nor_no(sandbox: Sandbox, offered: Command) -> None:
    settings(offered.folder, sandbox, "shared_state: target\n")
    path = offered.folder / "rollback.yaml"
    path.write_text(path.read_text().replace(sandbox.marathon_url, "http://127.0.0.1:9"))

    said = offered("check", "--env=prod")

    assert (said.code, said.out) == (2, "")
    assert "cannot tell" in said.err


def test_a_second_run_at_once_is_refused_and_told_who_holds_it(sandbox: Sandbox, offered: Command) -> None:
    settings(offered.folder, sandbox)
    path = offered.folder / "rollback.yaml"
    path.write_text(path.read_text().replace("settle_s: 0.2", "settle_s: 30"))
    first = offered.start("run", f"--date={sandbox.story.good_day}", "--env=prod", "--by=alice")
    assert first.stderr
    for line in first.stderr:
        if "ready" in line:
            break

    second = offered("run", "--date=" + sandbox.story.good_day, "--env=prod")
    other = offered("undo", "--yes")
    path.write_text(path.read_text().replace("settle_s: 30", "settle_s: 0.2"))
    stolen = offered("undo", "--yes", "--steal-lock", "--by=bob")
    _, err = first.communicate(timeout=60)

    assert (second.code, other.code) == (3, 3)
    assert "by alice" in other.err
    assert "--steal-lock" in other.err
    assert stolen.code == 0, stolen.err
    assert first.returncode == 130
    assert "claimed the lock" in err
    assert ":1.9.0-master" in running(sandbox, "billing")


def test_a_killed_runs_lock_is_free(sandbox: Sandbox, keeping: Command) -> None:
    path = keeping.folder / "rollback.yaml"
    path.write_text(path.read_text().replace("settle_s: 0.2", "settle_s: 30"))
    first = keeping.start("run", f"--date={sandbox.story.good_day}", "--env=prod")
    assert first.stderr
    for line in first.stderr:
        if "ready" in line:
            break
    first.kill()
    first.communicate()
    path.write_text(path.read_text().replace("settle_s: 30", "settle_s: 0.2"))

    said = keeping("undo", "--yes")

    assert said.code == 0, said.err
    assert ":1.9.0-master" in running(sandbox, "billing")


def test_what_did_not_go_back_is_told_by_name(sandbox: Sandbox, offered: Command) -> None:
    sandbox.front.foreign("/ds/prod/shop/cart", {"env": {"CART_TOKEN": "s3cret"}, "mem": 777})
    sandbox.fleet.advance()

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod")

    assert said.code == 0, said.err
    assert "Did not go back (only images do):" in said.out
    assert "env CART_TOKEN is new" in said.out
    assert "mem was 384, is 777" in said.out
    assert "s3cret" not in said.out + said.err + (offered.folder / "report.md").read_text()


def test_the_page_for_the_incident_is_written(sandbox: Sandbox, offered: Command) -> None:
    said = ran(offered, sandbox, "--reason=<b>it</b> | broke", "--incident=INC-7")

    path = offered.folder / "report.md"
    page = path.read_text()
    again = offered("history", f"--run={json.loads(offered('history', '--json').out)[0]['run']}", "--markdown")

    assert page.startswith("# DONE: run of prod to ")
    assert "- **Reason:** &lt;b>it&lt;/b> \\| broke" in page
    assert "- **Incident:** INC-7" in page
    assert again.out == page
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (said.out + said.err).count("report.md") == 1


def test_markers_are_gone_when_nothing_is_to_be_kept(sandbox: Sandbox, offered: Command) -> None:
    settings(offered.folder, sandbox, "shared_state: target\n")
    ran(offered, sandbox)
    between = [app_id for app_id in sandbox.fleet.apps if "rollback-" in app_id]

    offered("undo", "--yes")

    # What the undo took out again is remembered; no freeze, no lock.
    assert between == ["/ds/prod/rollback-freeze"]
    assert "/ds/prod/rollback-lock" not in sandbox.fleet.apps
    assert written(sandbox)


def test_a_run_that_was_killed_keeps_the_gate_closed_until_it_is_undone(sandbox: Sandbox, offered: Command) -> None:
    from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome

    sandbox.behaviors.attach("shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY, start_s=300))
    run = offered.start("run", f"--date={sandbox.story.good_day}", "--env=prod", "--by=alice", "--no-freeze")
    try:
        while not written(sandbox):
            assert run.poll() is None
        during = offered("check", "--env=prod")
    finally:
        run.kill()
        run.communicate()
    after = offered("check", "--env=prod")

    undone = offered("undo", "--yes")

    assert (during.code, after.code) == (1, 1)
    assert "by alice has not ended" in after.out
    assert f"--dump={offered.folder}" in after.out
    assert undone.code == 0, undone.err
    assert offered("check", "--env=prod").code == 0


@pytest.mark.parametrize("name", ["prdo", "Prod"])
def test_an_environment_that_nobody_knows_cannot_be_told(sandbox: Sandbox, keeping: Command, name: str) -> None:
    ran(keeping, sandbox)

    said = keeping("check", f"--env={name}")

    assert said.code == 2
    assert name in said.err


def test_without_settings_and_without_any_run_it_cannot_be_told(tmp_path: Path) -> None:
    said = Command(tmp_path)("check", "--env=prod")

    assert said.code == 2
    assert "--config" in said.err


def test_a_target_that_variables_determine_is_queried_once_and_then_known(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {"ROLLBACK_TARGET": "marathon", "ROLLBACK_MARATHON_URL": sandbox.marathon_url}
    check = Command(tmp_path, variables=variables)

    free = check("check", "--env=prod")
    gone = check("check", "--env=prod", ROLLBACK_MARATHON_URL="http://127.0.0.1:9")
    nothing = check("check", "--env=prod", ROLLBACK_MARATHON_URL="")

    assert free.code == 0, free.err
    assert "what other users and other machines have done is not known here" in free.out
    assert (gone.code, nothing.code) == (2, 2)
    assert "log in once" in gone.err
