"""Dates that rest on what the target remembers; a real docker-registry and a Marathon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.launcher import Sandbox
from rollback.sandbox.scenario import definition
from tests.e2e.command import Command, Said
from tests.e2e.conftest import QUICK, definitions
from tests.support import registry as real

CANARY = "/ds/prod/shop/web-canary"
WEB = "/ds/prod/shop/web"
TODAY = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)


def ago(days: float) -> datetime:
    return TODAY - timedelta(days=days)


def day(days: float) -> str:
    return str(ago(days).date())


@pytest.fixture(scope="module")
def registry(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Built: 1 twenty days ago, 2 ten, 3 five. 4 was never deployed."""
    with real.serve(part("docker-registry"), tmp_path_factory.mktemp("registry")) as url:
        for tag, days in (("1", 20), ("2", 10), ("3", 5), ("4", 2)):
            real.push_image(
                url, "ran/web", f"{tag}-master", ago(days).strftime("%Y-%m-%dT%H:%M:%SZ"), config={"author": tag}
            )
        real.push_image(url, "ran/web", "odd", ago(30).strftime("%Y-%m-%dT%H:%M:%SZ"), config={"author": "odd"})
        yield url


@pytest.fixture
def rollback(registry: str, sandbox: Sandbox, tmp_path: Path) -> Command:
    """The command; prod runs `ran/web` in two apps: web had 1, 2 and 3, the canary 1 and 2, each later than built."""
    host = registry.partition("//")[2]

    def body(name: str, tag: str) -> dict[str, Any]:
        return {**definition("web", "prod", f"{host}/ran/web:{tag}"), "id": f"/ds/prod/shop/{name}"}

    sandbox.fleet.install(
        body("web", "3-master"), ago(3), [(ago(18), body("web", "1-master")), (ago(8), body("web", "2-master"))]
    )
    sandbox.fleet.install(body("web-canary", "2-master"), ago(7), [(ago(15), body("web-canary", "1-master"))])
    write_settings(tmp_path, registry, sandbox.marathon_url)
    return Command(tmp_path)


def write_settings(folder: Path, registry: str, url: str) -> None:
    (folder / "rollback.yaml").write_text(
        f"registry: {{url: '{registry}'}}\n"
        "target: marathon\n"
        f"targets: {{marathon: {{kind: marathon, url: '{url}'}}}}\n"
        f"{QUICK.replace('timeout_s: 8', 'timeout_s: 40')}"
    )


def get(command: Command, *words: str) -> Said:
    return command("get", "--repo=ran/web", "--env=prod", *words)


def history(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((command.folder / "rollback.json").read_text())
    return found


def images(sandbox: Sandbox) -> list[str]:
    found = definitions(sandbox)
    return [found[app_id]["container"]["docker"]["image"].partition("@")[0][-8:] for app_id in (WEB, CANARY)]


def test_each_app_goes_back_to_what_it_had_itself(rollback: Command, sandbox: Sandbox) -> None:
    said = get(rollback, "--basis=deployed")
    held = history(rollback)
    shown = rollback("plan", f"--date={day(7)}", "--env=prod")
    done = rollback("run", f"--date={day(15)}", "--env=prod", "--yes")

    assert said.code == 0, said.err
    assert list(held["rollbacks"]) == [day(3), day(7), day(8), day(15), day(18)]
    assert held["basis"] == "deployed"
    assert [(e["app"], e["tag"], e["certain"]) for e in held["deployed"]] == [
        (WEB, "1-master", True),
        (WEB, "2-master", True),
        (WEB, "3-master", True),
        (CANARY, "1-master", True),
        (CANARY, "2-master", True),
    ]
    assert "basis: deployed" in said.out
    assert f"{day(8)}  ran/web:2-master (ran)" in said.out
    rows = [line.split() for line in shown.out.splitlines() if line.strip().startswith("web")]
    assert [[*row[:2], *row[-3:]] for row in rows] == [
        ["web", "3-master", "ran,", "since", day(8)],
        ["web-canary", "2-master", "deployed", "that", "day"],
    ], shown.out
    assert done.code == 0, done.err
    assert images(sandbox) == ["1-master", "1-master"]


def test_auto_marks_both_kinds_of_dates_and_a_date_before_all_memory_rests_on_the_build(rollback: Command) -> None:
    said = get(rollback, "--basis=auto", "--json")
    plan = rollback("plan", f"--date={day(20)}", "--env=prod", "--json").json()
    newest = rollback("plan", f"--date={day(2)}", "--env=prod", "--json").json()

    assert said.code == 0, said.err
    assert set(said.json()["rollbacks"]) == {day(n) for n in (2, 3, 5, 7, 8, 10, 15, 18, 20)}
    assert plan["basis"] == "auto"
    assert [(step["tag"], step["basis"]) for step in plan["steps"]] == [("1-master", "built")] * 2
    assert "is not remembered" in plan["steps"][0]["notes"][-1]
    assert [(step["tag"], step["basis"]) for step in newest["steps"]] == [
        ("3-master", "deployed"),
        ("2-master", "deployed"),
    ]


def test_what_ran_and_is_gone_from_the_registry_is_named_and_refused(
    rollback: Command, sandbox: Sandbox, registry: str
) -> None:
    host = registry.partition("//")[2]
    body = {**definition("web", "prod", f"{host}/ran/web:0-master"), "id": WEB}
    odd = {**definition("web", "prod", f"{host}/ran/web:odd"), "id": WEB}
    now = {**definition("web", "prod", f"{host}/ran/web:3-master"), "id": WEB}
    sandbox.fleet.install(now, ago(3), [(ago(9), body), (ago(6), odd)])

    said = get(rollback, "--basis=deployed")
    refused = rollback("run", f"--date={day(7)}", "--env=prod", "--yes")
    odd_one = rollback("plan", f"--date={day(3)}", "--env=prod", "--json")

    assert said.code == 0, said.err
    assert "ran/web: it ran, and is gone from the registry: 0-master" in said.err
    assert refused.code == 3
    assert f"{WEB} ran ran/web:0-master then, and the registry no longer has it" in refused.err
    assert odd_one.code == 0
    assert {"2-master", "3-master"} == {step["tag"] for step in odd_one.json()["steps"]}


def test_a_target_that_does_not_answer_fails_deployed_and_only_warns_with_auto(
    rollback: Command, registry: str
) -> None:
    write_settings(rollback.folder, registry, "http://127.0.0.1:9/service/marathon")

    failed = get(rollback, "--basis=deployed")
    left = sorted(path.name for path in rollback.folder.iterdir())
    warned = get(rollback, "--basis=auto")

    assert failed.code == 1
    assert "what ran is not known" in failed.err
    assert "http://127.0.0.1:9" in failed.err
    assert left == ["rollback.yaml"]
    assert warned.code == 0
    assert "when images were built decides" in warned.err
    assert history(rollback)["deployed"] == []
    assert f"{day(2)}  ran/web:4-master (built)" in warned.out


def test_the_login_comes_with_get_and_the_default_basis_needs_none(
    rollback: Command, sandbox: Sandbox, registry: str
) -> None:
    write_settings(rollback.folder, registry, sandbox.dcos_url)

    plain = get(rollback)
    words = ("get", "--repo=ran/web", "--env=prod", "--basis=deployed", f"--user={sandbox.user}", "--pwd=-")
    wrong = rollback(*words, stdin="another")
    given = rollback(*words, stdin=sandbox.password)

    assert plain.code == 0
    assert "(built)" not in plain.out
    assert "basis" not in plain.out
    assert history(rollback)["basis"] == "deployed"
    assert wrong.code == 1
    assert "nothing was written" in wrong.err
    assert given.code == 0, given.err
    assert sandbox.password not in given.out + given.err


def test_the_settings_may_name_the_basis(rollback: Command) -> None:
    with (rollback.folder / "rollback.yaml").open("a") as settings:
        settings.write("basis: deployed\n")

    said = get(rollback)
    page = get(rollback, "--html=page.html", "--basis=auto")

    assert said.code == 0, said.err
    assert "basis: deployed" in said.out
    assert page.code == 0
    text = (rollback.folder / "page.html").read_text()
    assert f"ran since {day(3)}" in text
    assert "basis: auto" in text


def test_a_plan_by_builds_says_what_was_configured_on_that_day(rollback: Command) -> None:
    get(rollback)

    said = rollback("plan", f"--date={day(5)}", "--env=prod", "--out=p.json")
    again = rollback("run", "--plan=p.json", "--dry-run")
    (rollback.folder / "rollback.json").rename(rollback.folder / "kept.json")
    alone = rollback("run", "--plan=p.json", "--dry-run")
    (rollback.folder / "kept.json").rename(rollback.folder / "rollback.json")
    older = rollback("plan", f"--date={day(20)}", "--env=prod", "--json").json()

    assert said.code == 0, said.err
    words = " ".join(said.out.split())
    for name in ("web", "web-canary"):
        assert f"on {day(5)} {name} was configured with 2-master (marathon at http://" in words
    assert words.count("this plan takes 3-master") == 2
    assert said.out.count("  back  ") + said.out.count("  forward  ") >= 1
    assert (again.code, alone.code) == (0, 0)
    assert said.out == again.out == alone.out  # also compared once more: each difference stands there once
    assert "ran, " not in said.out
    assert "not compared with what ran: web, web-canary (the target does not remember that date)" in older["warnings"]
