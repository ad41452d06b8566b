"""When an image was created, and what is not believed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.core.image import CreatedFrom
from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from rollback.registry.created import TagDate, TimeEvidence, Undated, date, plausible

NOW = datetime(2026, 11, 22, 4, tzinfo=timezone.utc)
GOOD = "2026-11-20T17:31:05.123456789Z"


def found(evidence: TimeEvidence, tag: str = "1-master", pattern: str = "") -> tuple[str, CreatedFrom]:
    created, source = date(evidence, tag, NOW, TagDate(pattern) if pattern else None)
    return str(created), source


def test_witnesses_are_heard_in_order() -> None:
    everything = TimeEvidence(GOOD, ("2026-01-01T00:00:00Z",), ("2026-01-02T00:00:00Z",))

    assert found(everything) == (GOOD, CreatedFrom.CONFIG)
    assert found(TimeEvidence("", *_rest(everything))) == ("2026-01-01T00:00:00Z", CreatedFrom.ANNOTATION)
    assert found(TimeEvidence("", ("", GOOD), ())) == (GOOD, CreatedFrom.ANNOTATION)
    assert found(TimeEvidence("", (), ("nonsense", GOOD))) == (GOOD, CreatedFrom.LABEL)


def _rest(evidence: TimeEvidence) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return evidence.annotations, evidence.labels


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("", "undated: nothing tells when it was created"),
        ("1970-01-01T00:00:00Z", "undated: created is '1970-01-01T00:00:00Z': before 1990, so a placeholder"),
        ("1989-12-31T23:59:59.999999999Z", "before 1990"),
        ("2026-11-23T04:00:00.000001Z", "in the future"),
        ("0001-01-01T00:00:00+14:00", "outside the calendar"),
        ("2026-11-20 17:31:05", "not a time with a zone"),
        ("2026-02-30T00:00:00Z", "created: "),
    ],
)
def test_what_cannot_be_believed_is_said(stamp: str, reason: str) -> None:
    with pytest.raises(Undated) as caught:
        found(TimeEvidence(stamp))

    assert reason in str(caught.value)


def test_a_day_ahead_and_the_first_of_1990_are_believed() -> None:
    assert found(TimeEvidence("2026-11-23T04:00:00Z"))[0] == "2026-11-23T04:00:00Z"
    assert found(TimeEvidence("1990-01-01T00:00:00Z"))[0] == "1990-01-01T00:00:00Z"


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_only_times_from_1990_to_tomorrow_are_believed(moment: datetime) -> None:
    instant = Instant(moment.replace(tzinfo=timezone.utc))
    inside = datetime(1990, 1, 1, tzinfo=timezone.utc) <= instant.time <= NOW + timedelta(days=1)

    try:
        assert plausible(instant, NOW) == instant
        believed = True
    except Undated:
        believed = False

    assert believed == inside


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        (r"^(?P<date>\d{8})-", "20260301-abc-master", "2026-03-01T00:00:00Z"),
        (r"^(?P<date>\d{8}-\d{4})-", "20260301-1412-abc-master", "2026-03-01T14:12:00Z"),
        (r"(?P<date>\d{4}-\d\d-\d\d)", "v1-2026-03-01-master", "2026-03-01T00:00:00Z"),
        (r"(?P<date>\d{14})", "20260301141259-master", "2026-03-01T14:12:59Z"),
        (r"(?P<year>\d{4})\.(?P<month>\d+)\.(?P<day>\d+)", "2026.3.1-master", "2026-03-01T00:00:00Z"),
    ],
)
def test_a_tag_s_date_is_the_last_resort(pattern: str, tag: str, expected: str) -> None:
    assert found(TimeEvidence("1970-01-01T00:00:00Z"), tag, pattern) == (expected, CreatedFrom.TAG)
    assert found(TimeEvidence(GOOD), tag, pattern) == (GOOD, CreatedFrom.CONFIG)


@pytest.mark.parametrize("tag", ["abc-master", "20269999-master", "19700101-master", "99990101-master"])
def test_a_tag_without_a_possible_date_is_undated(tag: str) -> None:
    with pytest.raises(Undated, match="the tag"):
        found(TimeEvidence(), tag, r"^(?P<date>\d{8})-")


@pytest.mark.parametrize("pattern", ["(", r"\d{8}", r"(?P<year>\d{4})"])
def test_a_pattern_without_a_date_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput, match="for dates in tags"):
        TagDate(pattern)
