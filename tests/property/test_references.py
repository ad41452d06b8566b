"""References: read back as written, and only tag and digest ever change."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image_reference import Reference
from rollback.core.timestamps import Instant
from rollback.errors import BadInput
from tests.property.strategies import instants, references


@given(references)
def test_a_reference_is_read_back_as_written(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@given(references, references)
def test_host_and_repository_survive_every_change(now: Reference, then: Reference) -> None:
    changed = Reference.parse(str(now.at(then.tag, then.digest)))

    assert (changed.host, changed.path) == (now.host, now.path)
    assert (changed.tag, changed.digest) == (then.tag, then.digest)


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert str(Reference.parse(text)) == text


@given(instants)
def test_an_instant_is_read_back_as_written(instant: Instant) -> None:
    assert Instant.parse(str(instant)) == instant


@given(st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True), st.sampled_from(["master", "stage", "pre.prod"]))
def test_a_tag_belongs_only_with_its_separator(head: str, env: str) -> None:
    tags = EnvironmentTags(env)
    assert tags.fits(f"{head}-{env}")
    assert tags.fits(f"{head}{env}") == head.endswith("-") * (len(head) > 1)
    assert not tags.fits(f"{head}-{env}x")
