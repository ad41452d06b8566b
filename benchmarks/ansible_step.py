"""Measures what a step of the Ansible role costs beside the tool itself: `python -m benchmarks.ansible_step`.

Needs `ansible` and `ansible-playbook` of the versions that `.ci/parts-ci-integrations` installs. Writes
benchmarks/ansible_step.json and ansible_step.md, and fails if a step costs more than three times a bare
`ansible localhost -m ping`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from rollback.sandbox.launcher import serving

HERE = Path(__file__).parent
ANSIBLE = HERE.parent / "ansible"
PARTS = HERE.parent / ".parts"
REPOS = "shop/billing,shop/cart,shop/catalog,shop/web"
LIMIT = 3.0  # times the ping


@dataclass(frozen=True)
class Cost:
    """The cheapest of several runs, in seconds of wall time and of CPU time, children included."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Version:
    """One ansible-core: a ping, the tool alone, and a second step of the role that runs the same tool."""

    name: str
    ping: Cost
    tool: Cost
    first: Cost
    second: Cost

    @property
    def times_ping(self) -> float:
        """What the role adds to the tool, in pings."""
        return (self.second.wall_s - self.tool.wall_s) / self.ping.wall_s


def cost(command: Sequence[str], environ: Mapping[str, str]) -> Cost:
    """Run a command.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=ANSIBLE, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode(errors="replace"))
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def measure(name: str, times: int) -> Version:
    """Measure one ansible-core in turns, so that a busy minute of the machine hits all."""
    programs = PARTS / f"ansible-{name}" / "bin"
    version = subprocess.run([programs / "ansible", "--version"], capture_output=True, check=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder, serving() as sandbox:
        settings = Path(folder, "settings.yaml")
        settings.write_text(json.dumps({"registry": {"url": sandbox.registry_url}}))
        environ = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": folder, "LANG": "C.UTF-8"}
        wheels = PARTS / "wheels"
        pip = ["--no-index", f"--find-links={wheels}"] if wheels.is_dir() else []
        variables = {
            "env": "prod",
            "repo": REPOS,
            "dump_path": f"{folder}/dump",
            "rollback_config": str(settings),
            "rollback_pip_extra_args": pip,
        }
        step = ["ansible-playbook", "rollback_service.yaml", "--tags=get", "-e", json.dumps(variables)]
        tool = [
            *(sys.executable, "-m", "rollback", "get", f"--repo={REPOS}", "--env=prod", f"--dump={folder}/alone"),
            *(f"--html={folder}/alone/timeline.html", f"--config={settings}"),
        ]
        Path(folder, "alone").mkdir()
        ping = ["ansible", "localhost", "-m", "ping"]
        first = cost(step, environ)
        rounds = [[cost(command, environ) for command in (ping, tool, step)] for _ in range(times)]
    cheapest = [min(runs, key=lambda run: run.wall_s) for runs in zip(*rounds, strict=True)]
    return Version(version.split("]")[0].removeprefix("ansible [core "), cheapest[0], cheapest[1], first, cheapest[2])


def page(versions: Sequence[Version], machine: str) -> str:
    """The measurements as a page."""
    rows = [
        f"| {v.name} | {v.ping.wall_s:.2f} | {v.tool.wall_s:.2f} | {v.first.wall_s:.1f} | {v.second.wall_s:.2f} "
        f"| {v.times_ping:.2f} | {'cleared' if v.times_ping <= LIMIT else '**missed**'} |"
        for v in versions
    ]
    return "\n".join(
        [
            "# What a step of the Ansible role costs",
            "",
            f"Written by `make bench`. {machine}. Seconds of wall time, the best of the rounds; the first step",
            "installs the tool with pip, the second finds it there. What the role adds is the second step less the",
            f"tool alone, and may be at most {LIMIT:g} times `ansible localhost -m ping`.",
            "",
            "| ansible-core | ping | `rollback get` alone | first step | second step | added, in pings | |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Measure both ends of what is supported."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    versions = [measure(name, 1 if quick else 5) for name in ("oldest", "newest")]
    machine = (
        f"Measured on {datetime.now(timezone.utc):%Y-%m-%d}: {os.cpu_count()} CPUs, {platform.system()}, "
        f"Python {platform.python_version()}, load average before the first run {load:.1f}"
    )
    text = page(versions, machine)
    sys.stdout.write(text)
    if not quick:
        (HERE / "ansible_step.md").write_text(text)
        (HERE / "ansible_step.json").write_text(json.dumps([asdict(v) for v in versions], indent=2) + "\n")
    if any(v.times_ping > LIMIT for v in versions):
        raise SystemExit("a step costs more than it may")


if __name__ == "__main__":
    main()
