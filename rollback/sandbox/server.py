"""Serves the whole sandbox on loopback, and writes the settings that point at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rollback.core.image import Reference
from rollback.errors import BadInput
from rollback.sandbox.behaviour import Behaviours
from rollback.sandbox.clock import Clock, system
from rollback.sandbox.image_store import ImageStore
from rollback.sandbox.listening import listening
from rollback.sandbox.marathon.api import Api
from rollback.sandbox.marathon.faults import Faults
from rollback.sandbox.marathon.fleet import Fleet
from rollback.sandbox.marathon.front import Front
from rollback.sandbox.marathon.login import Logins
from rollback.sandbox.registry import Registry
from rollback.sandbox.story import Story, fortnight

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
    story: Story = field(repr=False)
    registry: Registry = field(repr=False)
    front: Front = field(repr=False)

    @property
    def marathon_url(self) -> str:
        """Marathon's own address, which asks for no login unless it was told to."""
        return self.dcos_url

    @property
    def service_url(self) -> str:
        """Marathon behind the cluster's login."""
        return f"{self.dcos_url}/service/marathon"

    @property
    def fleet(self) -> Fleet:
        """The state of Marathon."""
        return self.front.api.fleet

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.front.faults

    @property
    def behaviours(self) -> Behaviours:
        """How containers behave, by image."""
        return self.fleet.behaviours

    def write_settings(self, path: Path) -> None:
        """Write settings that point at this sandbox.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_text(
            f"""\
# Written by `rollback sandbox`: a registry and a Marathon on this machine, for rehearsing.
registry: {{url: "{self.registry_url}"}}
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
    story: Story | None = None,
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
        login: whether `/service/marathon` asks for a token.
        direct_login: whether Marathon's own address does.
        controls: whether `POST /sandbox/faults` brings mishaps about.
        clock: the cluster's time.

    Raises:
        OSError: a port is taken.
    """
    story = story or fortnight(clock())
    images = story.images()
    registry = Registry(images)
    behaviours = Behaviours(story.behaviours, lambda image: _pullable(images, image))
    fleet = Fleet(behaviours, clock, speed)
    logins = Logins({user: password}, clock) if login or direct_login else None
    api = Api(fleet)
    front = Front(api, logins, direct_login=direct_login, controls=controls)
    with listening(registry.answer, registry_port) as registry_url, listening(front.answer, port) as dcos_url:
        api.leader = urlsplit(dcos_url).netloc
        for app in story.installed(urlsplit(registry_url).netloc):
            fleet.install(app.definition, app.since, app.history)
        yield Sandbox(registry_url, dcos_url, user, password, story, registry, front)


def _pullable(images: ImageStore, image: str) -> bool:
    """Whether an image of one of the registry's repositories is there; others are taken to be elsewhere."""
    try:
        reference = Reference.parse(image)
    except BadInput:
        return False
    if reference.path not in images.repos:
        return True
    return images.holds(reference.path, tag=reference.tag or "latest", digest=reference.digest)
