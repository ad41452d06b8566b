"""Which image an app runs exactly, where its tag does not say it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import plan
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Action
from rollback.core.running_image import TagNow, with_evidence
from rollback.core.timestamps import Instant
from tests.support.image_factory import HOST, PROD, app, built, day_of, digest, image

TAGS = EnvironmentTags("master")
EARLY, LATE = Instant.parse("2026-11-10T00:00:00Z"), Instant.parse("2026-11-20T00:00:00Z")
MOVING = app("web", f"{HOST}/web:latest-master")


def test_what_the_instances_report_comes_first() -> None:
    found = with_evidence(replace(MOVING, running_digest=digest("seen")), TAGS, TagNow(digest("now"), EARLY), LATE)

    assert found.exact_image == f"{HOST}/web:latest-master@{digest('seen')}"


def test_the_registry_s_digest_counts_if_its_image_is_older_than_the_oldest_instance() -> None:
    found = with_evidence(MOVING, TAGS, TagNow(digest("now"), EARLY), LATE)

    assert (found.exact_image, found.inexact) == (f"{HOST}/web:latest-master@{digest('now')}", False)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (TagNow(digest("now"), LATE), EARLY),
        (TagNow(digest("now"), EARLY), EARLY),
        (TagNow(digest("now"), None), LATE),
        (TagNow(digest("now"), EARLY), None),
        (TagNow(), LATE),
    ],
    ids=["pushed since", "at the same time", "undated", "nothing runs", "gone"],
)
def test_without_evidence_what_runs_is_unknown(now: TagNow, start: Instant | None) -> None:
    found = with_evidence(MOVING, TAGS, now, start)

    assert (found.exact_image, found.inexact) == ("", True)
    assert found.restore_image == MOVING.image


@pytest.mark.parametrize(
    "reference", [f"{HOST}/web:1.8.0-master", f"{HOST}/web:latest-master@{digest('pinned')}", ""]
)
def test_a_reference_that_is_exact_needs_no_evidence(reference: str) -> None:
    exact = app("web", reference)

    assert with_evidence(exact, TAGS, TagNow(), None) == exact


def test_a_version_that_was_seen_with_two_digests_moves_too() -> None:
    version = app("web", f"{HOST}/web:1.8.0-master")

    assert with_evidence(version, TAGS, TagNow(digest("now"), LATE, moved=True), EARLY).inexact


def test_no_tag_at_all_is_latest_and_moves() -> None:
    assert with_evidence(app("web", f"{HOST}/web"), TAGS, TagNow(), None).inexact


HELD = built([replace(image("web:1.8.0-master", "2026-11-10"), tags=("1.8.0-master", "latest-master"))])
CHOSEN = select(HELD, day_of("2026-11-10"))


def test_the_chosen_digest_under_a_moving_tag_is_the_same_only_with_evidence() -> None:
    known = replace(MOVING, exact_image=f"{MOVING.image}@{digest('web:1.8.0-master')}")

    same, changed = (
        plan.build(CHOSEN, [one], PROD, "m", Rules()).steps[0] for one in (known, replace(MOVING, inexact=True))
    )

    assert same.action is Action.SAME
    assert changed.action is Action.CHANGE
    assert changed.after == f"{HOST}/web:1.8.0-master@{digest('web:1.8.0-master')}"
    assert "undo cannot bring back the exact image" in changed.notes[0]


def test_the_chosen_digest_under_another_tag_of_it_is_the_same() -> None:
    other = replace(HELD.images[0], tags=("1.8.0-master", "a1b2c3d-master"))

    (step,) = plan.build(
        select(built([other]), day_of("2026-11-10")), [app("web", f"{HOST}/web:a1b2c3d-master")], PROD, "m", Rules()
    ).steps

    assert step.action is Action.SAME
