"""A stage with a Marathon behind DC/OS: its time stands still until a test moves it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rollback.core.timestamps import Instant
from rollback.sandbox.clock import ManualClock
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.http_server import listening
from rollback.sandbox.marathon.api import MarathonApi
from rollback.sandbox.marathon.dcos_router import AdminRouter
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.sandbox.marathon.login import Logins
from rollback.sandbox.marathon.simulator import Simulator
from tests.contract.stage import SECRET, SECRET_NAME, Fate, LostAnswer, image

USER = "jenkins"
PASSWORD = "correct horse"
BILLING = "/ds/prod/shop/billing"
CART = "/ds/prod/shop/cart"
WEB = "/ds/prod/shop/web"
CLEANER = "/ds/prod/shop/cleaner"
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=timezone.utc)

_FATES = {
    Fate.CRASHES: (ContainerOutcome.CRASHES, "back-off"),
    Fate.NEVER_READY: (ContainerOutcome.UNHEALTHY, "health check: "),
    Fate.DIES: (ContainerOutcome.DIES, "Container exited"),
    Fate.UNPULLABLE: (ContainerOutcome.UNPULLABLE, "manifest unknown"),
}

# Of each kind of container one; an image without a tag.
_APPS: Mapping[str, Mapping[str, Any]] = {
    "billing": {
        "cpus": 0.5,
        "mem": 256,
        "networks": [{"mode": "container/bridge"}],
        "container": {
            "type": "DOCKER",
            "docker": {
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
    "cart": {
        "container": {
            "type": "MESOS",
            "docker": {"pullConfig": {"secret": "registry"}},
            "linuxInfo": {"seccomp": {"unconfined": True}},
        },
        "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/health", "port": 8080}],
        "secrets": {"registry": {"source": "shop/registry"}},
        "resourceLimits": {"cpus": 2},
    },
    "web": {
        "container": {"type": "DOCKER", "docker": {}},
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "test -e /up"}}],
    },
}
_LOST_IF_LEFT_OUT = ("resourceLimits", "executorResources")  # by every update, as Marathon itself loses them


class MarathonStage:
    """See `Stage`; also a `DeploymentStage`, a `LoginStage`, a `MemoryStage` and an `UnmanagedStage`.

    Attributes:
        front: what answers; `front.faults` lets things go wrong, `front.seen` has the requests.
        logins: who may come in.
        fleet: the apps.
    """

    secret_mark = "env"
    hiding_is_an_error = False

    def __init__(self, program: str) -> None:
        self._clock = ManualClock(NOW)
        self._behaviors = ContainerBehaviors()
        self.fleet = Simulator(self._behaviors, self._clock)
        self.logins = Logins({USER: PASSWORD}, self._clock)
        self.front = AdminRouter(MarathonApi(self.fleet), self.logins)
        self.program = program
        self.address = ""
        self.identity = f"marathon {self.front.api.framework_id}"

    @property
    def url(self) -> str:
        """The address of the cluster."""
        return self.address

    def put(self, name: str, tag: str = "1.9.0", *, instances: int = 1, checked: bool = True) -> str:
        body = {
            **copy.deepcopy(dict(_APPS[name])),
            "id": f"/ds/prod/shop/{name}",
            "instances": instances,
            "env": {SECRET_NAME: SECRET, "MODE": "live"},
            "labels": {"team": "shop"},
        }
        if not checked:
            del body["healthChecks"]
        body["container"]["docker"]["image"] = image(name, tag)
        self.fleet.install(body, NOW - timedelta(days=3))
        return str(body["id"])

    def put_cleaner(self) -> None:
        """Run an app without an image."""
        self.fleet.install({"id": CLEANER, "instances": 1, "cmd": "sleep 60"}, NOW - timedelta(days=3))

    def put_crowded(self, name: str, tag: str = "1.9.0") -> tuple[str, str]:
        app_id = self.put(name, tag)
        self._behaviors.attach(image(name, "1.8.0"), ContainerBehavior(ContainerOutcome.NO_OFFERS))
        return app_id, "no offers"

    def fail(self, image: str, fate: Fate) -> str:
        outcome, words = _FATES[fate]
        self._behaviors.attach(image, ContainerBehavior(outcome))
        return words

    def change(self, app_id: str, *, tag: str = "", instances: int = 0, secret: str = "", team: str = "") -> None:
        before = self.configuration(app_id)
        sent = {name: before[name] for name in _LOST_IF_LEFT_OUT if name in before}
        if tag:
            sent["container"] = before["container"]
            sent["container"]["docker"]["image"] = f"{self.image(app_id).rpartition(':')[0]}:{tag}"
        if instances:
            sent["instances"] = instances
        if secret:
            sent["env"] = {**before["env"], SECRET_NAME: secret}
        if team:
            sent["labels"] = {**before["labels"], "team": team}
        self.front.foreign(app_id, sent)

    def remove(self, app_id: str) -> None:
        self.fleet.put({app_id: None}, force=True)
        self.settle()

    def hide(self, app_id: str) -> None:
        self.front.api.hidden.add(app_id)

    def refuse(self, app_id: str) -> str:
        self.front.api.readonly.add(app_id)
        return "uthorized"

    def lose_answer(self, how: LostAnswer) -> None:
        fault = Fault(FaultKind.DROP)
        if how is not LostAnswer.RESET:
            fault = Fault(FaultKind.ANSWER_AFTER, int(how.value))
        self.front.faults.add(fault)

    def delay_answer(self, seconds: float) -> None:
        self.front.faults.add(Fault(FaultKind.DELAY, seconds=seconds))

    def settle(self) -> None:
        self.later(10)

    def later(self, seconds: float = 10.0) -> None:
        """In steps, as between two looks."""
        while seconds > 0:
            self._clock.advance(min(seconds, 0.5))
            self.fleet.advance()
            seconds -= 0.5

    def ids(self) -> set[str]:
        self.fleet.advance()
        return set(self.fleet.apps)

    def image(self, app_id: str) -> str:
        return str(self.configuration(app_id)["container"]["docker"]["image"])

    def configuration(self, app_id: str) -> dict[str, Any]:
        self.fleet.advance()
        return copy.deepcopy(self.fleet.apps[app_id].definition)

    def hold(self, app_id: str) -> str:
        return self.front.foreign(app_id)

    def running_deployments(self) -> list[str]:
        return list(self.fleet.deployments)

    def expire_logins(self) -> None:
        self.logins.expire_all()

    def forget_users(self) -> None:
        self.logins._users.clear()

    def count_logins(self) -> int:
        return len([path for _, path in self.front.seen if path.endswith("/auth/login")])

    def now(self) -> Instant:
        self.later(60)
        moment = Instant.parse(self._clock().isoformat())
        self.later(60)
        return moment

    def put_unmanaged(self, image: str) -> tuple[str, str]:
        """A pod, one of its containers without an image."""
        containers = [
            {"name": "main", "image": {"kind": "DOCKER", "id": image}},
            {"name": "bare", "exec": {"command": {"shell": "sleep 60"}}},
        ]
        self.front.api.pods.append({"id": "/ds/prod/shop/pod", "containers": containers})
        return "/ds/prod/shop/pod", "pods are not supported"


@contextlib.contextmanager
def staged(program: str) -> Iterator[MarathonStage]:
    """Serve a Marathon without apps while the block runs.

    Args:
        program: what an operator types first.
    """
    made = MarathonStage(program)
    with listening(made.front.answer) as made.address:
        yield made
