"""`kill -9` of a run at each of its steps on a real control plane: `check` says no, and `undo` puts it right.

A step is the moment before or after a line of the record, or a request that writes. Each costs some ten seconds, so
they are part of `make integration` alone: `KILL_STEPS` names them, such as `1..200` or `17`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from rollback.state import record
from tests.integration.kubernetes.conftest import GOOD_DAY, Shop
from tests.support.kubernetes.control_plane import ROOT
from tests.support.kubernetes.image_behavior import CRASHES, HEALTHY, ImageBehavior

KINDS = {"web": "Deployment", "db": "StatefulSet"}
TIMES_OUT_S = 120


def steps() -> range:
    """The steps that `KILL_STEPS` names."""
    first, _, last = os.environ["KILL_STEPS"].partition("..")
    return range(int(first), int(last or first) + 1)


def templates(shop: Shop) -> dict[str, Any]:
    return {name: shop.namespace.get(kind, name)["spec"]["template"] for name, kind in KINDS.items()}


def killed_at(shop: Shop, step: int) -> int:
    """The exit code of a run that is killed at a step."""
    words = ("run", f"--date={GOOD_DAY}", "--env=prod", "--timeout=30", "--no-freeze")
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.kubernetes.killed_command", str(step), *words],
        cwd=shop.command.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMES_OUT_S,
        check=False,
    )
    return done.returncode


@pytest.mark.timeout(7200)  # all steps are one test: each leaves the fleet as the next one needs it
@pytest.mark.parametrize("behavior", [HEALTHY, CRASHES], ids=["all come up", "one crashes"])
def test_after_a_kill_at_any_step_check_says_no_and_undo_puts_it_right(shop: Shop, behavior: ImageBehavior) -> None:
    for name, kind in KINDS.items():
        good, bad = shop.release(name)
        shop.namespace.create(kind, name, bad, replicas=1)
        if name == "web":
            shop.namespace.set_behavior(good, behavior)
    for name, kind in KINDS.items():
        shop.namespace.wait_until_up(kind, name)
    assert shop.get().code == 0
    before, kills, undone = templates(shop), 0, 0

    for step in steps():
        code = killed_at(shop, step)
        if code != -signal.SIGKILL:
            assert code == (0 if behavior is HEALTHY else 5), step
            assert kills == 0 or undone > 0
            break
        kills += 1
        changed = templates(shop) != before
        checked = shop.command("check", "--env=prod")
        found = record.files(shop.command.folder)
        ended = any(record.read(path).outcome for path in found)
        told = shop.command("undo", "--yes", "--timeout=30") if found else None

        assert checked.code == 1 or ended or not changed, (step, checked)
        if changed:
            assert told, (step, "the record says nothing of a change")
            undone += 1
        assert told is None or told.code == 0 or not changed, (step, told)
        assert templates(shop) == before, (step, told)
        for path in record.files(shop.command.folder):
            path.unlink()  # the next kill is a story of its own
        shop.command("thaw", "--env=prod")
        for name, kind in KINDS.items():
            shop.namespace.wait_until_up(kind, name)
    assert kills
