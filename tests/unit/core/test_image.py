"""Images: their time, their name, and whose tag it is."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from rollback.core.image import Image
from rollback.core.image_reference import Reference, is_digest, is_repo, is_tag
from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from tests.support.image_factory import digest, image


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-20T17:31:05Z", "2026-11-20T17:31:05Z"),
        ("2026-11-20t17:31:05z", "2026-11-20T17:31:05Z"),
        ("2026-11-20 17:31:05Z", "2026-11-20T17:31:05Z"),
        ("2026-11-20T17:31:05.123456789Z", "2026-11-20T17:31:05.123456789Z"),
        ("2026-11-20T17:31:05.1200Z", "2026-11-20T17:31:05.12Z"),
        ("2026-11-20T17:31:05.1234567899999Z", "2026-11-20T17:31:05.123456789Z"),
        ("2026-11-21T01:30:00+02:00", "2026-11-20T23:30:00Z"),
        ("2026-11-20T17:31:05-05:30", "2026-11-20T23:01:05Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00Z"),
    ],
)
def test_a_stamp_is_read_and_shown_in_utc(text: str, shown: str) -> None:
    assert str(Instant.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T17:31:05",  # without a zone nobody knows which day it was
        "2026-11-20T17:31:05.Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-20T25:00:00Z",
        "2026-11-20T17:31:60Z",
        "2026-11-20T17:31:05+99:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-20T17:31:05Z\n",
        "٢٠٢٦-11-20T17:31:05Z",
    ],
)
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Instant.parse(text)


def test_two_builds_in_one_microsecond_are_told_apart() -> None:
    earlier, later = Instant.parse("2026-11-20T17:31:05.000000001Z"), Instant.parse("2026-11-20T17:31:05.000000002Z")

    assert earlier < later
    assert earlier.time == later.time == datetime(2026, 11, 20, 17, 31, 5, tzinfo=timezone.utc)


def test_the_release_day_is_the_day_in_the_zone() -> None:
    late = image("shop/billing:1-master", "2026-11-20T23:30:00Z")

    assert str(late.day()) == "2026-11-20"
    assert str(late.day(ZoneInfo("Europe/Berlin"))) == "2026-11-21"
    assert str(late.day(ZoneInfo("America/New_York"))) == "2026-11-20"


def test_a_day_at_the_edge_of_the_calendar_stays_inside_it() -> None:
    first, last = Instant.parse("0001-01-01T00:00:00Z"), Instant.parse("9999-12-31T23:59:59Z")

    assert str(Image("a", "1", first).day(timezone(timedelta(hours=-5)))) == "0001-01-01"
    assert str(Image("a", "1", last).day(timezone(timedelta(hours=9)))) == "9999-12-31"


D = digest("x")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("", "nginx", "", "")),
        ("nginx:1.25", ("", "nginx", "1.25", "")),
        ("shop/billing:1-master", ("", "shop/billing", "1-master", "")),
        ("localhost/billing:1", ("localhost", "billing", "1", "")),
        ("registry:5000/billing", ("registry:5000", "billing", "", "")),
        ("r.example:5000/shop/billing:1.8.0-master", ("r.example:5000", "shop/billing", "1.8.0-master", "")),
        ("[::1]:5000/shop/billing:1", ("[::1]:5000", "shop/billing", "1", "")),
        (f"r.example/a/b__c.d-e:T_1.x-y@{D}", ("r.example", "a/b__c.d-e", "T_1.x-y", D)),
        (f"r.example/a@{D}", ("r.example", "a", "", D)),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(text: str, parts: tuple[str, str, str, str]) -> None:
    found = Reference.parse(text)

    assert (found.host, found.path, found.tag, found.digest) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":1",
        "Shop/billing:1",
        "shop/billing:",
        "shop/billing:1:2",
        "shop//billing",
        "shop/billing/",
        "/shop/billing",
        "shop/billing:-1",
        f"shop/billing:{'1' * 129}",
        "shop/billing@",
        "shop/billing@sha256:abc",
        f"shop/billing@{D.upper()}",
        "https://r.example/shop/billing:1",
        "r.example/shop/billing:1\n",
        "r.example/shop billing:1",
        "user@r.example/shop",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not an image reference"):
        Reference.parse(text)


def test_only_tag_and_digest_change() -> None:
    now = Reference.parse(f"r.example:5000/shop/billing:1@{D}")

    assert str(now.at("2")) == "r.example:5000/shop/billing:2"
    assert str(now.at("2", D)) == f"r.example:5000/shop/billing:2@{D}"


def test_names_are_known_by_their_grammar() -> None:
    assert is_repo("shop/billing")
    assert not is_repo("shop/billing:1")
    assert not is_repo("registry.example.com:5000/shop")
    assert not is_repo("a/" * 127 + "ab")
    assert not is_repo("../etc")
    assert is_tag("1.8.0-master")
    assert not is_tag("../1")
    assert not is_tag("t" * 129)
    assert is_digest(D)
    assert not is_digest(D[:-1])
