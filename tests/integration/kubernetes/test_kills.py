"""`kill -9` of a run or an undo at each of its steps on a real control plane: `check` says no, `undo` puts it right.

A step is the moment before or after a line of the record, or a request that writes. Each costs some ten seconds, so
they are part of `make integration` alone: `KILL_STEPS` names them, such as `1..200` or `17`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from enum import Enum
from typing import Any

import pytest

from rollback.state import record
from tests.integration.kubernetes.conftest import BAD, GOOD, GOOD_DAY, Shop
from tests.support.kubernetes.control_plane import ROOT
from tests.support.kubernetes.image_behavior import CRASHES, HEALTHY, ImageBehavior

KINDS = {"web": "Deployment", "db": "StatefulSet"}
TIMES_OUT_S = 120
RUN = ("run", f"--date={GOOD_DAY}", "--env=prod", "--timeout=30", "--no-freeze")


def steps() -> range:
    """The steps that `KILL_STEPS` names."""
    first, _, last = os.environ["KILL_STEPS"].partition("..")
    return range(int(first), int(last or first) + 1)


def templates(shop: Shop) -> dict[str, Any]:
    return {name: shop.namespace.get(kind, name)["spec"]["template"] for name, kind in KINDS.items()}


def killed_at(shop: Shop, step: int, *words: str) -> int:
    """The exit code of a command that is killed at a step."""
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


def deploy(shop: Shop, behaviors: Mapping[str, ImageBehavior]) -> None:
    """Let both services run their bad images.

    Args:
        shop: where.
        behaviors: by tag, of the images of `web`; another one comes up.
    """
    for name, kind in KINDS.items():
        shop.release(name)
        shop.namespace.create(kind, name, f"{shop.host}/shop/{name}:{BAD}", replicas=1)
    for tag, behavior in behaviors.items():
        shop.namespace.set_behavior(f"{shop.host}/shop/web:{tag}", behavior)
    wait_until_up(shop)
    assert shop.get().code == 0


def wait_until_up(shop: Shop) -> None:
    for name, kind in KINDS.items():
        shop.namespace.wait_until_up(kind, name)


@pytest.mark.timeout(7200)  # all steps are one test: each leaves the fleet as the next one needs it
@pytest.mark.parametrize("behavior", [HEALTHY, CRASHES], ids=["all come up", "one crashes"])
def test_after_a_kill_at_any_step_check_says_no_and_undo_puts_it_right(shop: Shop, behavior: ImageBehavior) -> None:
    deploy(shop, {GOOD: behavior})
    before, kills, undone = templates(shop), 0, 0

    for step in steps():
        code = killed_at(shop, step, *RUN)
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
        wait_until_up(shop)
    assert kills


class NextStep(Enum):
    """What a user does about an undo that was killed, as the next plain `undo` names it."""

    GO_ON = "to go on with it"
    TAKE_BACK = "to take it back"


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("next_step", "behavior"),
    [(NextStep.GO_ON, HEALTHY), (NextStep.TAKE_BACK, HEALTHY), (NextStep.TAKE_BACK, CRASHES)],
    ids=["gone on with", "taken back", "one crashes, taken back"],
)
def test_after_a_kill_of_an_undo_at_any_step_check_says_no_and_the_named_command_puts_it_right(
    shop: Shop, next_step: NextStep, behavior: ImageBehavior
) -> None:
    deploy(shop, {})
    bystander = shop.namespace.create("Deployment", "bystander", "registry.example.com/shop/other:1", replicas=0)
    before = templates(shop)
    run = made_run(shop)
    after, kills, changes = templates(shop), 0, 0
    shop.namespace.set_behavior(f"{shop.host}/shop/web:{BAD}", behavior)
    undo = ("undo", f"--run={run}", "--yes", "--timeout=30")

    for step in steps():
        code = killed_at(shop, step, *undo)
        if code != -signal.SIGKILL:
            assert code == (0 if behavior is HEALTHY else 4), step
            assert kills == 0 or changes > 0
            break
        kills += 1
        changed = templates(shop) != after
        changes += changed
        checked = shop.command("check", "--env=prod")
        undos = [path for path in record.files(shop.command.folder) if record.read(path).header.kind == "undo"]
        ended = any(record.read(path).outcome for path in undos)

        assert checked.code == 1 or ended or not changed, (step, checked)
        assert undos or not changed, (step, "no record says that something was changed")
        if changed or next_step is NextStep.GO_ON:  # else there is nothing to take back
            done = shop.command("undo", "--yes", "--timeout=30")
            if changed or done.code == 3:
                assert done.code == 3, (step, done)  # it does not guess what to do about an undo
                named = re.search(rf"{next_step.value}: rollback (undo --run=[\w.-]+)", done.err)
                assert named, (step, done)
                done = shop.command(*named[1].split(), "--yes", "--timeout=30")
            assert done.code == 0, (step, done)
            assert templates(shop) == (before if next_step is NextStep.GO_ON else after), (step, done)
            assert "rollback-lock" not in config_maps(shop), step
            assert unchanged(shop, bystander), step

        for path in record.files(shop.command.folder):  # the next kill is a story of its own
            if next_step is NextStep.GO_ON or record.read(path).header.kind == "undo":
                path.unlink()
        if next_step is NextStep.GO_ON:
            run = made_run(shop)
            undo = ("undo", f"--run={run}", "--yes", "--timeout=30")
        shop.command("thaw", "--env=prod")
        wait_until_up(shop)
    assert kills


def made_run(shop: Shop) -> str:
    """The id of a run after which all is up."""
    ran = shop.command(*RUN)
    assert ran.code == 0, ran
    wait_until_up(shop)
    return ran.out.partition("Run:  ")[2].split()[0]


def unchanged(shop: Shop, workload: Mapping[str, Any]) -> bool:
    """Whether nobody has changed what was asked of a Deployment."""
    now = shop.namespace.get("Deployment", workload["metadata"]["name"])
    return bool(
        now["spec"] == workload["spec"] and now["metadata"]["generation"] == workload["metadata"]["generation"]
    )


def config_maps(shop: Shop) -> str:
    return shop.namespace.cluster.kubectl("-n", shop.namespace.name, "get", "configmaps", "-o", "name")
