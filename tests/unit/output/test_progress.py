from __future__ import annotations

import logging
import re
from dataclasses import replace

import pytest

from rollback.core import plan as plans
from rollback.core.apps import Change
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Plan
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.output.progress import Handler, Progress
from rollback.output.status_lines import RunStatus
from rollback.output.terminal import TerminalInfo
from tests.support.fleets import fleet
from tests.support.image_factory import HOST, PROD, app, day_of
from tests.unit.output.terminal import Stream


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def planned(services: int) -> Plan:
    history = fleet(services, 5)
    chosen = select(history, day_of(str(history.dates[0])))
    apps = [app(repo.rpartition("/")[2], f"{HOST}/{repo}:9.9.9-master") for repo in history.repos]
    return plans.build(chosen, apps, PROD, "m", Rules(pin=False))


PLAN = planned(3)
CHANGES = PLAN.changes


def watch(change: Change, state: RolloutState, detail: str = "", **members: object) -> RolloutStatus:
    return replace(RolloutStatus(change, 0.0, state=state, detail=detail), **members)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


# In a log ----------------------------------------------------------------------------------------------------------


def test_a_log_gets_whole_lines_with_the_time_and_nothing_else(clock: Clock) -> None:
    log = Stream()
    progress = Progress(log, now=clock)

    progress.begin(PLAN)
    progress.look(watch(CHANGES[0], RolloutState.WAITING, "0 of 2 ready"))
    clock.seconds += 12
    progress.look(watch(CHANGES[0], RolloutState.UP, "2 of 2 ready"))
    progress.close()

    lines = [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "<time> ", line) for line in log.getvalue().splitlines()]
    new = CHANGES[0].image.rpartition(":")[2]
    arrow = TerminalInfo.of(log).arrow
    assert lines == [
        f"<time> {CHANGES[0].app.id} 9.9.9-master {arrow} {new} under way: 0 of 2 ready",
        f"<time> {CHANGES[0].app.id} 9.9.9-master {arrow} {new} up after 12 s: 2 of 2 ready",
    ]


def test_what_is_put_back_is_told_the_other_way_round(clock: Clock) -> None:
    log = Stream()
    progress = Progress(log, now=clock)
    change = CHANGES[0]
    progress.begin(PLAN)
    progress.look(watch(change, RolloutState.FAILED, "crashes"))

    progress.look(watch(Change(change.app, change.app.image), RolloutState.WAITING, "1 of 2 ready"))

    arrow = TerminalInfo.of(log).arrow
    assert f"{change.image.rpartition(':')[2]} {arrow} 9.9.9-master put back: under way" in log.getvalue()


def test_an_app_that_was_not_up_before_is_not_called_up(clock: Clock) -> None:
    log = Stream()
    progress = Progress(log, now=clock)

    progress.look(watch(CHANGES[0], RolloutState.UP, "0 of 2 ready", healthy=False))

    assert "as it was before" in log.getvalue()
    assert " up" not in log.getvalue()


def test_a_log_hears_of_counting_now_and_then_with_the_time_that_is_left(clock: Clock) -> None:
    log = Stream()
    progress = Progress(log, now=clock)

    for done in range(1001):
        progress.count(done, 2000)
        clock.seconds += 0.05

    lines = log.getvalue().splitlines()
    assert 4 <= len(lines) <= 5
    assert re.search(r"Z 20\d of 2000 images, about \d\d s left$", lines[0])


def test_a_terminal_counts_in_one_line_and_cleans_it_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Stream(terminal=True)
    progress = Progress(terminal, now=clock)

    progress.count(0, 10)
    clock.seconds += 5
    progress.count(5, 10)
    progress.say("wrote rollback.json")

    text = terminal.getvalue()
    assert "5 of 10 images, about 5 s left" in text
    assert text.count("\n") == 1
    assert text.endswith("\r\x1b[Kwrote rollback.json\n")


def test_nothing_is_said_where_it_is_to_be_quiet(clock: Clock) -> None:
    log = Stream()
    progress = Progress(log, quiet=True, now=clock)

    progress.say("hello")
    progress.begin(PLAN)
    progress.look(watch(CHANGES[0], RolloutState.UP))
    progress.count(1, 2)

    assert log.getvalue() == ""


def test_warnings_of_the_program_come_to_the_same_place() -> None:
    log = Stream()
    logger = logging.getLogger("rollback.test")
    handler = Handler(Progress(log))
    logger.addHandler(handler)
    try:
        logger.warning("the cache is %s", "broken")
    finally:
        logger.removeHandler(handler)

    assert log.getvalue().endswith("Z warning: the cache is broken\n")


# On a terminal -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("services", [3, 200])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60)])
def test_the_live_part_fits_the_terminal(services: int, width: int, height: int, clock: Clock) -> None:
    plan = planned(services)
    board = RunStatus(clock, plan)
    for change in plan.changes[::2]:
        board.take(watch(change, RolloutState.WAITING, "1 of 2 ready; last failure: " + "exit 1 " * 40))

    lines = board.draw(TerminalInfo(width=width, height=height))

    assert len(lines) < height
    assert max(len(text) for text, _ in lines) < width + (width < 60) * 40


def test_failures_are_shown_before_what_is_up(clock: Clock) -> None:
    plan = planned(50)
    board = RunStatus(clock, plan)
    for change in plan.changes:
        board.take(watch(change, RolloutState.UP, "2 of 2 ready"))
    board.take(watch(plan.changes[-1], RolloutState.FAILED, "it fails again and again"))

    lines = [text for text, _ in board.draw(TerminalInfo(width=100, height=10))]

    assert any("it fails again and again" in line for line in lines)
    assert "49 of 50 up, 1 failed" in lines[-1]
    assert "44 more not shown" in lines[-1]


@pytest.mark.parametrize("width", [80, 120])
def test_the_state_is_never_cut_however_long_names_and_tags_are(width: int, clock: Clock) -> None:
    plan = planned(8)
    steps = [
        replace(
            step, service=f"customer-notification-gateway-{place}-of-the-platform-team", after=f"x:{'9' * 60}-master"
        )
        for place, step in enumerate(plan.steps)
    ]
    plan = replace(plan, steps=tuple(steps))
    board = RunStatus(clock, plan)
    state = "1 of 3 ready; 1 old draining; 1 old still there"
    for change in plan.changes:
        board.take(watch(change, RolloutState.WAITING, state))

    lines = [text for text, _ in board.draw(TerminalInfo(width=width, height=24))]

    assert [line for line in lines[:-1] if not re.search(rf"  {state} +\d+ s$", line)] == []
    assert len({line.split()[0] for line in lines[:-1]}) == len(plan.changes)
    assert max(map(len, lines)) < width


PARTS = ("profile", "payment", "notification", "subscription", "recommendation")
PLACES = ("eu-central", "eu-west", "us-east", "us-west", "ap-south", "ap-north", "sa-east", "af-south")


def test_names_that_begin_and_end_alike_stay_legible_before_tags_are_shown(clock: Clock) -> None:
    names = [f"customer-{part}-service-{place}" for part in PARTS for place in PLACES]
    plan = planned(len(names))
    commits = (f"x:{number:02x}{'0123456789abcdef' * 2}deadbe" for number in range(len(names)))
    steps = [
        replace(step, service=name, after=commit)
        for step, name, commit in zip(plan.steps, names, commits, strict=True)
    ]
    board = RunStatus(clock, replace(plan, steps=tuple(steps)))

    def drawn(width: int) -> list[str]:
        return [text for text, _ in board.draw(TerminalInfo(width=width, height=24))][:-1]

    before = drawn(80)
    for change in plan.changes:
        board.take(watch(change, RolloutState.WAITING, "0 of 2 ready; 2 old still there"))
    narrow = drawn(80)

    assert all(re.search(r" → [0-9a-f]{10} ", line) for line in before)
    assert [line for line in narrow if not re.match(r"  customer-[a-z…-]+-[a-z]+  +0 of 2 ready; ", line)] == []
    assert len({line.split()[0] for line in narrow}) == len(narrow)


def test_the_time_of_a_service_stops_when_it_is_up(clock: Clock) -> None:
    board = RunStatus(clock, PLAN)
    board.take(watch(CHANGES[0], RolloutState.WAITING))
    clock.seconds += 30
    line = board.take(watch(CHANGES[0], RolloutState.UP))
    clock.seconds += 30

    assert board.elapsed(line) == "30 s"


def test_a_failure_is_told_whole_above_the_board_and_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Stream(terminal=True)
    progress = Progress(terminal, now=clock)
    why = "it fails again and again: Command exited with status 137 (out of memory)"

    progress.begin(PLAN)
    progress.look(watch(CHANGES[0], RolloutState.FAILED, why))
    progress.look(watch(CHANGES[0], RolloutState.FAILED, why))
    progress.close()

    told = " ".join(re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue()).split())
    assert told.count(f"failed: {why}") == 1


def test_a_terminal_shows_the_board_and_leaves_nothing_of_it(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Stream(terminal=True)
    progress = Progress(terminal, now=clock)

    progress.begin(PLAN)
    progress.look(watch(CHANGES[0], RolloutState.WAITING, "1 of 2 ready"))
    progress.say("a warning meanwhile")
    shown = terminal.getvalue()
    progress.close()

    assert "1 of 2 ready" in shown
    assert "a warning meanwhile" in shown
    assert terminal.getvalue().endswith(("\x1b[1A\x1b[2K", "\x1b[2K", "\x1b[?25h"))
