"""All apps of a repository go to the date together, through Marathon's API and through the real dcos."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox
from rollback.sandbox.scenario import definition
from tests.contract.program import set_up
from tests.e2e.command import Command
from tests.e2e.conftest import QUICK, definitions
from tests.support import registry as real

REPO = "several/web"
FOREIGN = "/ds/prod/shop/deep/web"  # a segment more than the pattern has
POD = "/ds/prod/shop/web-pod"


@pytest.fixture(scope="module")
def images(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A real registry with three builds, of which the newest has a tag that moves, too; and their digests."""
    with real.serve(part("docker-registry"), tmp_path_factory.mktemp("registry")) as url:
        digests = [real.push_image(url, REPO, f"{n}-master", f"2026-01-0{n}T12:00:00Z") for n in (1, 2, 3)]
        assert real.push_image(url, REPO, "latest-master", "2026-01-03T12:00:00Z") == digests[2]
        yield url, digests


@pytest.fixture(params=["marathon", "dcos"])
def rollback(
    images: tuple[str, list[str]],
    sandbox: Sandbox,
    forked_dcos: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Command:
    """The command; three apps run the repository, and so do an app of another form and a pod."""
    host = images[0].partition("//")[2]
    for name, tag in {
        "web": "3-master",
        "web-canary": "latest-master",
        "web-green": "1-master",
        "deep/web": "3-master",
    }.items():
        body = {**definition("web", "prod", f"{host}/{REPO}:{tag}"), "id": f"/ds/prod/shop/{name}", "instances": 1}
        sandbox.fleet.install(body, sandbox.story.now - timedelta(hours=1))
    sandbox.front.api.pods.append(
        {"id": POD, "containers": [{"name": "c", "image": {"kind": "DOCKER", "id": f"{host}/{REPO}:3-master"}}]}
    )
    variables = {"ROLLBACK_USER": sandbox.user, "ROLLBACK_PASSWORD": sandbox.password}
    target = f"{{kind: marathon, url: '{sandbox.marathon_url}'}}"
    if request.param == "dcos":
        set_up(tmp_path / "dot-dcos", sandbox.dcos_url, token="run-out")
        path = f"{Path(forked_dcos).parent}{os.pathsep}{os.environ['PATH']}"
        variables, target = {**variables, "PATH": path, "DCOS_DIR": str(tmp_path / "dot-dcos")}, "{kind: dcos}"
    (tmp_path / "rollback.yaml").write_text(
        f"registry: {{url: '{images[0]}'}}\ntarget: it\ntargets: {{it: {target}}}\n"
        f"{QUICK.replace('0.05', '0.2').replace('timeout_s: 8', 'timeout_s: 40')}"
    )
    return Command(tmp_path, variables=variables)


def running(sandbox: Sandbox) -> dict[str, str]:
    """By app of the repository, the tag and digest that it is to run."""
    found = {app_id: body["container"]["docker"]["image"] for app_id, body in definitions(sandbox).items()}
    return {app_id: image.partition(f"{REPO}:")[2] for app_id, image in found.items() if f"/{REPO}:" in image}


def test_apps_that_are_ahead_go_back_and_those_behind_forward_and_an_undo_brings_all_of_them_back(
    images: tuple[str, list[str]], sandbox: Sandbox, rollback: Command
) -> None:
    _, second, third = images[1]
    assert rollback("get", f"--repo={REPO}", "--env=prod").code == 0

    planned = rollback("plan", "--date=2026-01-02", "--env=prod", "--json")
    done = rollback("run", "--date=2026-01-02", "--env=prod", "--yes")
    after = running(sandbox)
    undone = rollback("undo", "--yes")

    assert planned.code == 0, planned.err
    assert {step["service"]: step["direction"] for step in planned.json()["steps"]} == {
        "web": "back",
        "web-canary": "back",
        "web-green": "forward",
    }
    assert {other["app"]: other["reason"] for other in planned.json()["not_changed"]} == {
        FOREIGN: "its id does not fit app_id",
        POD: "pods are not supported",
    }
    assert done.code == 0, done.err
    assert f"Not changed: {FOREIGN} (its id does not fit app_id) runs " in done.out
    assert after == {
        "/ds/prod/shop/web": f"2-master@{second}",
        "/ds/prod/shop/web-canary": f"2-master@{second}",
        "/ds/prod/shop/web-green": f"2-master@{second}",
        FOREIGN: "3-master",
    }
    assert undone.code == 0, undone.err
    assert running(sandbox) == {
        "/ds/prod/shop/web": "3-master",
        "/ds/prod/shop/web-canary": f"latest-master@{third}",
        "/ds/prod/shop/web-green": "1-master",
        FOREIGN: "3-master",
    }


@pytest.mark.parametrize("rollback", ["marathon"], indirect=True)
def test_a_row_that_is_skipped_stays_alone_and_strict_refuses_what_is_left_out(rollback: Command) -> None:
    assert rollback("get", f"--repo={REPO}", "--env=prod").code == 0

    narrowed = rollback("plan", "--date=2026-01-02", "--env=prod", "--skip=web-green,web", "--json")
    strict = rollback("plan", "--date=2026-01-02", "--env=prod", "--strict")

    assert {step["service"]: step["action"] for step in narrowed.json()["steps"]} == {
        "web": "stays",
        "web-canary": "change",
        "web-green": "stays",
    }
    assert strict.code == 3
    assert f"{FOREIGN} runs {REPO} and would not be changed" in strict.err
