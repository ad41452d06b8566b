"""A build that is stopped while services are deployed: what Jenkins then does to every process of the build."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from tests.ci_integrations.conftest import Playbook
from tests.ci_integrations.scenario import BROKEN, Scene

COOKIE = "JENKINS_NODE_COOKIE"  # by this variable Jenkins knows the processes of a build


def test_the_record_tells_how_far_it_came_and_undo_puts_it_right(
    newest: Playbook, scene: Scene, history: Path
) -> None:
    scene.sandbox.behaviors.attach(
        "shop/cart:2.10.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY, start_s=300)
    )
    environ = {**scene.secrets(), COOKIE: str(scene.dump)}
    run = threading.Thread(target=newest, args=("--tags", "run"), kwargs={"date": scene.good_day, "environ": environ})
    run.start()
    until(lambda: any("written" in record.read_text() for record in scene.dump.glob("runs/*.jsonl")))

    for process in processes(str(scene.dump)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    run.join()
    until(lambda: not processes(str(scene.dump)))

    (record,) = scene.dump.glob("runs/*.jsonl")
    last = json.loads(record.read_text().splitlines()[-1])
    assert (last["event"], last["verdict"]) == ("ended", "PARTLY")
    undone = newest("--tags", "undo")
    assert undone.code == 0, undone.said
    assert scene.running() == BROKEN


def processes(cookie: str) -> list[int]:
    """The processes whose environment has the cookie."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{COOKIE}={cookie}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def until(true: Callable[[], bool], seconds: float = 150) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
