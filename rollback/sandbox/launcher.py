"""Serves the whole sandbox on loopback, and writes the settings that point at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rollback.core.image_reference import Reference
from rollback.errors import BadInput
from rollback.sandbox.clock import Clock, system
from rollback.sandbox.container_behavior import ContainerBehaviors
from rollback.sandbox.http_server import listening
from rollback.sandbox.image_store import ImageStore
from rollback.sandbox.marathon.api import MarathonApi
from rollback.sandbox.marathon.dcos_router import AdminRouter
from rollback.sandbox.marathon.fault_injection import Faults
from rollback.sandbox.marathon.login import Logins
from rollback.sandbox.marathon.simulator import Simulator
from rollback.sandbox.registry import RegistryServer
from rollback.sandbox.scenario import Scenario, fortnight

USER = "oncall"
PASSWORD = "rehearsal"  # noqa: S105 - opens nothing but the sandbox


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is being served.

    Attributes:
        registry_url: the registry.
        dcos_url: the cluster; `dcos cluster setup` takes it.
        user: who can log in.
        password: with what.
        story: what it began with.
        registry: the registry, from inside.
        front: the cluster, from inside: `fleet`, `faults`, hidden apps, tokens.
    """

    registry_url: str
    dcos_url: str
    user: str
    password: str = field(repr=False)
    story: Scenario = field(repr=False)
    registry: RegistryServer = field(repr=False)
    front: AdminRouter = field(repr=False)

    @property
    def marathon_url(self) -> str:
        """Marathon's own address, which requires no login unless it was set up to."""
        return self.dcos_url

    @property
    def service_url(self) -> str:
        """Marathon behind the cluster's login."""
        return f"{self.dcos_url}/service/marathon"

    @property
    def fleet(self) -> Simulator:
        """The state of Marathon."""
        return self.front.api.fleet

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.front.faults

    @property
    def behaviors(self) -> ContainerBehaviors:
        """How containers behave, by image."""
        return self.fleet.behaviors

    def write_settings(self, path: Path) -> None:
        """Write settings that point at this sandbox.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_text(
            f"""\
# Written by `rollback sandbox`: a registry and a Marathon on this machine, for rehearsing.
registry: {{url: "{self.registry_url}"}}
environments: {{dev: develop, stage: stage, preprod: premaster, prod: master}}
target: marathon
targets:
  marathon: {{kind: marathon, url: "{self.marathon_url}"}}
  dcos: {{kind: dcos}}
run: {{timeout_s: 60, settle_s: 1, poll_s: 0.25}}
""",
            encoding="utf-8",
        )


@contextlib.contextmanager
def serving(
    story: Scenario | None = None,
    *,
    registry_port: int = 0,
    port: int = 0,
    speed: float = 1.0,
    user: str = USER,
    password: str = PASSWORD,
    login: bool = True,
    direct_login: bool = False,
    controls: bool = False,
    clock: Clock = system,
) -> Iterator[Sandbox]:
    """Serve a registry and a Marathon on loopback while the block runs.

    Args:
        story: what they hold at first; the fortnight before now if it is not given.
        registry_port: of the registry; 0 for any free one.
        port: of the cluster; likewise.
        speed: how many times faster than in life tasks start, pass checks, die and back off. At 1 a deployment
            of a healthy image takes 2 to 4 s.
        user: who can log in.
        password: with what.
        login: whether `/service/marathon` requires a token.
        direct_login: whether Marathon's own address does.
        controls: whether `POST /sandbox/faults` brings mishaps about.
        clock: the cluster's time.

    Raises:
        OSError: a port is in use.
    """
    story = story or fortnight(clock())
    images = story.images()
    registry = RegistryServer(images)
    behaviors = ContainerBehaviors(story.behaviors, lambda image: _pullable(images, image))
    fleet = Simulator(behaviors, clock, speed)
    logins = Logins({user: password}, clock) if login or direct_login else None
    api = MarathonApi(fleet)
    front = AdminRouter(api, logins, direct_login=direct_login, controls=controls)
    with listening(registry.answer, registry_port) as registry_url, listening(front.answer, port) as dcos_url:
        api.leader = urlsplit(dcos_url).netloc
        for app in story.installed(urlsplit(registry_url).netloc):
            fleet.install(app.definition, app.since, app.history)
        yield Sandbox(registry_url, dcos_url, user, password, story, registry, front)


def _pullable(images: ImageStore, image: str) -> bool:
    """Whether an image of one of the registry's repositories is there; others count as being elsewhere."""
    try:
        reference = Reference.parse(image)
    except BadInput:
        return False
    if reference.path not in images.repos:
        return True
    return images.holds(reference.path, tag=reference.tag or "latest", digest=reference.digest)
