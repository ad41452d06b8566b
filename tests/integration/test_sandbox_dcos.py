"""The real DC/OS command line tool, 0.6.1, works against the sandbox as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.launcher import Sandbox, serving

BILLING = "/ds/prod/shop/billing"
Ran = subprocess.CompletedProcess[str]
Dcos = Callable[..., Ran]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serving(speed=50) as served:
        yield served


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox, forked_dcos: str) -> Path:
    """A DC/OS folder that is set up for the sandbox by the tool itself."""
    made = tmp_path_factory.mktemp("dcos")
    ran = _run(
        forked_dcos,
        made,
        "cluster",
        "setup",
        sandbox.dcos_url,
        f"--username={sandbox.user}",
        f"--password={sandbox.password}",
    )
    assert ran.returncode == 0, ran.stderr
    return made


@pytest.fixture
def dcos(folder: Path, forked_dcos: str) -> Dcos:
    return lambda *words, stdin="": _run(forked_dcos, folder, *words, stdin=stdin)


def _run(program: str, folder: Path, *words: str, stdin: str = "") -> Ran:
    environment = {**os.environ, "DCOS_DIR": str(folder)}
    environment.pop("TERM", None)  # `deployment watch` would clear the screen
    return subprocess.run(
        [program, *words], input=stdin, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def shown(dcos: Dcos, app_id: str = BILLING) -> dict[str, Any]:
    return dict(json.loads(dcos("marathon", "app", "show", app_id).stdout))


def deploy(dcos: Dcos, tag: str, app_id: str = BILLING) -> Ran:
    app = shown(dcos, app_id)
    app["container"]["docker"]["image"] = re.sub(r":[^:]+$", f":{tag}", app["container"]["docker"]["image"])
    sent = {name: app[name] for name in ("container", "resourceLimits") if name in app}
    return dcos("marathon", "app", "update", app_id, stdin=json.dumps(sent))


def deployment_of(ran: Ran) -> str:
    found = re.fullmatch(r"Created deployment (\S+)\s*", ran.stdout)
    assert found, ran
    return found[1]


def until_idle(sandbox: Sandbox) -> None:
    deadline = time.monotonic() + 10
    while sandbox.fleet.deployments and time.monotonic() < deadline:
        sandbox.fleet.advance()
        time.sleep(0.01)
    assert not sandbox.fleet.deployments


def test_a_cluster_is_set_up_and_listed(dcos: Dcos, sandbox: Sandbox) -> None:
    said = json.loads(dcos("cluster", "list", "--json").stdout)

    assert [(c["name"], c["url"], c["status"]) for c in said] == [("rollback-sandbox", sandbox.dcos_url, "AVAILABLE")]


def test_a_setup_with_a_wrong_password_fails(sandbox: Sandbox, forked_dcos: str, tmp_path: Path) -> None:
    ran = _run(forked_dcos, tmp_path, "cluster", "setup", sandbox.dcos_url, "--username=oncall", "--password=wrong")

    assert (ran.returncode, ran.stderr.strip()) == (1, "Authentication failed")


def test_a_wrong_login_erases_the_token_and_a_right_one_brings_it_back(dcos: Dcos, sandbox: Sandbox) -> None:
    wrong = dcos("auth", "login", f"--username={sandbox.user}", "--password=wrong")
    without = dcos("marathon", "app", "list", "--json")
    right = dcos("auth", "login", f"--username={sandbox.user}", f"--password={sandbox.password}")
    after = dcos("marathon", "app", "list", "--json")

    assert (wrong.returncode, wrong.stderr.strip()) == (1, "Authentication failed")
    assert without.returncode == 1
    assert "HTTP 401: Unauthorized" in without.stderr
    assert (right.returncode, right.stdout.strip()) == (0, "Login successful!")
    assert after.returncode == 0


def test_apps_are_listed_and_shown(dcos: Dcos, sandbox: Sandbox) -> None:
    listed = json.loads(dcos("marathon", "app", "list", "--json").stdout)
    quiet = dcos("marathon", "app", "list", "--quiet").stdout.split()
    table = dcos("marathon", "app", "list")
    missing = dcos("marathon", "app", "show", "/ds/prod/shop/nobody")

    assert [app["id"] for app in listed] == quiet == sorted(sandbox.fleet.apps)
    assert shown(dcos)["tasks"]
    assert table.returncode == 0
    assert (missing.returncode, missing.stderr.strip()) == (1, "Error: App '/ds/prod/shop/nobody' does not exist")


def test_an_update_becomes_a_deployment_that_comes_to_an_end(dcos: Dcos, sandbox: Sandbox) -> None:
    before = shown(dcos)

    deployment = deployment_of(deploy(dcos, "1.8.0-master"))
    watched = dcos("marathon", "deployment", "watch", "--interval=1", deployment)
    after = shown(dcos)

    assert watched.returncode == 0
    assert after["container"]["docker"]["image"].endswith(":1.8.0-master")
    assert after["resourceLimits"] == before["resourceLimits"]
    assert after["container"]["volumes"] == before["container"]["volumes"]
    assert after["deployments"] == []


def test_properties_with_dots_are_a_no_op_that_looks_like_success(dcos: Dcos) -> None:
    before = shown(dcos)

    ran = dcos("marathon", "app", "update", BILLING, "container.docker.image=x")

    assert deployment_of(ran)
    assert shown(dcos)["container"] == before["container"]


def test_a_stuck_deployment_is_listed_locks_and_is_rolled_back(dcos: Dcos, sandbox: Sandbox) -> None:
    image = shown(dcos, "/ds/prod/shop/cart")["container"]["docker"]["image"]
    sandbox.behaviors.attach("cart:2.9.0-master", ContainerBehavior(ContainerOutcome.CRASHES))

    stuck = deployment_of(deploy(dcos, "2.9.0-master", "/ds/prod/shop/cart"))
    listed = json.loads(dcos("marathon", "deployment", "list", "--json").stdout)
    table = dcos("marathon", "deployment", "list")
    watched = dcos("marathon", "deployment", "watch", "--interval=1", "--max-count=1", stuck)
    locked = deploy(dcos, "2.8.0-master", "/ds/prod/shop/cart")
    failure = shown(dcos, "/ds/prod/shop/cart")["lastTaskFailure"]
    rolled_back = dcos("marathon", "deployment", "rollback", stuck)
    until_idle(sandbox)
    nothing = dcos("marathon", "deployment", "list")
    again = dcos("marathon", "deployment", "rollback", stuck)

    assert [entry["id"] for entry in listed] == [stuck]
    assert stuck in table.stdout
    assert watched.returncode == 0
    assert locked.returncode == 1
    assert locked.stderr.strip() == "Changes blocked: deployment already in progress for app."
    assert failure["message"] == "Command exited with status 1"
    assert json.loads(rolled_back.stdout)["deploymentId"] != stuck
    assert shown(dcos, "/ds/prod/shop/cart")["container"]["docker"]["image"] == image
    assert (nothing.returncode, nothing.stderr.strip()) == (1, "There are no deployments")
    assert again.returncode == 1


def test_a_deployment_is_stopped_and_leaves_its_definition(dcos: Dcos, sandbox: Sandbox) -> None:
    sandbox.behaviors.attach("catalog:3.3.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY))

    stuck = deployment_of(deploy(dcos, "3.3.0-master", "/ds/prod/shop/catalog"))
    stopped = dcos("marathon", "deployment", "stop", stuck)

    assert (stopped.returncode, stopped.stdout.strip()) == (0, "")
    assert shown(dcos, "/ds/prod/shop/catalog")["container"]["docker"]["image"].endswith(":3.3.0-master")
    assert json.loads(dcos("marathon", "deployment", "list", "--json").stdout) == []


def test_a_refused_body_is_shown(dcos: Dcos) -> None:
    ran = dcos("marathon", "app", "update", BILLING, stdin='{"container": {"type": "DOCKER"}}')

    assert ran.returncode == 1
    assert "/container/docker" in ran.stderr


def test_tasks_groups_and_versions_are_shown(dcos: Dcos, sandbox: Sandbox) -> None:
    tasks = json.loads(dcos("marathon", "task", "list", "--json").stdout)
    table = dcos("marathon", "task", "list", "/ds/prod/shop/superbilling")
    group = json.loads(dcos("marathon", "group", "show", "/ds/prod").stdout)
    groups = dcos("marathon", "group", "list")
    versions = json.loads(dcos("marathon", "app", "version", "list", BILLING).stdout)
    old = json.loads(dcos("marathon", "app", "show", f"--app-version={versions[0]}", BILLING).stdout)
    two = json.loads(dcos("marathon", "app", "version", "list", "--max-count=2", BILLING).stdout)

    assert {task["appId"] for task in tasks} <= set(sandbox.fleet.apps)
    assert table.stdout.count("superbilling") >= 2
    assert [inner["id"] for inner in group["groups"]] == ["/ds/prod/shop"]
    assert "/ds/preprod/shop" in groups.stdout
    assert set(versions) == set(sandbox.fleet.apps[BILLING].versions)
    assert old["version"] == versions[0]
    assert two == versions[:2]


@pytest.mark.parametrize("words", [("about",), ("debug", "list"), ("pod", "list"), ("ping", "--once")])
def test_what_else_a_person_may_look_at(dcos: Dcos, words: tuple[str, ...]) -> None:
    ran = dcos("marathon", *words)

    assert ran.returncode == 0, ran.stderr
