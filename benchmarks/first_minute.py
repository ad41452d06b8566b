"""Measures what a newcomer waits for: a clean clone up to the end of `make demo`, and `rollback --help`.

    python -m benchmarks.first_minute

Needs git, make and a package index. Writes benchmarks/first_minute.json and first_minute.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
HELPS = (("--help",), ("run", "--help"), ("--version",))
TIMES = 10


def wall_s(*command: str, folder: Path, **environ: str) -> tuple[float, str]:
    """How long a command takes, in seconds, and what it prints.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout)
    return time.perf_counter() - began, done.stdout


def measure() -> dict[str, Any]:
    """Clone what is committed, run the demo twice there, and print the help many times."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "clone")
        clone, _ = wall_s("git", "clone", "--quiet", str(CHECKOUT), str(folder), folder=Path(name))
        nothing = {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        first, said = wall_s("make", "demo", f"PYTHON={sys.executable}", folder=folder, **nothing)
        again, _ = wall_s("make", "demo", f"PYTHON={sys.executable}", folder=folder)
        size = sum(path.stat().st_size for path in (folder / ".venv").rglob("*") if path.is_file())
        program = str(folder / ".venv" / "bin" / "rollback")
        helps = {
            " ".join(("rollback", *words)): min(wall_s(program, *words, folder=folder)[0] for _ in range(TIMES))
            for words in HELPS
        }
    if len(re.findall(r"^DONE", said, re.MULTILINE)) != 3:
        raise SystemExit(f"the demo did not do what it should:\n{said}")
    return {
        "made": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}",
        "load": round(load, 1),
        "clone_s": round(clone, 2),
        "first_demo_s": round(first, 1),
        "second_demo_s": round(again, 1),
        "environment_mb": round(size / 1e6),
        "help_s": {name: round(seconds, 3) for name, seconds in helps.items()},
    }


def page(results: dict[str, Any]) -> str:
    """The measurements as a page."""
    return "\n".join(
        [
            "# What the first minute costs",
            "",
            f"Written by `make bench`. Measured on {results['made']}: {results['machine']}, load average before "
            f"the first run {results['load']}.",
            "",
            "| | seconds |",
            "|---|---|",
            f"| `git clone` of the checkout | {results['clone_s']} |",
            f"| `make demo` there, without pip's cache | {results['first_demo_s']} |",
            f"| `make demo` once more | {results['second_demo_s']} |",
            *(f"| `{name}`, best of {TIMES} | {seconds} |" for name, seconds in results["help_s"].items()),
            "",
            f"`make demo` makes an environment of {results['environment_mb']} MB. Most of the time of the first one",
            "is pip's; the demo itself waits for a fleet that starts as slowly as in life.",
            "",
        ]
    )


def main() -> None:
    """Measure, print and write."""
    results = measure()
    text = page(results)
    sys.stdout.write(text)
    (HERE / "first_minute.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "first_minute.md").write_text(text)


if __name__ == "__main__":
    main()
