"""A sandbox that runs faster than life, a folder with settings that point at it, and the command in that folder."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.http_server import listening
from rollback.sandbox.launcher import Sandbox, serving
from tests.e2e.command import Command

REPOS = "shop/billing,shop/cart,shop/catalog,shop/web"
QUICK = "run: {settle_s: 0.2, poll_s: 0.05, timeout_s: 8}\n"
SPEED = 15


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(speed=SPEED) as sandbox:
        yield sandbox


@pytest.fixture
def rollback(sandbox: Sandbox, tmp_path: Path) -> Command:
    """The command in a folder whose settings lead to the sandbox."""
    folder = tmp_path / "here"
    folder.mkdir()
    settings(folder, sandbox)
    return Command(folder)


@pytest.fixture
def offered(rollback: Command, sandbox: Sandbox) -> Command:
    """The same, after a `get`."""
    said = rollback("get", f"--repo={REPOS}", "--env=prod")
    assert said.code == 0, said.err
    return rollback


@pytest.fixture
def slack() -> Iterator[tuple[str, list[str]]]:
    """A webhook, and what was posted to it."""
    posted: list[str] = []

    def answer(request: Request) -> Response:
        posted.append(request.body.decode())
        return Response(200, b"ok")

    with listening(answer) as url:
        yield f"{url}/services/T000/B000/hook-secret", posted


def settings(folder: Path, sandbox: Sandbox, more: str = "") -> None:
    """Write settings that lead to a sandbox."""
    (folder / "rollback.yaml").write_text(
        f"registry: {{url: '{sandbox.registry_url}'}}\n"
        "environments: {dev: develop, stage: stage, preprod: premaster, prod: master}\n"
        "target: marathon\n"
        f"targets: {{marathon: {{kind: marathon, url: '{sandbox.marathon_url}'}}}}\n"
        f"{QUICK}{more}"
    )


def definitions(sandbox: Sandbox) -> dict[str, Any]:
    """Every app's definition as Marathon has it."""
    sandbox.fleet.advance()
    return {app_id: copy.deepcopy(app.definition) for app_id, app in sandbox.fleet.apps.items()}


def tags(sandbox: Sandbox, env: str = "prod") -> dict[str, str]:
    """By service, the tag that its app is to run."""
    found = {}
    for app_id, body in definitions(sandbox).items():
        _, department, place, _, *service = app_id.split("/")
        if (department, place) == ("ds", env):
            image = body["container"]["docker"]["image"].partition("@")[0]
            found["/".join(service)] = image.rpartition(":")[2]
    return found


def running(sandbox: Sandbox, service: str) -> str:
    """The image reference that a service's app in prod is to run."""
    return str(definitions(sandbox)[f"/ds/prod/shop/{service}"]["container"]["docker"]["image"])


def written(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Requests that would change something."""
    return [seen for seen in sandbox.front.seen if seen[0] not in {"GET", "HEAD"} and "/acs/" not in seen[1]]
