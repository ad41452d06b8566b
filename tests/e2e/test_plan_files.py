"""What was approved is what runs, or it is refused with the difference."""

from __future__ import annotations

import json

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import running, settings, written


def planned(rollback: Command, sandbox: Sandbox, *more: str) -> None:
    said = rollback("plan", f"--date={sandbox.story.good_day}", "--env=prod", "--out=p.json", *more)
    assert said.code == 0, said.err


def test_an_approved_plan_is_run_without_a_history(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox)
    (offered.folder / "rollback.json").unlink()

    declined = offered("run", "--plan=p.json", stdin="n\n")
    unwritten = written(sandbox)
    said = offered("run", "--plan=p.json", "--by=carol")

    assert (declined.code, unwritten) == (3, [])
    assert (said.code, said.out.partition(" ")[0]) == (0, "DONE")
    assert ":1.8.0-master@" in running(sandbox, "billing")


def test_a_plan_is_not_run_twice(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox)
    offered("run", "--plan=p.json")
    sandbox.front.seen.clear()

    said = offered("run", "--plan=p.json")

    assert (said.code, written(sandbox)) == (3, [])
    assert said.err.count("has changed since the plan was shown") == 3


def test_a_hotfix_after_the_approval_is_named_and_nothing_is_written(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox)
    sandbox.front.foreign("/ds/prod/shop/cart", {"env": {"HOTFIX": "1"}})
    sandbox.front.seen.clear()

    said = offered("run", "--plan=p.json")

    assert (said.code, written(sandbox)) == (3, [])
    assert "cart: /ds/prod/shop/cart has changed since the plan was shown" in said.err


def test_an_edited_plan_is_bad_input(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox)
    path = offered.folder / "p.json"
    path.write_text(path.read_text().replace("1.8.0-master", "1.5.0-master"))
    sandbox.front.seen.clear()

    said = offered("run", "--plan=p.json")

    assert (said.code, written(sandbox)) == (2, [])
    assert "fingerprint" in said.err


def test_a_plan_that_may_not_run_is_not_written(sandbox: Sandbox, offered: Command) -> None:
    sandbox.front.api.hidden.add("/ds/prod/shop/cart")

    said = offered("plan", f"--date={sandbox.story.good_day}", "--env=prod", "--out=p.json")

    assert said.code == 3
    assert not (offered.folder / "p.json").exists()


def test_a_narrowed_plan_says_what_it_leaves(sandbox: Sandbox, offered: Command) -> None:
    said = offered("plan", f"--date={sandbox.story.good_day}", "--env=prod", "--only=billing")

    assert said.code == 0
    assert "Warning: cart, catalog, web: left out on request" in said.out
    assert "1 to change" in said.out


def test_the_policy_of_the_plan_is_the_policy_of_the_run(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox, "--on-failure=keep", "--timeout=77")

    offered("run", "--plan=p.json")

    (record,) = (offered.folder / "runs").glob("*.jsonl")
    assert json.loads(record.read_text().splitlines()[0])["on_failure"] == "keep"


def test_a_history_that_is_too_old_is_refused(sandbox: Sandbox, offered: Command) -> None:
    path = offered.folder / "rollback.json"
    held = json.loads(path.read_text())
    held["generated"] = (
        held["generated"].replace("2026", "2025") if "2026" in held["generated"] else "2020-01-01T00:00:00Z"
    )
    path.write_text(json.dumps(held))

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod", "--max-age=4h")

    assert said.code == 3
    assert "hours old" in said.err


def test_an_app_that_the_settings_leave_out_is_named_in_the_run_of_a_plan_too(
    sandbox: Sandbox, offered: Command
) -> None:
    cart = sandbox.fleet.apps["/ds/prod/shop/cart"].definition
    sandbox.fleet.install({**cart, "id": "/ds/prod/shop/cart-blue"}, sandbox.story.now)
    settings(offered.folder, sandbox, "apps: {cart: '/ds/{env}/shop/cart'}\n")
    planned(offered, sandbox)

    said = offered("run", "--plan=p.json", "--json")

    assert [(one["app"], one["reason"]) for one in said.json()["not_changed"]] == [
        ("/ds/prod/shop/cart-blue", "not in apps:")
    ]


def test_an_app_that_was_started_since_the_plan_was_made_refuses_its_run(sandbox: Sandbox, offered: Command) -> None:
    planned(offered, sandbox)
    (offered.folder / "rollback.json").unlink()
    cart = sandbox.fleet.apps["/ds/prod/shop/cart"].definition
    sandbox.fleet.install({**cart, "id": "/ds/prod/shop/cart-blue"}, sandbox.story.now)
    sandbox.front.seen.clear()

    said = offered("run", "--plan=p.json")

    assert (said.code, written(sandbox)) == (3, [])
    assert "/ds/prod/shop/cart-blue is not in the plan" in said.err
