"""Ctrl-C, a service manager's SIGTERM, and readers that leave early."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.launcher import Sandbox
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from tests.e2e.command import Command
from tests.e2e.conftest import definitions, settings, written


def day(sandbox: Sandbox) -> str:
    return f"--date={sandbox.story.good_day}"


def hanging(sandbox: Sandbox) -> None:
    """From now on billing's good image never becomes healthy."""
    sandbox.behaviors.attach("shop/billing:1.8.0-master", ContainerBehavior(ContainerOutcome.UNHEALTHY))


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read its standard error up to a line with a text."""
    assert process.stderr is not None
    assert any(text in line for line in process.stderr)


def lines(folder: Path) -> list[dict[str, Any]]:
    (file,) = (folder / "runs").glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_signal_after_the_last_write_hides_neither_the_report_nor_the_lock(
    sandbox: Sandbox, offered: Command
) -> None:
    settings(offered.folder, sandbox, "shared_state: target\n")
    lock = "/v2/apps/ds/prod/rollback-lock"
    sandbox.faults.add(Fault(FaultKind.DELAY, seconds=0.3, method="DELETE", path=lock))
    with offered.start("run", day(sandbox), "--env=prod") as process:
        while ("DELETE", lock) not in sandbox.front.seen:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out.partition(" ")[0]) == (0, "DONE"), err
    assert "nothing was changed" not in err
    assert "/ds/prod/rollback-lock" not in sandbox.fleet.apps


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_starts_no_new_write_and_undo_puts_it_right(
    sandbox: Sandbox, offered: Command, sign: signal.Signals
) -> None:
    before = definitions(sandbox)
    hanging(sandbox)
    with offered.start("run", day(sandbox), "--env=prod", "--timeout=60", "--json") as process:
        until(process, "ready")
        os.kill(process.pid, sign)
        out, err = process.communicate(timeout=20)
    requests, record = written(sandbox), lines(offered.folder)

    undone = offered("undo", "--yes")

    assert process.returncode == 130, err
    assert json.loads(out)["exit_code"] == 130
    assert "rollback undo --run=" in json.loads(out)["undo"]
    assert requests == [("PATCH", "/v2/apps")]
    assert record[-1]["event"] == "ended"
    assert undone.code == 0, undone.err
    assert definitions(sandbox) == before


def test_a_second_signal_ends_it_at_once(sandbox: Sandbox, offered: Command) -> None:
    hanging(sandbox)
    with offered.start("run", day(sandbox), "--env=prod", "--timeout=60") as process:
        until(process, "ready")
        sandbox.faults.add(Fault(FaultKind.DELAY, seconds=10, method="GET", times=9))
        seen = len(sandbox.front.seen)
        while len(sandbox.front.seen) == seen:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        until(process, "again to end at once")
        time.sleep(0.7)  # sooner, it would be the same wish
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=8)

    assert process.returncode == 130


Begun = Callable[[], tuple[socket.socket, object]]


def waits_for_registry(command: Command, config: dict[str, Any], silent: socket.socket) -> Begun:
    config["registry"] = {"url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
    return silent.accept


def waits_for_target(command: Command, config: dict[str, Any], silent: socket.socket) -> Begun:
    config["targets"] = {"marathon": {"kind": "marathon", "url": f"http://127.0.0.1:{silent.getsockname()[1]}"}}
    return silent.accept


def waits_for_hook(command: Command, config: dict[str, Any], silent: socket.socket) -> Begun:
    config["hooks"] = {"preflight": sleeper(command.folder, silent)}
    return silent.accept


def waits_for_program(command: Command, config: dict[str, Any], silent: socket.socket) -> Begun:
    config |= {"target": "dcos", "targets": {"dcos": {"kind": "dcos", "program": sleeper(command.folder, silent)}}}
    return silent.accept


def sleeper(folder: Path, silent: socket.socket) -> str:
    """A program that says that it runs, never ends by itself, and does not mind SIGTERM."""
    path = folder / "sleeper"
    port = silent.getsockname()[1]
    path.write_text(
        f"#!{sys.executable} -IS\nimport signal, socket, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"socket.create_connection(('127.0.0.1', {port}))\ntime.sleep(600)\n"
    )
    path.chmod(0o755)
    return f"./{path.name}"


@pytest.mark.parametrize("waits", [waits_for_registry, waits_for_target, waits_for_hook, waits_for_program])
def test_a_signal_ends_it_whatever_it_waits_for(sandbox: Sandbox, offered: Command, waits: Any) -> None:
    file = offered.folder / "rollback.yaml"
    config = yaml.safe_load(file.read_text())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        begun = waits(offered, config, silent)
        file.write_text(json.dumps(config))
        with offered.start("run", day(sandbox), "--env=prod", "--yes") as process:
            held, _ = begun()
            os.kill(process.pid, signal.SIGTERM)
            _, err = process.communicate(timeout=15)  # none of these has a limit of less than 30 s
        held.close()

    assert process.returncode == 130, err
    assert "interrupted; nothing was changed" in err
    assert not written(sandbox)


@pytest.mark.parametrize("words", [["--help"], ["history"], ["get", "--repo=shop/billing", "--env=prod"]])
def test_a_reader_that_has_left_is_no_error(rollback: Command, words: list[str]) -> None:
    here, there = os.pipe()
    os.close(here)
    with rollback.start(*words, stdout=there) as process:
        os.close(there)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_nobody_reading_the_progress_does_not_stop_a_run_half_way(sandbox: Sandbox, offered: Command) -> None:
    sandbox.behaviors.attach("shop/web:5.3.0-master", ContainerBehavior(ContainerOutcome.CRASHES))
    before = definitions(sandbox)
    with offered.start("run", day(sandbox), "--env=prod", "--json") as process:
        until(process, "3 to change on")
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.close()
        out = process.stdout.read()
        process.wait(30)

    assert process.returncode == 5
    assert json.loads(out)["verdict"] == "RESTORED"
    assert definitions(sandbox) == before


def test_a_closed_standard_input_is_no_terminal(sandbox: Sandbox, offered: Command) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" run {day(sandbox)} --env=prod <&-', offered.program[0]],
        cwd=offered.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
