"""Four services and forty, with long names and commits as tags, on terminals of 80 by 24 and 120 by 40."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox, serving
from rollback.sandbox.scenario import Release, Scenario
from tests.e2e.command import Command
from tests.e2e.conftest import settings

PARTS = ("profile", "payment", "notification", "subscription", "recommendation")
PLACES = ("eu-central", "eu-west", "us-east", "us-west", "ap-south", "ap-north", "sa-east", "af-south")
SIZES = ((80, 24), (120, 40))
DATES = 12
COMMIT = re.compile(r"[0-9a-f]{40}")
WHO = "jenkins-of-the-night-shift"
WHY = "checkout answers 503 since the release of this afternoon, and nobody awake knows which version goes with which"
CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


@dataclass(frozen=True)
class Stage:
    """A fleet, and the command in a folder whose settings lead to it."""

    names: tuple[str, ...]
    rollback: Command
    sandbox: Sandbox


def story(names: tuple[str, ...]) -> Scenario:
    """Every service is released on the first and the last day; the others take turns."""
    now = datetime.now(timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)
    releases = []
    for place, name in enumerate(names):
        for day in range(DATES):
            if day in {0, DATES - 1} or (day + place) % 4 == 0:
                commit = hashlib.sha1(f"{name}:{day}".encode(), usedforsecurity=False).hexdigest()
                created = now - timedelta(days=DATES - day, seconds=place * 60)
                releases.append(Release(name, commit, created))
    return Scenario(now, tuple(sorted(releases, key=lambda release: release.created)))


@pytest.fixture(scope="module", params=[4, 40])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    names = tuple(f"customer-{part}-service-{place}" for place in PLACES for part in PARTS)[: request.param]
    folder: Path = tmp_path_factory.mktemp("fleet")
    with serving(story(names), speed=50) as sandbox:
        settings(folder, sandbox)
        yield Stage(names, Command(folder, variables={"LC_ALL": "C.UTF-8", "TZ": "Europe/Berlin"}), sandbox)


def screen(stage: Stage, *words: str, columns: int, lines: int) -> list[str]:
    """What the command shows on a terminal of that size, line by line; each frame of a live part by itself."""
    with stage.rollback.on_terminal(*words, columns=columns, lines=lines) as terminal:
        assert terminal.end() == 0, terminal.shown
    shown = [CONTROL.sub("", line).rstrip() for line in re.split(r"[\r\n]+", terminal.shown)]
    whole = ("run ", "Undo: ")  # addresses and commands are not broken
    assert [line for line in shown if len(line) > columns and not line.startswith(whole)] == []
    assert not COMMIT.search(terminal.shown)
    return shown


def rows(shown: list[str]) -> list[str]:
    """The first words of the lines that begin with a service."""
    return [line.split()[0] for line in shown if line.startswith("  customer-")]


def test_the_terminal_shows_a_fleet_of_any_size(stage: Stage) -> None:
    repos = ",".join(f"shop/{name}" for name in stage.names)
    get = ("get", f"--repo={repos}", "--env=prod")
    piped = stage.rollback(*get)
    dates = re.findall(r"^(\d{4}-\d\d-\d\d)  shop/", piped.out, re.MULTILINE)
    assert len(dates) == DATES
    assert len(set(COMMIT.findall(piped.out))) == len(stage.sandbox.story.releases)

    for (columns, lines), date in zip(SIZES, dates[3:], strict=False):
        size = {"columns": columns, "lines": lines}
        tall = len(stage.names) >= lines

        matrix = screen(stage, *get, **size)
        assert len(set(rows(matrix))) == len(stage.names)  # no two names look alike
        assert all(re.search(r"●[0-9a-f]{10}", line) for line in matrix if line.startswith("  customer-"))
        days = [line for line in matrix if re.fullmatch(r" +\d\d-\d\d( +\d\d-\d\d)*", line)]
        assert len(days) == (2 if tall else 1)
        assert days[0] == days[-1]
        assert re.findall(r"(\d{4}-\d\d-\d\d) \(\d+\)", " ".join(matrix)) == dates  # although most do not fit

        plan = screen(stage, "plan", f"--date={date}", "--env=prod", **size)
        assert len(rows(plan)) == len(stage.names)
        assert len(set(rows(plan))) == len(stage.names)
        heads = [place for place, line in enumerate(plan) if line.startswith(f"Plan: prod as of {date}")]
        assert len(heads) == (2 if tall else 1)
        assert plan[heads[0] : heads[0] + 3] == plan[heads[-1] : heads[-1] + 3]
        assert re.search(r"^ +until \S+ 23:59:59 UTC \(\S+ 0[01]:59:59 CES?T\)$", plan[heads[-1] + 1])
        if tall:
            assert heads[-1] >= len(plan) - 5  # where the question would be

        run = screen(stage, "run", f"--date={date}", "--env=prod", "--yes", f"--reason={WHY}", f"--by={WHO}", **size)
        verdicts = [place for place, line in enumerate(run) if line.startswith("DONE after ")]
        undos = [place for place, line in enumerate(run) if line.startswith("Undo: rollback undo --run=")]
        assert len(verdicts) == len(undos) == (2 if tall else 1)
        assert len(rows(run[verdicts[0] :])) == len(stage.names)  # one line per service
        assert undos[-1] >= len(run) - 2  # the last line
        if tall:
            assert undos[0] == verdicts[0] + 1
            assert verdicts[1] > undos[1] - 3
        live = [line for line in run[: verdicts[0]] if re.search(r" \d+ s$", line) and line.startswith("  customer-")]
        assert live
        assert [line for line in live if "…" in line.split("  ")[-2]] == []  # no state is cut

    for columns, lines in SIZES:
        past = screen(stage, "history", columns=columns, lines=lines)
        words = " ".join(" ".join(past).split())
        assert past[0].split() == ["time", "what", "environment", "as", "of", "by", "outcome"]
        assert len([line for line in past if re.match(r"  \d{4}-\d\d-\d\d \d\d:\d\d UTC  run  ", line)]) == len(SIZES)
        assert len(re.findall(r"\b\d{8}-\d{6}-prod-[0-9a-f]{4}\b", words)) == len(SIZES)
        for date in dates[3 : 3 + len(SIZES)]:
            assert f" run prod {date} jenkins-" in words
        assert len(re.findall(rf" \d\d:\d\d CES?T; {re.escape(WHY)}", words)) == len(SIZES)  # every word is whole
