"""A plan's first lines say which moment it leads to: with its zone, in UTC and in local time, in 80 columns."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.core import plan as plans
from rollback.core.image_selection import parse_as_of, select
from rollback.core.matching import Rules
from rollback.core.plan import Environment, Plan
from rollback.core.timestamps import Instant
from rollback.output.terminal import TerminalInfo
from rollback.output.text_report import plan_text
from tests.support.image_factory import PROD, built, image
from tests.support.local_zone import local_zone

TERMINAL = TerminalInfo(width=80)
NOW = datetime(2026, 11, 13, 12, tzinfo=timezone.utc)


def planned(as_of: str, zone: str = "UTC") -> Plan:
    """A plan for a date, with days of a zone."""
    history = built([image(f"shop/web:{n}-master", f"2026-11-1{n}") for n in range(1, 4)], timezone=zone)
    return plans.build(select(history, parse_as_of(as_of, NOW, history.zone)), [], PROD, "marathon at m", Rules())


def first_lines(plan: Plan) -> list[str]:
    return plan_text(plan, surface=TERMINAL).split("\n\n")[0].splitlines()


@pytest.mark.parametrize(
    ("zone", "local", "lines"),
    [
        ("UTC", "UTC", ["(until 23:59:59 UTC)"]),
        ("UTC", "Europe/Berlin", ["(until 23:59:59 UTC)", "until 2026-11-12 23:59:59 UTC (2026-11-13 00:59:59 CET)"]),
        ("America/New_York", "UTC", ["(until 23:59:59 -05:00)", "until 2026-11-13 04:59:59 UTC"]),
        (
            "America/Los_Angeles",
            "America/Los_Angeles",
            ["(until 23:59:59 -08:00)", "until 2026-11-13 07:59:59 UTC (2026-11-12 23:59:59 PST)"],
        ),
        ("Asia/Kolkata", "UTC", ["(until 23:59:59 +05:30)", "until 2026-11-12 18:29:59 UTC"]),
        ("Pacific/Kiritimati", "UTC", ["(until 23:59:59 +14:00)", "until 2026-11-12 09:59:59 UTC"]),
    ],
)
def test_the_end_of_a_day_is_shown_in_its_own_zone_and_below_in_utc_and_local_time(
    zone: str, local: str, lines: list[str]
) -> None:
    with local_zone(local):
        first, *more, target = first_lines(planned("2026-11-12", zone))

    assert [first, *more] == [f"Plan: prod as of 2026-11-12 {lines[0]}", *(f"      {line}" for line in lines[1:])]
    assert target == "      on marathon at m"


@pytest.mark.parametrize(
    ("as_of", "local", "lines"),
    [
        ("2026-11-12T14:30:00Z", "UTC", ["as of 2026-11-12T14:30:00Z"]),
        (
            "2026-11-12T14:30+01:00",
            "America/New_York",
            ["as of 2026-11-12T14:30+01:00", "that is 2026-11-12 13:30:00 UTC (08:30:00 EST)"],
        ),
        ("2026-11-12T14:30+01:00", "UTC", ["as of 2026-11-12T14:30+01:00", "that is 2026-11-12 13:30:00 UTC"]),
        ("16 hours ago", "UTC", ["as of 2026-11-12T20:00:00+00:00"]),
        (
            "yesterday",
            "Europe/Berlin",
            ["as of 2026-11-12T23:59:59+00:00", "that is 2026-11-12 23:59:59 UTC (2026-11-13 00:59:59 CET)"],
        ),
    ],
)
def test_a_time_is_shown_with_its_zone_and_below_in_utc_and_local_time(
    as_of: str, local: str, lines: list[str]
) -> None:
    with local_zone(local):
        first, *more, _target = first_lines(planned(as_of))

    assert [first, *more] == [f"Plan: prod {lines[0]}", *(f"      {line}" for line in lines[1:])]


@given(
    offset=st.integers(-14 * 60, 14 * 60),
    day=st.dates(date(1990, 1, 2), date(2100, 1, 1)),
    name=st.text("abcdefghij-", min_size=1, max_size=40),
    local=st.integers(-14, 14),
)
def test_in_every_zone_the_first_line_fits_names_the_date_once_and_tells_the_moment(
    offset: int, day: date, name: str, local: int
) -> None:
    zone = timezone(timedelta(minutes=offset))
    until = Instant(datetime.combine(day, datetime.max.time(), zone).astimezone(timezone.utc))
    plan = Plan(
        Environment(name, name), "marathon at https://dcos.example.com/service/marathon", str(day), (), until=until
    )

    with local_zone(f"XYZ{-local}"):
        lines = plan_text(plan, surface=TERMINAL).splitlines()

    assert max(map(len, lines)) < 80
    assert re.findall(r"\d{4}-\d\d-\d\d", lines[0]) == [str(day)]
    end = re.search(r"\(until (23:59:59) ([+-]\d\d:\d\d|UTC)\)", " ".join(" ".join(lines[:2]).split()))
    assert end
    assert Instant.parse(f"{day} {end[1]}.999999 {end[2]}") == until


@pytest.mark.parametrize("as_of", ["2026-11-12", "2026-99-99"])
def test_a_moment_that_does_not_fit_its_date_is_shown_as_it_is(as_of: str) -> None:
    plan = Plan(PROD, "m", as_of, (), until=Instant.parse("2031-01-01T00:00:00+01:00"))

    with local_zone("UTC"):
        lines = first_lines(plan)

    assert lines == [f"Plan: prod as of {as_of}", "      that is 2030-12-31 23:00:00 UTC", "      on m"]


def test_a_plan_taller_than_the_screen_repeats_its_first_lines_beside_the_question() -> None:
    plan = planned("2026-11-12", "America/New_York")
    plan = Plan(PROD, plan.target, plan.as_of, plan.steps * 40, until=plan.until)

    with local_zone("UTC"):
        tall = plan_text(plan, surface=TERMINAL, footer="If one fails, everything goes back.").splitlines()
        roomy = plan_text(plan, surface=TerminalInfo(width=80, height=90)).splitlines()
        piped = plan_text(plan).splitlines()

    about = [
        "Plan: prod as of 2026-11-12 (until 23:59:59 -05:00)",
        "      until 2026-11-13 04:59:59 UTC",
        "      on marathon at m",
    ]
    assert tall[:3] == tall[-3:] == about
    assert tall[-5].startswith("0 to change")
    for lines in (roomy, piped):
        assert (lines[:3], lines.count(about[0])) == (about, 1)


def test_a_plan_that_just_fits_with_its_question_is_not_repeated() -> None:
    plan = planned("2026-11-12")
    height = len(plan_text(plan).splitlines()) + 3

    counts = [
        plan_text(plan, surface=TerminalInfo(width=80, height=lines)).count("Plan: ")
        for lines in (height + 1, height)
    ]

    assert counts == [1, 2]
