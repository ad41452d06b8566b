"""When an image was created, and what is not believed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.core.creation_time import (
    ResolvedTag,
    TagDate,
    TimeEvidence,
    Undated,
    date_images,
    plausible,
    undated_text,
)
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image import CreatedFrom, Image, Skipped
from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from tests.support.image_factory import digest

NOW = datetime(2026, 11, 22, 4, tzinfo=timezone.utc)
GOOD = "2026-11-20T17:31:05.123456789Z"


def dated(*resolved: ResolvedTag, pattern: str = "") -> tuple[list[Image], list[Skipped]]:
    return date_images(resolved, EnvironmentTags("master"), NOW, TagDate(pattern) if pattern else None)


def named(tag: str, created: str, *, config: str = "", manifest: str = "", history: str = "") -> ResolvedTag:
    """A tag of `web`; its manifest and its config are its own unless they are named."""
    evidence = TimeEvidence(created, history=history)
    return ResolvedTag("web", tag, digest(manifest or tag), digest(config or manifest or tag), evidence)


def found(evidence: TimeEvidence, tag: str = "1-master", pattern: str = "") -> tuple[str, CreatedFrom]:
    images, undated = dated(ResolvedTag("web", tag, digest(tag), digest("c"), evidence), pattern=pattern)
    if undated:
        raise Undated(undated[0].reason)
    return str(images[0].created), images[0].created_from


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
        ("", "undated: nothing says when it was created"),
        ("1970-01-01T00:00:00Z", "undated: created is 1970-01-01: before 1990, so a placeholder"),
        ("1989-12-31T23:59:59.999999999Z", "before 1990"),
        ("2026-11-23T04:00:00.000001Z", "in the future"),
        ("0001-01-01T00:00:00+14:00", "outside the calendar"),
        ("2026-11-20T10:00:00+99:00", "+99:00 is not an offset from UTC"),
        ("2026-11-20T10:00:00-0160", "-0160 is not an offset from UTC"),
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


STAMP = "2026-11-10T12:00:00Z"


def test_a_time_that_three_builds_share_is_no_evidence() -> None:
    images, undated = dated(*(named(f"1.{n}-master", STAMP) for n in (8, 9, 10, 11)))

    assert images == []
    assert [one.tag for one in undated] == ["1.10-master", "1.11-master", "1.8-master", "1.9-master"]
    assert all(one.undated and "shared by 4 builds" in one.reason for one in undated)


def test_a_time_that_two_builds_share_counts() -> None:
    images, undated = dated(named("1.8-master", STAMP), named("1.9-master", STAMP))

    assert [str(image.created) for image in images] == [STAMP, STAMP]
    assert undated == []


def test_images_of_one_config_are_one_build_however_many_digests_they_have() -> None:
    copies = [named(f"{n}-master", STAMP, config="same", manifest=f"m{n}") for n in range(4)]

    images, undated = dated(*copies, named("9-master", STAMP))

    assert (len(images), undated) == (5, [])


def test_another_repository_s_builds_share_nothing() -> None:
    apart = [ResolvedTag(f"r{n}", "1-master", digest(str(n)), digest(f"c{n}"), TimeEvidence(STAMP)) for n in range(4)]

    assert len(dated(*apart)[0]) == 4


def test_an_inherited_label_is_no_evidence() -> None:
    base = [
        ResolvedTag("web", f"{n}-master", digest(str(n)), digest(f"c{n}"), TimeEvidence(labels=(STAMP,)))
        for n in range(3)
    ]

    assert dated(*base)[0] == []


def test_where_the_config_s_time_is_shared_the_next_evidence_counts() -> None:
    many = [
        ResolvedTag(
            "web",
            f"{n}-master",
            digest(str(n)),
            digest(f"c{n}"),
            TimeEvidence(STAMP, annotations=(f"2026-11-1{n}T00:00:00Z",)),
        )
        for n in range(3)
    ]

    assert sorted((str(i.created), i.created_from) for i in dated(*many)[0]) == [
        (f"2026-11-1{n}T00:00:00Z", CreatedFrom.ANNOTATION) for n in range(3)
    ]


def test_the_history_s_newest_entry_counts_if_it_differs_for_every_build() -> None:
    kept = [named(f"{n}-master", "1970-01-01T00:00:00Z", history=f"2026-11-1{n}T00:00:00Z") for n in range(3)]
    based = [*kept[:2], named("2-master", "1970-01-01T00:00:00Z", history="2026-11-11T00:00:00Z")]

    assert {image.created_from for image in dated(*kept)[0]} == {CreatedFrom.HISTORY}
    assert dated(*based)[0] == []
    assert dated(kept[0])[0] == []  # one build alone shows nothing: it may be the base image's


def test_one_digest_with_many_tags_is_one_image_shown_under_its_version() -> None:
    tags = ["1.8.0-master", "a1b2c3d-master", "latest-master", "master"]

    (image,), undated = dated(*(named(tag, STAMP, manifest="m") for tag in tags))

    assert (image.tag, image.tags, undated) == ("1.8.0-master", tuple(tags), [])


@given(st.data())
def test_order_and_number_of_tags_are_irrelevant(data: st.DataObject) -> None:
    stamps = st.sampled_from(["2026-11-10T12:00:00Z", "2026-11-11T12:00:00Z", "1970-01-01T00:00:00Z", ""])
    manifests = data.draw(st.lists(st.tuples(stamps, st.sampled_from("abcd"), stamps), min_size=1, max_size=8))
    once = [
        named(f"{n}-master", stamp, config=config + stamp + history, manifest=f"m{n}", history=history)
        for n, (stamp, config, history) in enumerate(manifests)
    ]
    more = [
        ResolvedTag(one.repo, f"{one.tag[0]}.{extra}-master", one.digest, one.config, one.evidence)
        for one in once
        for extra in range(data.draw(st.integers(0, 3)))
    ]

    plain, undated = dated(*once)
    other, not_dated = dated(*data.draw(st.permutations([*once, *more])))

    assert {(i.digest, i.created, i.created_from) for i in plain} == {
        (i.digest, i.created, i.created_from) for i in other
    }
    assert sorted(one.reason for one in undated) == sorted(one.reason for one in not_dated)


def test_undated_images_are_one_line_with_the_reason() -> None:
    undated = dated(*(named(f"{n}-master", "1970-01-01T00:00:00Z") for n in range(30)))[1]

    told = undated_text(undated, "web", 0)

    assert told.startswith("30 images, none with a usable time (created is 1970-01-01: before 1990")
    assert undated_text(undated, "cart", 0) == ""
    assert undated_text(undated[:2], "web", 3).startswith("2 of 5 images have no usable time (")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-12T10:00:00+0100", "2026-11-12T09:00:00Z"),
        ("2026-11-12 10:00:00 +0100", "2026-11-12T09:00:00Z"),
        ("2026-11-12 10:00:00.123456789 +0100 CET", "2026-11-12T09:00:00.123456789Z"),
        ("2026-11-12 10:00:00.5 +0000 UTC m=+0.000012", "2026-11-12T10:00:00.5Z"),
        ("2026-11-12 10:00:00 -0300 -03", "2026-11-12T13:00:00Z"),
        ("2026-11-12 10:00:00 UTC", "2026-11-12T10:00:00Z"),
        ("2026-11-12T10:00:00-00:00", "2026-11-12T10:00:00Z"),
    ],
)
def test_times_as_people_write_them_are_read(written: str, meant: str) -> None:
    assert found(TimeEvidence(written))[0] == meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("2026-11-12 10:00:00 CET", "names its zone CET"),
        ("2026-11-12 10:00:00", "is not a time with a zone"),
        ("2026-11-12", "is a day without a time"),
        ("1763000000", "is a bare number"),
        ("12/11/2026", "is not a time with a zone"),
    ],
)
def test_what_can_be_misread_is_not_read_and_says_why(written: str, told: str) -> None:
    with pytest.raises(Undated, match=told):
        found(TimeEvidence(written))
