"""A Marathon with a few apps, as the contract's tests need it: its time stands still until a test moves it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from rollback.sandbox.clock import ManualClock
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.http_server import listening
from rollback.sandbox.marathon.api import MarathonApi
from rollback.sandbox.marathon.dcos_router import AdminRouter
from rollback.sandbox.marathon.login import Logins
from rollback.sandbox.marathon.simulator import Simulator

USER = "jenkins"
PASSWORD = "correct horse"
BILLING = "/ds/prod/shop/billing"
CART = "/ds/prod/shop/cart"
WEB = "/ds/prod/shop/web"
CLEANER = "/ds/prod/shop/cleaner"
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=timezone.utc)
FATES = {
    "crash": ContainerBehavior(ContainerOutcome.CRASHES),
    "sick": ContainerBehavior(ContainerOutcome.UNHEALTHY),
    "dies": ContainerBehavior(ContainerOutcome.DIES),
    "huge": ContainerBehavior(ContainerOutcome.NO_OFFERS),
}

APPS: tuple[dict[str, Any], ...] = (
    {
        "id": BILLING,
        "instances": 2,
        "cpus": 0.5,
        "mem": 256,
        "env": {"DB_PASSWORD": "s3cret", "MODE": "live"},
        "labels": {"team": "shop"},
        "networks": [{"mode": "container/bridge"}],
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": "registry:5000/shop/billing:1.9.0-master",
                "forcePullImage": True,
                "privileged": True,
                "parameters": [{"key": "hostname", "value": "billing.example.com"}],
            },
            "volumes": [{"containerPath": "/data", "hostPath": "/mnt/billing", "mode": "RW"}],
            "portMappings": [
                {"containerPort": 8080, "labels": {"VIP_0": "/billing:80"}, "name": "http"},
                {"containerPort": 9090, "name": "admin"},
            ],
        },
        "healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 1}],
        "resourceLimits": {"cpus": "unlimited", "mem": 512},
        "executorResources": {"cpus": 0.1, "mem": 32},
    },
    {
        "id": CART,
        "instances": 1,
        "container": {
            "type": "MESOS",
            "docker": {"image": "registry:5000/shop/cart:2.4.0-master", "pullConfig": {"secret": "registry"}},
            "linuxInfo": {"seccomp": {"unconfined": True}},
        },
        "secrets": {"registry": {"source": "shop/registry"}},
        "resourceLimits": {"cpus": 2},
    },
    {
        "id": WEB,
        "instances": 1,
        "container": {"type": "DOCKER", "docker": {"image": "registry:5000/shop/web:5.0.0-master"}},
        "dependencies": [CART],
    },
    {"id": CLEANER, "instances": 1, "cmd": "while true; do sleep 60; done"},
)


@dataclass(frozen=True)
class Stage:
    """The Marathon behind a target, and its time.

    Attributes:
        url: of the cluster.
        front: what answers there; `front.faults` lets things go wrong.
        logins: who may come in.
        clock: to be moved by `later`.
    """

    url: str
    front: AdminRouter
    logins: Logins
    clock: ManualClock

    @property
    def fleet(self) -> Simulator:
        return self.front.api.fleet

    @property
    def framework_id(self) -> str:
        return self.front.api.framework_id

    def later(self, seconds: float = 10.0) -> None:
        """Let time pass, in steps, as it does between two looks."""
        while seconds > 0:
            self.clock.advance(min(seconds, 0.5))
            self.fleet.advance()
            seconds -= 0.5

    def definition(self, app_id: str) -> dict[str, Any]:
        """An app's whole definition as Marathon has it stored."""
        self.fleet.advance()
        return copy.deepcopy(self.fleet.apps[app_id].definition)

    def image(self, app_id: str) -> str:
        return str(self.definition(app_id)["container"]["docker"]["image"])


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Serve the apps, all of them running well, while the block runs."""
    clock = ManualClock(NOW)
    behaviors = ContainerBehaviors(
        {f"{name}:{tag}": fate for name in ("billing", "cart", "web") for tag, fate in FATES.items()}
    )
    fleet = Simulator(behaviors, clock)
    for app in APPS:
        fleet.install(copy.deepcopy(app), NOW - timedelta(days=3))
    logins = Logins({USER: PASSWORD}, clock)
    front = AdminRouter(MarathonApi(fleet), logins)
    with listening(front.answer) as url:
        yield Stage(url, front, logins, clock)
