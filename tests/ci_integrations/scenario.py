"""A fleet behind a login, a Slack that takes notes, and a watch on the command lines of every process."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rollback.core.image_reference import Reference
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.http_server import listening
from rollback.sandbox.launcher import Sandbox, serving

REPOS = "shop/billing,shop/cart,shop/catalog,shop/web"
SERVICES = ("billing", "cart", "catalog", "web")
PASSWORD = f"correct {{{{ 6*7 }}}} $HOME-{os.getpid()}%"  # no template and no variable, whoever handles it
HOOK = f"T000/B000/very-secret-hook-{os.getpid()}"  # of this process: others, side by side, may show theirs
SPEED = 8.0  # times faster than in life: a healthy deployment takes half a second


@dataclass
class Slack:
    """A webhook.

    Attributes:
        url: its address, a secret like any webhook's.
        texts: what was posted.
        status: what it answers.
    """

    url: str = field(default="", repr=False)
    texts: list[str] = field(default_factory=list)
    status: int = 200

    def answer(self, request: Request) -> Response:
        if self.status == 200:
            self.texts.append(json.loads(request.body)["text"])
        return Response(self.status, b"ok" if self.status == 200 else b"rollup_error", {"Content-Type": "text/plain"})


@dataclass(frozen=True)
class Scene:
    """What a test plays in.

    Attributes:
        sandbox: the registry and the cluster.
        slack: the webhook.
        settings: the tool's settings file, without secrets.
        dump: the folder of rollback.json; it is not there yet.
    """

    sandbox: Sandbox
    slack: Slack
    settings: Path
    dump: Path

    @property
    def good_day(self) -> str:
        """The date on which all was well."""
        return self.sandbox.story.good_day

    def secrets(self) -> dict[str, str]:
        """What the environment of a playbook or of a build holds."""
        return {
            "ROLLBACK_USER": self.sandbox.user,
            "ROLLBACK_PASSWORD": PASSWORD,
            "ROLLBACK_SLACK": self.slack.url,
        }

    def running(self, env: str = "prod") -> dict[str, str]:
        """The tag that each service of an environment is defined to run."""
        self.sandbox.fleet.advance()
        apps = self.sandbox.fleet.apps
        return {
            service: Reference.parse(apps[app].definition["container"]["docker"]["image"]).tag
            for service in SERVICES
            if (app := f"/ds/{env}/shop/{service}") in apps
        }


BROKEN = {
    "billing": "1.9.0-master",
    "cart": "2.11.0-master",
    "catalog": "3.4.0-master",
    "web": "5.4.0-master",
}
GOOD = {"billing": "1.8.0-master", "cart": "2.10.0-master", "catalog": "3.4.0-master", "web": "5.3.0-master"}


@contextlib.contextmanager
def playing(folder: Path, password: str = PASSWORD) -> Iterator[Scene]:
    """Serve the fleet and the webhook while the block runs."""
    slack = Slack()
    with serving(speed=SPEED, password=password) as sandbox, listening(slack.answer) as url:
        slack.url = f"{url}/services/{HOOK}"
        settings = folder / "settings.yaml"
        settings.write_text(
            f"registry: {{url: {sandbox.registry_url!r}}}\n"
            "target: marathon\n"
            f"targets: {{marathon: {{kind: marathon, url: {sandbox.service_url!r}}}}}\n"
            "run: {timeout_s: 20, settle_s: 0.2, poll_s: 0.1}\n"
        )
        yield Scene(sandbox, slack, settings, folder / "dump")


@contextlib.contextmanager
def command_lines() -> Iterator[set[str]]:
    """Collect the command lines of all processes that run while the block does, looking thirty times a second."""
    seen: set[str] = set()
    over = threading.Event()
    looks: Counter[str] = Counter()  # by process id

    def look() -> None:
        while not over.wait(0.03):
            for entry in Path("/proc").iterdir():
                looks[entry.name] += 1
                # A program that has started keeps its command line.
                if not entry.name.isdigit() or (looks[entry.name] > 5 and looks[entry.name] % 30):
                    continue
                with contextlib.suppress(OSError):
                    seen.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield seen
    finally:
        over.set()
        watch.join()


def leaks(said: str, lines: Iterable[str], *folders: Path) -> list[str]:
    """Where a secret can be read, as it is or in base64.

    Args:
        said: all that was printed.
        lines: the command lines of processes.
        folders: whose files are looked through.
    """
    found = []
    for secret in (PASSWORD, HOOK):
        forms = [secret.encode(), *_in_base64(secret.encode())]
        found += [f"printed: {line}" for line in said.splitlines() if any(form in line.encode() for form in forms)]
        found += [f"command line: {line}" for line in lines if any(form in line.encode() for form in forms)]
        for path in (path for folder in folders for path in folder.rglob("*")):
            if path.is_file() and any(form in path.read_bytes() for form in forms):
                found.append(f"file: {path}")
    return found


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """What base64 makes of a secret in the middle of something, whose length decides which of three forms it has."""
    for before in range(3):
        text = base64.b64encode(b"." * before + secret)
        yield text[-(-before * 8 // 6) : len(text) // 4 * 4 - 4]
