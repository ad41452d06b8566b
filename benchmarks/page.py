"""The measurements as a page and a picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Results = dict[str, Any]
MEMORY_MIB = 80  # that the largest survey may take at its peak


@dataclass(frozen=True)
class Bar:
    """A number that was measured, and what it has to be: at most `limit`, or at least."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def cleared(self) -> bool:
        """Whether it is so."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit + 1e-9

    def row(self, missed: str) -> str:
        """The row of a table."""
        sign = "≥" if self.at_least else "≤"
        return f"| {self.name} | {self.value:.3g} | {sign} {self.limit:g} | {'cleared' if self.cleared else missed} |"


def text(results: Results) -> str:
    """The page: what was measured, how, the tables, and the bars that are to be cleared."""
    width = results["width"]
    engine = _near(results, "requests.Session")["cpu_s"] / _near(results, "rollback, cold")["cpu_s"]
    return f"""# What a survey of a registry costs

Other pages: [what the first minute costs](first_minute.md) (clone, demo, help),
[what a step of the Ansible role costs](ansible_step.md) and
[what a rollback on Kubernetes costs](kubernetes.md): {_on_kubernetes()}.

{results["wanted"]} images of {results["repos"]} repositories are to be dated, out of {results["tags"]:,} tags, in a
real registry. Measured on {results["made"]} by `make bench`, which writes this page, [registry.json](registry.json)
and the picture. {results["machine"]}; {results["programs"]}; load average before the first run {results["load"]}.

![Wall time of each way, and growth with the number of tags](registry.png)

## Side by side

{_table(results["near"])}

The same with {20} ms of added round trip:

{_table(results["distant"])}

Every contender is a process of its own, start of the interpreter included, that asks the same registry on the same
machine. They run in turns, {results["times"]} rounds (3 at 20 ms, where the shell loops and the articles' loop run
once), and the best run of each counts, since what else the machine does can only make a run slower. CPU is user +
system time of the process and its children; the registry's own comes on top, on the same CPUs. `rollback` verifies
every digest and reads every config; the two floors only fetch: `wrk` and bare `http.client` threads ask for the same
URLs and look at nothing. wrk's time is that of as many requests at its rate over 4 s. The articles' loop asks one by
one, without a session, for manifests that the registry converts to schema 1: their digests exist nowhere. The loops
in the shell list the tags of each repository and then ask for the config of each wanted one, eight processes at a
time (`benchmarks/contenders.py`).
The 20 ms come from a relay of ours (`benchmarks/relay.py`): 10 ms each way, a whole round trip for a new connection.

## Bars

{_table_of("bar", bars(results), "**missed**")}

Aims, which are no condition:

{_table_of("aim", aims(results), "not reached")}

## Where the time goes

A cold survey on the same machine, layer by layer: each row is a process of its own that does what the row above does
and something more, for the same {_requests(results)} requests over {width} connections. The registry works on the
same CPUs meanwhile, so wall time is not the client's own alone, and a few hundredths of a second are noise.

{_layers(results["layers"])}

{_conclusion(results["layers"])}

## Growth

One repository, a tenth of its tags wanted, {width} connections, one run each (`--only=side` and
`--only=growth` measure one half again and keep the other):

{_growth(results["growth"])}

## The engine

The registry client stands on urllib3, the engine below requests, and not on requests itself. A survey is thousands
of small requests, and requests prepares each again (cookies, hooks, settings of the environment): the row
"requests.Session" above does nothing but fetch the same URLs, without looking at what comes, and takes
{engine:.1f} times the CPU time of the whole survey. Everything else in the program uses requests.
"""


def _near(results: Results, name: str) -> Results:
    return next(row for row in results["near"] if row["name"].startswith(name))


def _on_kubernetes() -> str:
    """The measurements of `benchmarks.kubernetes` in one sentence."""
    wall = json.loads((Path(__file__).parent / "kubernetes.json").read_text())["wall_s"]
    run, undo = wall["rollback run"] / wall["set image, status"], wall["rollback undo"] / wall["rollout undo, status"]
    return (
        f"a run takes {run:.2f} times\nas long as a loop of `kubectl set image` and `kubectl rollout status`, an "
        f"undo {undo:.2f} times as long as one of\n`kubectl rollout undo`, and a plan "
        f"{wall['rollback plan'] / wall['kubectl get']:.1f} times as long as one `kubectl get`"
    )


def _table(rows: list[Results]) -> str:
    best = next(row for row in rows if row["name"].startswith("skopeo"))["wall_s"]
    lines = [
        "| | wall s | skopeo's time ÷ this | CPU s | requests per image | connections |",
        "|---|---|---|---|---|---|",
    ]
    images = rows[0]["images"]
    for row in rows:
        asked = f"{row['requests'] / images:.2f}" if row["requests"] else ""
        cpu = f"{row['cpu_s']:.2f}" if row["cpu_s"] else ""
        name = f"**{row['name']}**" if row["name"].startswith("rollback") else row["name"]
        opened = row["connections"] or ""
        lines.append(f"| {name} | {row['wall_s']:.2f} | {best / row['wall_s']:.1f} | {cpu} | {asked} | {opened} |")
    return "\n".join(lines)


def bars(results: Results) -> list[Bar]:
    """What has to be so."""
    near, far = _by_name(results["near"]), _by_name(results["distant"])
    cold, warm, still = (f"rollback, {kind}" for kind in ("cold", "warm", "immutable tags"))
    skopeo, loop = "skopeo, 8 at a time", "the articles' loop"
    floor, wrk = f"http.client, {results['width']} threads", f"wrk, {results['width']} connections"
    images = near[cold]["images"]
    largest = results["growth"][-1]
    return [
        Bar("requests per image, cold", near[cold]["requests"] / images, 2.05),
        Bar("requests per image, warm", near[warm]["requests"] / images, 1.05),
        Bar("requests per image, immutable tags", near[still]["requests"] / images, 0.05),
        Bar("times http.client's time, cold", near[cold]["wall_s"] / near[floor]["wall_s"], 1.4),
        Bar("times as fast as the skopeo loop, cold", near[skopeo]["wall_s"] / near[cold]["wall_s"], 4, True),
        Bar("times as fast as the skopeo loop, warm", near[skopeo]["wall_s"] / near[warm]["wall_s"], 8, True),
        Bar("part of the articles' loop's time at 20 ms, cold", far[cold]["wall_s"] / far[loop]["wall_s"], 0.2),
        Bar("times wrk's time at 20 ms, cold", far[cold]["wall_s"] / far[wrk]["wall_s"], 1.4),
        Bar(f"MiB at {largest['tags']:,} tags, {largest['wanted']:,} wanted", largest["peak_mib"], MEMORY_MIB),
    ]


def aims(results: Results) -> list[Bar]:
    """What is wished for."""
    near = _by_name(results["near"])
    cold = near["rollback, cold"]["wall_s"]
    loops = [near[f"{tool}, 8 at a time"]["wall_s"] for tool in ("crane", "regctl")]
    return [
        Bar(
            "times http.client's time, cold", cold / near[f"http.client, {results['width']} threads"]["wall_s"], 1.25
        ),
        Bar("times as fast as the skopeo loop, cold", near["skopeo, 8 at a time"]["wall_s"] / cold, 5, True),
        Bar("times as fast as the better of the crane and regctl loops, cold", min(loops) / cold, 3, True),
    ]


def _by_name(rows: list[Results]) -> dict[str, Results]:
    return {row["name"]: row for row in rows}


def _requests(results: Results) -> int:
    return int(_near(results, "rollback, cold")["requests"])


def _table_of(kind: str, bars: list[Bar], missed: str) -> str:
    return "\n".join([f"| | measured | {kind} | |", "|---|---|---|---|", *(bar.row(missed) for bar in bars)])


_LAYERS = {
    "interpreter": "Python starts and imports http.client",
    "floor": "bare http.client threads fetch everything",
    "engine": "urllib3 fetches it: connection pool, header dictionaries, decoding",
    "transport": "`rollback`'s transport does: limits of time and size, counters; all modules imported",
    "ours": "`rollback` scans: logins, retries, digests, JSON, dates, order",
    "imports": "of these, starting Python and importing all modules",
}


def _layers(rows: list[Results]) -> str:
    named = _by_name(rows)
    lines = ["| | wall s | CPU s |", "|---|---|---|"]
    lines += [
        f"| {text} | {named[name]['wall_s']:.2f} | {named[name]['cpu_s']:.2f} |" for name, text in _LAYERS.items()
    ]
    return "\n".join(lines)


def _conclusion(rows: list[Results]) -> str:
    """What the layers say, in words."""
    cpu = {row["name"]: row["cpu_s"] for row in rows}
    wall = {row["name"]: row["wall_s"] for row in rows}
    imported = cpu["imports"] - cpu["interpreter"]
    return f"""Of the {cpu["ours"] - cpu["floor"]:.2f} s of CPU time that the survey takes beyond bare http.client,
{imported:.2f} s go into importing modules before the first request, when nothing else can happen. What remains is
spent per request: urllib3's pool and its copies of the headers, then the survey's own bookkeeping, digests and JSON.
Threads of one Python process take turns on one processor for it; by the clock, the survey took
{wall["ours"] / wall["floor"]:.2f} times as long as http.client here."""


def _growth(rows: list[Results]) -> str:
    lines = ["| tags | wanted | cold s | warm s | peak memory MiB |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['tags']:,} | {row['wanted']:,} | {row['cold_s']:.2f} | {row['warm_s']:.2f} | {row['peak_mib']:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def plot(results: Results, path: Path) -> None:
    """Draw the times as bars, and the growth as lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8))
    names = [row["name"] for row in results["near"]]
    for offset, (key, label, colour) in enumerate(
        [("near", "same machine", "#2a6f97"), ("distant", "20 ms away", "#e09f3e")]
    ):
        places = [index + 0.4 * offset for index in range(len(names))]
        bars = left.barh(places, [row["wall_s"] for row in results[key]], 0.38, label=label, color=colour)
        left.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    left.set_yticks([index + 0.2 for index in range(len(names))], names, fontsize=9)
    left.invert_yaxis()
    left.set_xscale("log")
    left.xaxis.set_minor_formatter(NullFormatter())  # the labels would overlap
    left.set_xlim(right=left.get_xlim()[1] * 1.6)
    left.set_xlabel("wall time, s (logarithmic)")
    left.set_title(f"Dating {results['wanted']} images of {results['tags']:,} tags")
    left.legend(fontsize=8)
    tags = [row["tags"] for row in results["growth"]]
    right.plot(tags, [row["cold_s"] for row in results["growth"]], "o-", color="#2a6f97", label="cold, s")
    right.plot(tags, [row["warm_s"] for row in results["growth"]], "o--", color="#61a5c2", label="warm, s")
    right.plot(tags, [row["peak_mib"] for row in results["growth"]], "s:", color="#9e2a2b", label="peak memory, MiB")
    right.axhline(MEMORY_MIB, color="#9e2a2b", linewidth=0.6, alpha=0.5)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("tags in one repository, a tenth of them wanted")
    right.set_title("Growth")
    right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
