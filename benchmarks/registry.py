"""Measures the registry client side by side with others: `python -m benchmarks.registry` (or `make bench`).

Needs docker-registry, skopeo and wrk on PATH, and crane and regctl, which `.ci/parts-bench` builds. Writes
benchmarks/registry.json, README.md and registry.png, and fails if a bar is missed. `--quick` measures everything once
and less, to see that it works.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import contenders, fleet, page
from tests.support.registry import serve

HERE = Path(__file__).parent
ROOT = HERE.parent
REPOS, TAGS, MATCHING = 20, 60, 20
ROUND_TRIP_S = 0.02
WIDTH = 16
TOOLS = tuple(contenders.SHELL_LOOPS)
SLOW = ("the articles' loop", *(f"{tool}, 8 at a time" for tool in TOOLS))
# The layers of a cold survey, each a process that does what the one before does and more.
LAYERS = ("floor", "engine", "transport", "ours")


@dataclass(frozen=True)
class Measured:
    """One contender's run: seconds of wall and CPU time, MiB of memory, requests."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mib: float
    images: int
    requests: int
    connections: int


def run(name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> Measured:
    """Run a contender as a process; its children count as its own."""
    before = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, **(environment or {})}, text=True
    )
    assert process.stdout
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    told = json.loads(said) if said.startswith("{") else {"images": int(said), "requests": 0, "connections": 0}
    return Measured(name, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, **told)


def contend(url: str, repos: list[str], folder: Path, times: int, *, distant: bool) -> list[Measured]:
    """Measure every contender against one registry, in turns, so that a busy minute of the machine hits all.

    The quickest run of each counts: whatever else the machine does can only make one slower.
    """
    python = [sys.executable, "-m", "benchmarks.contenders"]
    paths = folder / "paths"
    cache = str(folder / ("distant" if distant else "near"))
    host = {"HOST": url.removeprefix("http://")}
    names: dict[str, Callable[[str], Measured]] = {
        "rollback, cold": lambda name: run(name, [*python, "ours", url, str(WIDTH), "", "", *repos]),
        "rollback, warm": lambda name: run(name, [*python, "ours", url, str(WIDTH), cache, "", *repos]),
        "rollback, immutable tags": lambda name: run(
            name, [*python, "ours", url, str(WIDTH), cache, "immutable", *repos]
        ),
        f"http.client, {WIDTH} threads": lambda name: run(name, [*python, "floor", url, str(WIDTH), str(paths)]),
        f"requests.Session, {WIDTH} threads": lambda name: run(
            name, [*python, "session", url, str(WIDTH), str(paths)]
        ),
        f"wrk, {WIDTH} connections": lambda name: wrk(name, url, paths, folder),
        "the articles' loop": lambda name: run(name, [*python, "articles", url, "1", *repos]),
    }
    for tool, loop in contenders.SHELL_LOOPS.items():
        names[f"{tool}, 8 at a time"] = functools.partial(_in_shell, loop=loop, repos=repos, host=host)
    names["rollback, warm"]("fills the cache")
    found = best(names, times, once=SLOW if distant else ())
    dated = {one.name: one.images for one in found.values() if one.images}
    if set(dated.values()) != {len(repos) * MATCHING}:
        raise SystemExit(f"not everybody found everything: {dated}")
    return list(found.values())


def best(names: Mapping[str, Callable[[str], Measured]], times: int, once: Sequence[str] = ()) -> dict[str, Measured]:
    """Measure each in turns, and keep the quickest run of each; those in `once` run in the first turn alone."""
    found: dict[str, Measured] = {}
    for turn in range(times):
        for name, measure in names.items():
            if turn and name in once:
                continue
            measured = measure(name)
            if name not in found or measured.wall_s < found[name].wall_s:
                found[name] = measured
    return found


def _in_shell(name: str, *, loop: str, repos: list[str], host: dict[str, str]) -> Measured:
    return run(name, ["sh", "-c", loop, "loop", *repos], host)


def layers(url: str, repos: list[str], paths: Path, times: int) -> list[Measured]:
    """Where a cold survey's time goes: the same requests through more and more of its layers."""
    python = [sys.executable, "-m", "benchmarks.contenders"]
    names: dict[str, Callable[[str], Measured]] = {
        "interpreter": lambda name: run(name, [*python, "nothing", url, "0"]),
        "imports": lambda name: run(name, [*python, "imports", url, "0"]),
    }
    for layer in LAYERS:
        more = ["", "", *repos] if layer == "ours" else [str(paths)]
        names[layer] = functools.partial(run, command=[*python, layer, url, str(WIDTH), *more])
    return list(best(names, times).values())


def wrk(name: str, url: str, paths: Path, folder: Path, seconds: int = 4) -> Measured:
    """The floor: how long wrk takes for as many of the same requests at the same number of connections."""
    script = folder / "paths.lua"
    script.write_text(contenders.WRK % contenders.ACCEPT)
    command = ["wrk", "-t1", f"-c{WIDTH}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(
        command, env={**os.environ, "PATHS": str(paths)}, capture_output=True, text=True, check=True
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    count = len(paths.read_text().split())
    return Measured(name, count / rate, 0.0, 0.0, 0, count, WIDTH)


def write_paths(url: str, repos: list[str], path: Path) -> None:
    """Write down what a cold survey asks for."""
    lines = []
    for repo in repos:
        lines.append(f"/v2/{repo}/tags/list?n=1000")
        for tag in get(f"{url}/v2/{repo}/tags/list")["tags"]:
            if tag.endswith(contenders.ENVIRONMENT):
                manifest = get(f"{url}/v2/{repo}/manifests/{tag}")
                lines += [f"/v2/{repo}/manifests/{tag}", f"/v2/{repo}/blobs/{manifest['config']['digest']}"]
    path.write_text("\n".join(lines))


def get(url: str) -> Any:
    request = urllib.request.Request(url, headers={"Accept": contenders.ACCEPT})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


@contextlib.contextmanager
def relayed(url: str) -> Iterator[str]:
    """The same registry, ROUND_TRIP_S away."""
    command = [sys.executable, "-m", "benchmarks.relay", url.rpartition(":")[2], str(ROUND_TRIP_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as relay:
        assert relay.stdout
        try:
            yield f"http://127.0.0.1:{relay.stdout.readline().strip()}"
        finally:
            relay.terminate()


def grow(program: str, sizes: list[int]) -> list[dict[str, float]]:
    """One repository of so many tags, a tenth of them wanted: time and peak memory, cold and warm."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            repos = fleet.fill(folder / "data", 1, size, size // 10)
            with serve(program, folder) as url:
                command = [sys.executable, "-m", "benchmarks.contenders", "ours", url, str(WIDTH)]
                cache = str(folder / "cache")
                cold = run("cold", [*command, cache, "", *repos])
                warm = run("warm", [*command, cache, "", *repos])
            print(
                f"  {size} tags, {cold.images} of them wanted: {cold.wall_s:.2f} s, {cold.peak_mib:.0f} MiB",
                flush=True,
            )
            found.append({"tags": size, "wanted": cold.images, "cold_s": cold.wall_s, "warm_s": warm.wall_s,
                          "peak_mib": max(cold.peak_mib, warm.peak_mib)})  # fmt: skip
    return found


def side_by_side(program: str, times: int) -> dict[str, Any]:
    """Measure every contender, near and at a distance."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repos = fleet.fill(folder / "data", REPOS, TAGS, MATCHING)
        with serve(program, folder) as url:
            write_paths(url, repos, folder / "paths")
            print("near", flush=True)
            near = contend(url, repos, folder, times, distant=False)
            print("layers", flush=True)
            steps = layers(url, repos, folder / "paths", times)
            print("20 ms away", flush=True)
            with relayed(url) as away:
                distant = contend(away, repos, folder, min(times, 3), distant=True)
    return {
        "times": times,
        "near": [asdict(one) for one in near],
        "distant": [asdict(one) for one in distant],
        "layers": [asdict(one) for one in steps],
    }


def main() -> None:
    """Measure, and write down what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="everything once, and less; written to the temporary folder"
    )
    parser.add_argument("--only", choices=["side", "growth"], help="measure this again, and keep the rest as it was")
    options = parser.parse_args()
    os.environ["PATH"] = f"{ROOT / '.parts/bin'}{os.pathsep}{os.environ['PATH']}"
    missing = [name for name in ("docker-registry", "wrk", *TOOLS) if not shutil.which(name)]
    if missing:
        raise SystemExit(f"not on PATH: {', '.join(missing)}")
    program = str(shutil.which("docker-registry"))
    file = HERE / "registry.json"
    results: dict[str, Any] = json.loads(file.read_text()) if options.only else {}
    results |= {
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}",
        "programs": _versions(),
        "repos": REPOS,
        "tags": REPOS * TAGS,
        "wanted": REPOS * MATCHING,
        "width": WIDTH,
    }
    if options.only != "growth":
        results["load"] = f"{os.getloadavg()[0]:.1f}"
        results |= side_by_side(program, 1 if options.quick else 5)
    if options.only != "side":
        print("growth", flush=True)
        results["growth"] = grow(program, [100, 1000, 10_000] if options.quick else [100, 1000, 10_000, 100_000])
    target = Path(tempfile.gettempdir()) if options.quick else HERE
    (target / "registry.json").write_text(json.dumps(results, indent=1) + "\n")
    (target / "README.md").write_text(page.text(results))
    page.plot(results, target / "registry.png")
    print(page.text(results))
    missed = [bar.name for bar in page.bars(results) if not bar.cleared]
    if missed and not options.quick:
        raise SystemExit(f"missed: {', '.join(missed)}")


def _versions() -> str:
    commands = {
        "docker-registry": ["--version"],
        "skopeo": ["--version"],
        "crane": ["version"],
        "regctl": ["version", "--format", "{{.VCSTag}}"],
    }
    said = []
    for program, how in commands.items():
        text = subprocess.run([program, *how], capture_output=True, text=True, check=True).stdout
        said.append(f"{program} {text.split()[-1].removeprefix('v')}")
    return ", ".join(said)


if __name__ == "__main__":
    main()
