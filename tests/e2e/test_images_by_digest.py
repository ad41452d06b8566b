"""Images are known by digest: many tags, shared times, tags that move; a real docker-registry and a Marathon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.launcher import Sandbox
from rollback.sandbox.scenario import definition
from tests.e2e.command import Command
from tests.e2e.conftest import QUICK
from tests.support import registry as real

WEB = "/ds/prod/shop/web"


@pytest.fixture(scope="module")
def registry(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.serve(part("docker-registry"), tmp_path_factory.mktemp("registry")) as url:
        yield url


@pytest.fixture
def rollback(registry: str, sandbox: Sandbox, tmp_path: Path) -> Command:
    """The command, with the real registry and the sandbox's Marathon."""
    (tmp_path / "rollback.yaml").write_text(
        f"registry: {{url: '{registry}'}}\n"
        "target: marathon\n"
        f"targets: {{marathon: {{kind: marathon, url: '{sandbox.marathon_url}'}}}}\n"
        f"{QUICK.replace('timeout_s: 8', 'timeout_s: 40')}"
    )
    return Command(tmp_path)


def push(url: str, repo: str, created: str, *tags: str, build: str = "") -> str:
    """Push one build under several tags."""
    digests = {real.push_image(url, repo, tag, created, config={"author": build or tags[0]}) for tag in (*tags,)}
    (digest,) = digests
    return digest


def history(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((command.folder / "rollback.json").read_text())
    return found


def test_ten_images_are_ten_however_many_tags_each_has(registry: str, rollback: Command) -> None:
    for n in range(1, 13):
        push(registry, "many/web", f"2026-11-{n:02}T12:00:00Z", f"1.{n}.0-master", f"a{n}b{n}-master")
    push(registry, "many/web", "2026-11-12T12:00:00Z", "latest-master", "master", build="1.12.0-master")

    said = rollback("get", "--repo=many/web", "--env=prod", "--last=10")

    assert said.code == 0, said.err
    held = history(rollback)
    assert len(held["rollbacks"]) == 10
    assert held["rollbacks"]["2026-11-12"] == [{"1.12.0-master": "many/web"}]
    assert held["images"][0]["tags"] == ["1.12.0-master", "a12b12-master", "latest-master", "master"]
    assert held["schema"] == 3


def test_a_time_of_many_builds_is_none_and_the_history_stays(registry: str, rollback: Command) -> None:
    push(registry, "fixed/good", "2026-11-10T12:00:00Z", "1-master")
    assert rollback("get", "--repo=fixed/good", "--env=prod").code == 0
    before = (rollback.folder / "rollback.json").read_bytes()
    for n in range(8, 12):
        push(registry, "fixed/web", "2026-11-12T12:00:00Z", f"1.{n}-master")

    said = rollback("get", "--repo=fixed/web", "--env=prod")

    assert said.code == 1
    assert "4 images, none with a usable time" in said.err
    assert "shared by 4 builds" in said.err
    assert (rollback.folder / "rollback.json").read_bytes() == before


def test_unknown_environments_and_tags_in_another_case_are_named(registry: str, rollback: Command) -> None:
    push(registry, "case/web", "2026-11-10T12:00:00Z", "1-MASTER")

    unknown = rollback("get", "--repo=case/web", "--env=Prod")
    nothing = rollback("get", "--repo=case/web", "--env=prod")

    assert unknown.code == 2
    assert "known are dev (tags: develop), stage, prod (tags: master)" in unknown.err
    assert nothing.code == 1
    assert "only in case" in nothing.err
    assert not (rollback.folder / "rollback.json").exists()


def test_fewer_repositories_than_before_are_a_warning(registry: str, rollback: Command) -> None:
    push(registry, "fewer/web", "2026-11-10T12:00:00Z", "1-master")
    push(registry, "fewer/api", "2026-11-10T12:00:00Z", "1-master")
    rollback("get", "--repo=fewer/web,fewer/api", "--env=prod")

    said = rollback("get", "--repo=fewer/web", "--env=prod")

    assert said.code == 0
    assert "had fewer/api, too" in said.err
    assert history(rollback)["all"] == ["fewer/web"]


def installed(sandbox: Sandbox, url: str, name: str, started_ago: timedelta) -> None:
    host = url.partition("//")[2]
    sandbox.fleet.install(definition("web", "prod", f"{host}/{name}"), sandbox.story.now - started_ago)


def runs(sandbox: Sandbox) -> str:
    sandbox.fleet.advance()
    return str(sandbox.fleet.apps[WEB].definition["container"]["docker"]["image"])


def test_a_tag_that_moves_is_brought_back_by_digest(registry: str, rollback: Command, sandbox: Sandbox) -> None:
    push(registry, "moves/web", "2026-01-01T12:00:00Z", "1-master")
    ran = push(registry, "moves/web", "2026-01-02T12:00:00Z", "2-master", "latest-master")
    installed(sandbox, registry, "moves/web:latest-master", timedelta(hours=1))
    rollback("get", "--repo=moves/web", "--env=prod")

    same = rollback("plan", "--date=2026-01-02", "--env=prod", "--json")
    done = rollback("run", "--date=2026-01-01", "--env=prod", "--yes")
    push(registry, "moves/web", "2026-01-03T12:00:00Z", "3-master", "latest-master")
    undone = rollback("undo", "--yes")

    assert [step["action"] for step in same.json()["steps"]] == ["same"], same.err
    assert done.code == 0, done.err
    assert undone.code == 0, undone.err
    assert runs(sandbox).endswith(f"/moves/web:latest-master@{ran}")


def test_without_evidence_it_is_changed_and_undo_says_what_it_cannot_do(
    registry: str, rollback: Command, sandbox: Sandbox
) -> None:
    push(registry, "unsure/web", "2026-01-01T12:00:00Z", "1-master")
    soon = (datetime.now(timezone.utc) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    push(registry, "unsure/web", soon, "2-master", "latest-master")
    installed(sandbox, registry, "unsure/web:latest-master", timedelta(hours=1))
    rollback("get", "--repo=unsure/web", "--env=prod")

    planned = rollback("plan", "--date=2026-01-01", "--env=prod")
    done = rollback("run", "--date=2026-01-01", "--env=prod", "--yes")
    undo = rollback("undo", "--dry-run")

    assert "undo cannot bring back the exact image" in planned.out
    assert done.code == 0, done.err
    assert "cannot bring back the exact image" in undo.out


def test_an_image_whose_tag_was_pushed_again_still_runs_by_digest(
    registry: str, rollback: Command, sandbox: Sandbox
) -> None:
    wanted = push(registry, "again/web", "2026-01-01T12:00:00Z", "1-master")
    push(registry, "again/web", "2026-01-02T12:00:00Z", "2-master")
    installed(sandbox, registry, "again/web:2-master", timedelta(hours=1))
    rollback("get", "--repo=again/web", "--env=prod")
    push(registry, "again/web", "2026-01-03T12:00:00Z", "1-master", build="another")

    done = rollback("run", "--date=2026-01-01", "--env=prod", "--yes")

    assert done.code == 0, done.err
    assert runs(sandbox).endswith(f"/again/web:1-master@{wanted}")
