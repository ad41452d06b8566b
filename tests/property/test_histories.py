"""Histories and selections, held against the whole set of images that they were made of."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollback.core import deployed, history_file
from rollback.core.image import Basis, Image, Skipped
from rollback.core.image_selection import AsOf, Match, Selection, select, settled
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, Refused
from tests.property.strategies import BEGIN, REPOS, deployments, images, instants, skipped, zones
from tests.support.image_factory import built, digest

counts = st.integers(1, 6)


def newest(candidates: list[Image]) -> set[str]:
    """The digests of the newest time: more than one where nobody knows which is newer."""
    latest = max((image.created for image in candidates), default=None)
    return {image.digest for image in candidates if image.created == latest}


def agrees(selection: Selection, wanted: dict[str, set[str]]) -> None:
    """Each choice is the newest image, or says that there is none, or names all that are equally new."""
    for choice in selection.choices:
        newest_ones = wanted[choice.repo]
        assert {image.digest for image in choice.candidates} == newest_ones
        if choice.image is None:
            assert choice.match is (Match.TIED if newest_ones else Match.MISSING)
            assert choice.reason
        else:
            assert {choice.image.digest} == newest_ones


@given(images(), skipped, counts, zones)
def test_what_is_written_is_read_back(found: list[Image], left_out: list[Skipped], last: int, zone: str) -> None:
    made = built(found, REPOS, skipped=left_out, last=last, timezone=zone)

    assert history_file.loads(history_file.dumps(made)) == made


@given(images(), counts, zones)
def test_every_date_selects_what_the_whole_set_of_images_would(found: list[Image], last: int, zone: str) -> None:
    made = built(found, REPOS, last=last, timezone=zone)

    for day in made.dates:
        wanted = {repo: newest([i for i in found if i.repo == repo and i.day(made.zone) <= day]) for repo in REPOS}
        selection = select(made, AsOf(str(day), day=day))
        agrees(selection, wanted)
        for choice in selection.choices:
            if choice.image:
                assert (choice.match is Match.EXACT) == (choice.image.day(made.zone) == day)


@given(images(least=1), counts, zones, instants)
def test_a_time_is_refused_or_exact(found: list[Image], last: int, zone: str, at: Instant) -> None:
    made = built(found, REPOS, last=last, timezone=zone, generated=Instant(BEGIN + timedelta(days=30)))

    try:
        selection = select(made, AsOf(str(at), instant=at))
    except Refused:
        assert any(sum(i.repo == repo for i in found) >= last for repo in REPOS)
        return
    agrees(selection, {repo: newest([i for i in found if i.repo == repo and i.created <= at]) for repo in REPOS})


@given(images(least=1), counts, zones)
def test_whatever_is_later_than_the_newest_images_can_be_reached(found: list[Image], last: int, zone: str) -> None:
    made = built(found, REPOS, last=last, timezone=zone, generated=Instant(BEGIN + timedelta(days=30)))
    reach = max(made.reach(repo) or made.of(repo)[-1].created for repo in REPOS if made.of(repo))

    assert select(made, AsOf(str(reach), instant=reach))


@given(st.data(), images(), counts, zones)
def test_the_order_in_which_images_arrive_is_irrelevant(
    data: st.DataObject, found: list[Image], last: int, zone: str
) -> None:
    shuffled = data.draw(st.permutations(found))

    assert built(shuffled, REPOS, last=last, timezone=zone) == built(found, REPOS, last=last, timezone=zone)


@given(images(), counts, zones)
def test_the_newest_of_every_repository_are_always_there(found: list[Image], last: int, zone: str) -> None:
    made = built(found, REPOS, last=last, timezone=zone)

    for repo in REPOS:
        mine = sorted((i for i in found if i.repo == repo), key=lambda i: i.order, reverse=True)
        assert made.of(repo)[:last] == tuple(mine[:last])
        assert {i.day(made.zone) for i in mine[:last]} <= set(made.dates)


@given(images(), counts, zones)
def test_equally_new_images_are_kept_together(found: list[Image], last: int, zone: str) -> None:
    made = built(found, REPOS, last=last, timezone=zone)

    kept = set(made.images)
    for image in made.images:
        assert {i for i in found if (i.repo, i.created) == (image.repo, image.created)} <= kept


@given(st.data(), images(), counts, zones)
def test_order_and_number_of_tags_of_a_digest_are_irrelevant(
    data: st.DataObject, found: list[Image], last: int, zone: str
) -> None:
    more = [
        replace(image, tags=(*image.tags, *(f"{image.tag[:-7]}.{n}-master" for n in range(data.draw(counts)))))
        for image in found
    ]

    plain, other = (built(images, REPOS, last=last, timezone=zone) for images in (found, more))

    assert [(i.repo, i.digest) for i in plain.images] == [(i.repo, i.digest) for i in other.images]
    for day in plain.dates:
        one, two = (select(made, AsOf(str(day), day=day)) for made in (plain, other))
        assert [[i.digest for i in c.candidates] for c in one.choices] == [
            [i.digest for i in c.candidates] for c in two.choices
        ]


@given(st.data(), images(), counts, zones)
def test_a_tie_is_decided_by_what_runs_or_not_at_all(
    data: st.DataObject, found: list[Image], last: int, zone: str
) -> None:
    made = built(found, REPOS, last=last, timezone=zone)
    assume(made.dates)
    day = data.draw(st.sampled_from(made.dates))
    running = {image.digest for image in data.draw(st.lists(st.sampled_from(found)))}

    for choice in select(made, AsOf(str(day), day=day)).choices:
        after = settled(choice, running)
        had = {image.digest for image in choice.candidates} & running
        if choice.match is Match.TIED and len(had) == 1:
            assert after.image is not None
            assert {after.image.digest} == had
        else:
            assert after == choice


@given(st.data(), images(), counts, zones, st.sampled_from([Basis.DEPLOYED, Basis.AUTO]))
def test_no_app_gets_an_image_that_another_supersedes_on_the_chosen_basis(
    data: st.DataObject, found: list[Image], last: int, zone: str, basis: Basis
) -> None:
    """What an app had at the end of the day, where that is certain; else the newest that was built by then."""
    entries = data.draw(deployments(found))
    known = {(image.repo, image.digest): image for image in found}
    present = [entry for entry in entries if (entry.repo, entry.digest) in known]
    ran = deployed.images(present, known, {})
    made = built(found, REPOS, last=last, timezone=zone, basis=basis, deployed=entries, ran=ran)

    assert history_file.loads(history_file.dumps(made)) == made
    for day in made.dates:
        for choice in select(made, AsOf(str(day), day=day)).choices:
            builds = newest([i for i in found if i.repo == choice.repo and i.day(made.zone) <= day])
            for app in {entry.app for entry in entries if entry.repo == choice.repo} | {"/unseen"}:
                mine = choice.of(app)
                started = [e for e in entries if e.app == app and e.since.day(made.zone) <= day]
                entry = max(started, key=lambda e: e.since, default=None)
                if entry and entry.certain:
                    assert mine.basis is Basis.DEPLOYED
                    assert (mine.image.digest if mine.image else digest("gone")) == entry.digest
                    assert (mine.match is Match.GONE) == (mine.image is None)
                else:
                    assert mine.basis is Basis.BUILT
                    assert mine.note
                    assert {mine.image.digest} <= builds if mine.image else len(builds) != 1


@given(images(), st.dates(), zones)
def test_no_other_date_is_ever_accepted(found: list[Image], day: date, zone: str) -> None:
    made = built(found, REPOS, timezone=zone)
    assume(day not in made.dates)

    with pytest.raises(Refused, match="is not a date of this history"):
        select(made, AsOf(str(day), day=day))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["2026-11-20"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(images(least=1), st.data())
def test_a_damaged_file_is_refused_or_means_what_it_says(found: list[Image], data: st.DataObject) -> None:
    members = history_file.as_json(built(found, REPOS))
    members[data.draw(st.sampled_from(sorted(members)))] = data.draw(_json)

    try:
        read = history_file.loads(json.dumps(members))
    except BadInput:
        return
    assert history_file.loads(history_file.dumps(read)) == read
