"""The Python client `marathon` from PyPI works against the sandbox as it is.

It knows no `resourceLimits` and fails over an app that has some, whichever Marathon it asks; so it is kept away
from the one app of the story that does.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.launcher import serving

SCRIPT = """
import json, sys, time
from marathon import MarathonClient, MarathonHttpError
from marathon.exceptions import ConflictError, NotFoundError

url, token = sys.stdin.read().split()
client = MarathonClient(url, auth_token=token, timeout=10)
said = {}

def wait():
    for _ in range(500):
        if not client.list_deployments():
            return
        time.sleep(0.01)

said["ping"] = client.ping().decode() if isinstance(client.ping(), bytes) else str(client.ping())
said["info"] = client.get_info().version
said["leader"] = client.get_leader()["leader"]
said["front"] = [app.id for app in client.list_apps(label="tier==front")]
said["substring"] = sorted(app.id for app in client.list_apps(app_id="prod/shop/ca", embed_tasks=True))
said["groups"] = [group.id for group in client.get_group("/ds/stage").groups]

cart = client.get_app("/ds/prod/shop/cart")
said["image"] = cart.container.docker.image
said["tasks"] = len(cart.tasks)
said["alive"] = [result.alive for task in cart.tasks for result in task.health_check_results]
said["listed_tasks"] = len(client.list_tasks("/ds/prod/shop/cart"))

scaled = client.scale_app("/ds/prod/shop/cart", instances=3)
said["deployment"] = [d.id for d in client.list_deployments()] == [scaled["deploymentId"]]
wait()
said["scaled"] = client.get_app("/ds/prod/shop/cart").tasks_running

version = min(client.list_versions("/ds/prod/shop/cart"))
said["old"] = client.get_version("/ds/prod/shop/cart", version).container.docker.image
stuck = client.rollback_app("/ds/prod/shop/cart", version)
try:
    client.scale_app("/ds/prod/shop/cart", instances=1)
except ConflictError as error:
    said["conflict"] = error.status_code
time.sleep(0.2)
said["failure"] = client.get_app("/ds/prod/shop/cart").last_task_failure.message
client.delete_deployment(stuck["deploymentId"])
wait()
said["restored"] = client.get_app("/ds/prod/shop/cart").container.docker.image
client.restart_app("/ds/prod/shop/cart")
wait()
try:
    client.get_app("/nobody")
except NotFoundError as error:
    said["missing"] = error.error_message
try:
    MarathonClient(url).list_apps()
except MarathonHttpError as error:
    said["without"] = error.status_code
except ValueError:
    said["without"] = "html"
print(json.dumps(said))
"""


@pytest.fixture
def said(part: Callable[[str], str]) -> dict[str, Any]:
    """What a script of the client finds out."""
    with serving(speed=50) as sandbox:
        sandbox.behaviors.attach("cart:2.7.0-master", ContainerBehavior(ContainerOutcome.CRASHES))
        assert sandbox.front.logins is not None
        given = f"{sandbox.service_url} {sandbox.front.logins.token(sandbox.user)}"
        ran = subprocess.run(
            [part("python-marathon"), "-W", "ignore", "-c", SCRIPT],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def test_it_reads_changes_and_rolls_back(said: dict[str, Any]) -> None:
    assert "pong" in said["ping"]
    assert said["info"].startswith("1.10")
    assert said["front"] == ["/ds/dev/shop/web", "/ds/prod/shop/web", "/ds/stage/shop/web"]
    assert said["substring"] == ["/ds/prod/shop/cart", "/ds/prod/shop/catalog"]
    assert said["groups"] == ["/ds/stage/shop"]
    assert said["image"].endswith("/shop/cart:2.11.0-master")
    assert (said["tasks"], said["listed_tasks"], said["alive"]) == (2, 2, [True, True])
    assert (said["deployment"], said["scaled"]) == (True, 3)
    assert said["old"].endswith("/shop/cart:2.7.0-master")
    assert (said["conflict"], said["failure"]) == (409, "Command exited with status 1")
    assert said["restored"].endswith("/shop/cart:2.11.0-master")
    assert said["missing"] == "App '/nobody' does not exist"
    assert said["without"] in (401, "html")
