"""A Marathon for unit tests: no socket, and a clock that stands still until it is moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rollback.sandbox.clock import ManualClock
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.marathon.api import MarathonApi
from rollback.sandbox.marathon.app_state import AppState
from rollback.sandbox.marathon.simulator import Simulator

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=timezone.utc)
FATES: Mapping[str, ContainerBehavior] = {f"app:{fate.value}": ContainerBehavior(fate) for fate in ContainerOutcome}
"""`app:crashes`, `app:unhealthy`, …: images by what becomes of their containers. All others run well."""


def definition(app_id: str = "/shop/billing", tag: str = "1", **members: Any) -> dict[str, Any]:
    """An app with two checked instances; `members` replace or, if None, remove its own."""
    whole = {
        "id": app_id,
        "instances": 2,
        "container": {
            "type": "DOCKER",
            "docker": {"image": f"registry.example.com/app:{tag}", "privileged": True},
            "volumes": [{"containerPath": "/data", "hostPath": "/srv/data", "mode": "RO"}],
            "portMappings": [{"containerPort": 8080, "servicePort": 10101, "name": "http"}],
        },
        "networks": [{"mode": "container/bridge"}],
        "healthChecks": [{"path": "/health", "gracePeriodSeconds": 10, "intervalSeconds": 2}],
        "labels": {"team": "shop"},
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


class Bench:
    """A Marathon with apps that have been running for a day.

    Args:
        apps: their definitions.
    """

    def __init__(self, *apps: dict[str, Any]) -> None:
        self.clock = ManualClock(NOW)
        self.fleet = Simulator(ContainerBehaviors(FATES), self.clock)
        self.api = MarathonApi(self.fleet)
        for app in apps:
            self.fleet.install(app, NOW - timedelta(days=1))

    def send(self, method: str, target: str, body: Any = None, **headers: str) -> Response:
        """Send a request; a body that is not bytes goes as JSON."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.api.answer(Request.parse(method, target, {"Content-Type": "application/json", **headers}, raw))

    def get(self, target: str) -> Any:
        """The JSON of a GET that has to succeed."""
        response = self.send("GET", target)
        assert response.status == 200, response
        return response.json()

    def patch(self, app_id: str, body: Any) -> Any:
        """The JSON of a PATCH that has to be accepted."""
        response = self.send("PATCH", f"/v2/apps/{app_id}", body)
        assert response.status == 200, response
        return response.json()

    def deploy(self, app_id: str, tag: str, query: str = "") -> Response:
        """Put another tag into an app's whole container."""
        container = json.loads(json.dumps(self.fleet.apps[app_id].definition["container"]))
        container["docker"]["image"] = f"registry.example.com/app:{tag}"
        return self.send("PATCH", f"/v2/apps/{app_id}{query}", {"container": container})

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.fleet.advance()

    def app(self, app_id: str = "/shop/billing") -> AppState:
        """An app's state."""
        return self.fleet.apps[app_id]

    def tags(self, app_id: str = "/shop/billing") -> list[str]:
        """The tag of every task that is still there, by the definition that it was launched from."""
        state = self.fleet.apps[app_id]
        images = {version: str(d["container"]["docker"]["image"]) for version, d in state.versions.items()}
        return sorted(images[task.version].rsplit(":", 1)[1] for task in state.tasks)
