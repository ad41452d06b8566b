"""get, plan, run, undo and history, one after the other, as a newcomer does it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import REPOS, definitions, tags, written

GOOD = {"billing": "1.8.0-master", "cart": "2.10.0-master", "catalog": "3.4.0-master", "web": "5.3.0-master"}
BAD = {"billing": "1.9.0-master", "cart": "2.11.0-master", "catalog": "3.4.0-master", "web": "5.4.0-master"}


def images(sandbox: Sandbox, **but: str) -> dict[str, str]:
    return {name: tag for name, tag in {**tags(sandbox), **but}.items() if name in GOOD}


def without_images(definitions: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(definitions)
    for service in GOOD:
        for found in {GOOD[service], BAD[service]}:
            text = text.replace(f"shop/{service}:{found}", service)
    bare: dict[str, Any] = json.loads(re.sub(r"@sha256:[0-9a-f]{64}", "", text))
    return bare


def test_a_broken_fleet_goes_back_to_the_good_day_and_forward_again(sandbox: Sandbox, rollback: Command) -> None:
    before = definitions(sandbox)
    assert images(sandbox) == BAD

    got = rollback("get", f"--repo={REPOS}", "--env=prod")
    held = json.loads((rollback.folder / "rollback.json").read_text())
    planned = rollback("plan", f"--date={sandbox.story.good_day}", "--env=prod")
    unchanged = written(sandbox)
    ran = rollback("run", f"--date={sandbox.story.good_day}", "--env=prod")
    after = definitions(sandbox)
    again = rollback("run", f"--date={sandbox.story.good_day}", "--env=prod")
    undone = rollback("undo", "--yes")
    told = rollback("history")

    assert (got.code, planned.code, ran.code, again.code, undone.code, told.code) == (0, 0, 0, 0, 0, 0)
    assert held["all"] == REPOS.split(",")
    assert next(iter(held["rollbacks"][sandbox.story.good_day][0].items())) == ("1.8.0-master", "shop/billing")
    assert unchanged == []
    assert ran.out.startswith("DONE after ")
    assert {name: after[f"/ds/prod/shop/{name}"]["container"]["docker"]["image"] for name in GOOD} == {
        name: image(sandbox, held, name) for name in GOOD
    }
    assert without_images(after) == without_images(before)
    assert again.out.startswith("NOTHING TO DO after ")
    assert undone.out.startswith("DONE after ")
    assert "everything goes back." in planned.out
    assert "the others go on." in undone.err  # an undo is a way back already
    assert definitions(sandbox) == before
    assert told.out.count("DONE") == 2


def image(sandbox: Sandbox, held: dict[str, Any], service: str) -> str:
    host = sandbox.registry_url.partition("//")[2]
    if service == "catalog":  # carried, and there already: not touched
        return f"{host}/shop/catalog:3.4.0-master"
    (digest,) = (i["digest"] for i in held["images"] if (i["repo"], i["tag"]) == (f"shop/{service}", GOOD[service]))
    return f"{host}/shop/{service}:{GOOD[service]}@{digest}"


def test_only_the_plans_apps_are_written_in_one_request(sandbox: Sandbox, offered: Command) -> None:
    sandbox.front.seen.clear()

    offered("run", f"--date={sandbox.story.good_day}", "--env=prod")

    assert written(sandbox) == [("PATCH", "/v2/apps")]


def test_decoys_are_never_listed_and_never_touched(sandbox: Sandbox, rollback: Command) -> None:
    before = definitions(sandbox)

    rollback("get", f"--repo={REPOS}", "--env=prod")
    said = rollback("run", f"--date={sandbox.story.good_day}", "--env=master")

    held = (rollback.folder / "rollback.json").read_text()
    assert said.code == 0
    assert "premaster" not in held
    assert "superbilling" not in held
    after = definitions(sandbox)
    touched = {app_id for app_id in after if after[app_id] != before[app_id]}
    assert touched == {"/ds/prod/shop/billing", "/ds/prod/shop/cart", "/ds/prod/shop/web"}


@pytest.mark.parametrize("names", [("prod", "master"), ("master", "prod")])
def test_both_names_of_an_environment_mean_the_same(
    sandbox: Sandbox, rollback: Command, names: tuple[str, str]
) -> None:
    got = rollback("get", f"--repo={REPOS}", f"--env={names[0]}")
    planned = rollback("plan", f"--date={sandbox.story.good_day}", f"--env={names[1]}", "--json")

    assert (got.code, planned.code) == (0, 0)
    assert (planned.json()["env"], planned.json()["tag_env"]) == ("prod", "master")


def test_every_result_can_be_had_as_json(sandbox: Sandbox, rollback: Command) -> None:
    day = f"--date={sandbox.story.good_day}"

    got = rollback("get", f"--repo={REPOS}", "--env=prod", "--json").json()
    planned = rollback("plan", day, "--env=prod", "--json").json()
    dry = rollback("run", day, "--env=prod", "--dry-run", "--json").json()
    ran = rollback("run", day, "--env=prod", "--json").json()
    undone = rollback("undo", "--yes", "--json").json()
    runs = rollback("history", "--json").json()
    one = rollback("history", f"--run={ran['run']}", "--json").json()

    assert got == json.loads((rollback.folder / "rollback.json").read_text())
    assert [step["action"] for step in planned["steps"]] == ["change", "change", "same", "change"]
    assert dry["steps"] == planned["steps"]
    assert (ran["verdict"], ran["exit_code"], ran["changed"]) == ("DONE", 0, 3)
    assert (undone["verdict"], undone["changed"]) == ("DONE", 3)
    assert [run["kind"] for run in runs] == ["undo", "run"]
    assert runs[1]["run"] == ran["run"]
    assert one


def test_the_undo_command_of_the_report_can_be_typed(sandbox: Sandbox, offered: Command) -> None:
    before = definitions(sandbox)
    ran = offered("run", f"--date={sandbox.story.good_day}", "--env=prod")
    (line,) = (line.partition(":")[2].strip() for line in ran.out.splitlines() if line.startswith("Undo:"))

    undone = offered.line(f"{line} --yes")

    assert undone.code == 0
    assert definitions(sandbox) == before


def test_a_time_goes_back_to_the_instant(sandbox: Sandbox, offered: Command) -> None:
    said = offered("plan", f"--date={sandbox.story.good_day}T14:12Z", "--env=prod", "--json")

    assert {step["service"]: step["tag"] for step in said.json()["steps"]} == {
        "billing": "1.8.0-master",  # 14:05:40
        "cart": "2.10.0-master",  # 14:11:23
        "catalog": "3.4.0-master",
        "web": "5.2.0-master",  # 5.3.0 came at 14:19:52
    }


def test_an_app_that_does_not_come_up_puts_everything_back(sandbox: Sandbox, offered: Command) -> None:
    before = definitions(sandbox)
    sandbox.behaviors.attach("shop/web:5.3.0-master", ContainerBehavior(ContainerOutcome.CRASHES))

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod", "--json")

    assert (said.code, said.json()["verdict"]) == (5, "RESTORED")
    assert definitions(sandbox) == before
    assert "again and again" in said.json()["summary"]


def test_a_long_result_fits_the_pipe_uncut(sandbox: Sandbox, offered: Command) -> None:
    said = offered("plan", f"--date={sandbox.story.good_day}", "--env=prod", COLUMNS="20")

    assert "1.9.0-master" in said.out
    assert "\x1b" not in said.out + said.err
    assert max(len(line) for line in said.out.splitlines() if "→" in line) <= 80


def test_an_undo_pressed_twice_does_not_bring_back_what_it_took_back(sandbox: Sandbox, offered: Command) -> None:
    offered("run", f"--date={sandbox.story.good_day}", "--env=prod")
    first = offered("undo", "--yes", "--json").json()["run"]
    after = definitions(sandbox)

    again = offered("undo", "--yes")
    named = offered("undo", "--yes", f"--run={first}")

    assert again.code == 3
    assert f"rollback undo --run={first}" in again.err
    assert named.code == 0
    assert images(sandbox) == GOOD != after
