"""One image per repository as of a date or a time, and the dates that are refused."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from rollback.core import history_file
from rollback.core.history import History
from rollback.core.image import Skipped
from rollback.core.image_selection import Match, Selection, parse_as_of, select, settled
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Refused
from tests.support.image_factory import AT, built, digest, image

FLEET = built(
    [
        image("billing:1-master", "2026-11-10T09:00:00Z"),
        image("billing:2-master", "2026-11-12T09:00:00Z"),
        image("billing:3-master", "2026-11-12T15:00:00Z"),
        image("cart:1-master", "2026-11-11T10:00:00Z"),
        image("web:1-master", "2026-11-12T11:00:00Z"),
    ]
)
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=timezone.utc)
OLD_FORM = history_file.loads('{"all": ["a"], "rollbacks": {"2026-11-10": [{"1-master": "a"}]}}')


def chosen(found: Selection) -> dict[str, tuple[str, str]]:
    return {c.repo: (c.image.tag if c.image else "", c.match.value) for c in found.choices}


def at(text: str, held: History = FLEET) -> dict[str, tuple[str, str]]:
    return chosen(select(held, parse_as_of(text, NOW)))


def test_each_repository_is_exact_carried_or_missing() -> None:
    assert at("2026-11-11") == {
        "billing": ("1-master", "carried"),
        "cart": ("1-master", "exact"),
        "web": ("", "missing"),
    }


def test_the_last_image_of_the_day_counts_for_the_day() -> None:
    assert at("2026-11-12")["billing"] == ("3-master", "exact")


def test_a_time_sees_what_was_there_by_then_and_not_a_second_later() -> None:
    assert at("2026-11-12T15:00Z")["billing"] == ("3-master", "exact")
    assert at("2026-11-12T14:59:59Z")["billing"] == ("2-master", "exact")
    assert at("2026-11-12T09:00:00+01:00")["billing"] == ("1-master", "carried")
    assert at("2026-11-12T08:59:59.999999999Z")["billing"] == ("1-master", "carried")


def test_a_time_between_the_dates_offered_is_accepted() -> None:
    assert at("2026-11-13T00:00Z") == {
        "billing": ("3-master", "carried"),
        "cart": ("1-master", "carried"),
        "web": ("1-master", "carried"),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-15", "the nearest date is 2026-11-12"),
        ("2026-11-09", "older than this history; the nearest date is 2026-11-10"),
    ],
)
def test_a_date_that_is_not_offered_is_refused_with_the_nearest(text: str, told: str) -> None:
    with pytest.raises(Refused) as caught:
        at(text)

    assert told in caught.value.why
    assert caught.value.exit_code == 3


def test_a_date_in_a_gap_is_refused_naming_both_sides() -> None:
    gap = built([image("a:1-master", "2026-11-10"), image("a:2-master", "2026-11-14")])

    with pytest.raises(Refused) as caught:
        at("2026-11-12", gap)

    assert "2026-11-10 and 2026-11-14" in caught.value.why
    assert caught.value.hint == "use --date=2026-11-10"


def test_a_history_without_dates_refuses_every_date() -> None:
    with pytest.raises(Refused, match="not a date of this history") as caught:
        at("2026-11-12", built([], ["a"]))

    assert "no date at all" in caught.value.why


def test_a_time_after_the_history_was_made_is_refused() -> None:
    assert at(AT)
    with pytest.raises(Refused, match="later than this history"):
        at("2026-11-22T04:00:01Z")


def test_a_time_before_the_unbroken_part_is_refused() -> None:
    images = [image(f"a:{n}-master", f"2026-11-{n:02}") for n in range(1, 8)]
    held = built([*images, image("b:1-master", "2026-11-02")], last=3)

    assert at("2026-11-05T12:00Z", held)["a"] == ("5-master", "exact")
    with pytest.raises(Refused, match="further back") as caught:
        at("2026-11-05T11:59Z", held)

    assert "a" in caught.value.what
    assert "--last" in caught.value.hint


def test_days_alone_know_no_times() -> None:
    assert at("2026-11-10", OLD_FORM) == {"a": ("1-master", "exact")}
    with pytest.raises(Refused, match="knows only days"):
        at("2026-11-10T12:00Z", OLD_FORM)


def test_the_day_of_the_zone_decides_what_is_exact() -> None:
    held = built([image("a:1-master", "2026-11-10T23:30:00Z")], timezone="Europe/Berlin")

    assert at("2026-11-11", held) == {"a": ("1-master", "exact")}
    assert at("2026-11-10T23:45Z", held) == {"a": ("1-master", "exact")}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00Z", "9999-12-31T23:59Z"])
def test_a_time_at_the_edge_of_the_calendar_is_answered_or_refused(text: str, zone: str) -> None:
    held = built([image("a:1-master", "2026-11-10")], timezone=zone, generated=None)

    tag, match = at(text, held)["a"]

    assert (tag, match) == (
        ("", Match.MISSING.value) if text.startswith("0001") else ("1-master", Match.CARRIED.value)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last friday",
        "3 days",
        "in 2 days",
        "20-11-2026",
        "2026-11-2",
        "20261120",
        "2026-02-30",
        "2026-11-20T14:30",
        "2026-11-20T14Z",
        "2026-11-20T14:30:00",
        "2026-11-20T14:30 +01:00",
        "2026-11-20\n",
        "2026-11-20; rm -rf /",
        "\u0662\u0660\u0662\u0666-11-20",  # digits, but not ours
    ],
)
def test_what_is_neither_a_date_nor_a_time_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="--date") as caught:
        parse_as_of(text, NOW, offered=FLEET.dates)

    assert caught.value.exit_code == 2
    assert "use a date of this history: 2026-11-12, 2026-11-11, 2026-11-10" in caught.value.hint
    assert ("with its zone" in caught.value.hint) == (":" in text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("yesterday", "2026-11-21T23:59:59+01:00"),
        ("3 days ago", "2026-11-19T23:59:59+01:00"),
        ("a week ago", "2026-11-15T23:59:59+01:00"),
        ("2 hours ago", "2026-11-22T02:30:00+01:00"),
        ("90 minutes ago", "2026-11-22T03:00:00+01:00"),
        ("Yesterday", "2026-11-21T23:59:59+01:00"),
    ],
)
def test_a_relative_moment_is_the_time_that_it_means(text: str, meant: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")

    read = parse_as_of(text, NOW, berlin)

    assert read.text == meant
    assert read.day is None
    assert str(read.instant)[:19] == str(Instant.parse(meant))[:19]


def test_the_end_of_a_day_includes_its_last_second() -> None:
    last = built([image("a:1-master", "2026-11-21T23:59:59.5Z")], generated=Instant(NOW))

    assert chosen(select(last, parse_as_of("yesterday", NOW))) == {"a": ("1-master", "exact")}
    assert chosen(select(last, parse_as_of("2 days ago", NOW))) == {"a": ("", "missing")}


def test_a_relative_moment_later_than_the_history_is_refused() -> None:
    with pytest.raises(Refused, match="later than this history"):
        select(FLEET, parse_as_of("today", NOW))


def test_two_builds_of_one_time_are_named_and_neither_is_chosen() -> None:
    twins = built([image("a:1.9.0-master", "2026-11-20"), image("a:1.10.0-master", "2026-11-20")])

    (choice,) = select(twins, parse_as_of("2026-11-20", NOW)).choices

    assert (choice.image, choice.match) == (None, Match.TIED)
    assert "1.9.0-master" in choice.reason
    assert "1.10.0-master" in choice.reason
    assert settled(choice, {digest("a:1.9.0-master")}).image == image("a:1.9.0-master", "2026-11-20")
    assert settled(choice, {digest("a:1.9.0-master"), digest("a:1.10.0-master")}) == choice
    assert settled(choice, {digest("a:1.8.0-master")}) == choice


def test_undated_images_are_not_called_missing() -> None:
    undated = [Skipped("web", f"{n}-master", "undated: created is 1970-01-01", undated=True) for n in range(3)]
    held = built([image("a:1-master", "2026-11-20")], ["a", "web", "api"], skipped=undated)

    choices = {choice.repo: choice for choice in select(held, parse_as_of("2026-11-20", NOW)).choices}

    assert choices["web"].match is Match.UNDATED
    assert choices["web"].reason == "3 images, none with a usable time (created is 1970-01-01)"
    assert choices["api"].match is Match.MISSING
    assert "it has no tag of prod" in choices["api"].reason
