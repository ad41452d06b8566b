"""A survey of a real registry: what is found, in which order, by how many requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.errors import NotInRegistry
from rollback.registry.client import RegistryOptions, connect
from tests.support import registry as real
from tests.support.hostile_images import dated, master


@pytest.fixture(scope="module")
def url(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.serve(program, tmp_path_factory.mktemp("registry")) as url:
        yield url


def test_images_come_with_digest_and_time_sorted_by_time(url: str) -> None:
    pushed = {
        tag: real.push_image(url, "shop/cart", tag, created, oci=oci)
        for tag, created, oci in [
            ("9-master", "2026-01-01T00:00:00Z", False),
            ("10-master", "2026-03-01T00:00:00.123456789+02:00", True),
            ("2-master", "2026-02-01T00:00:00Z", True),
            ("3-develop", "2026-02-02T00:00:00Z", False),
        ]
    }
    registry = connect(RegistryOptions(url))

    survey = registry.survey(["shop/cart"], master, lambda _done, _known: None)

    assert [(i.tag, i.digest, str(i.created)) for i in dated(survey)[0]] == [
        ("9-master", pushed["9-master"], "2026-01-01T00:00:00Z"),
        ("2-master", pushed["2-master"], "2026-02-01T00:00:00Z"),
        ("10-master", pushed["10-master"], "2026-02-28T22:00:00.123456789Z"),
    ]
    assert (registry.counts.lists, registry.counts.manifests, registry.counts.configs) == (1, 3, 3)


@pytest.mark.parametrize(("count", "lists"), [(49, 1), (50, 2), (51, 1)])
def test_a_list_as_long_as_a_limit_costs_one_more_question_and_none_is_read_twice(
    url: str, count: int, lists: int
) -> None:
    repo = f"shop/exactly-{count}"
    digest = real.push_image(url, repo, "", "2026-01-01T00:00:00Z")
    manifest = real.manifest(url, repo, digest)
    for number in range(count):
        real.put_manifest(url, repo, f"{number}-master", manifest, real.SCHEMA2)
    registry = connect(RegistryOptions(url))

    survey = registry.survey([repo], master)

    assert len(survey.resolved) == len({one.tag for one in survey.resolved}) == count
    assert (registry.counts.lists, registry.counts.manifests) == (lists, count)


def test_a_tag_names_a_digest_until_it_is_gone(url: str) -> None:
    digest = real.push_image(url, "shop/gone", "1-master", "2026-01-01T00:00:00Z")
    registry = connect(RegistryOptions(url))

    before = registry.digest("shop/gone", "1-master")
    registry.complete("shop/gone", digest)
    real.delete_manifest(url, "shop/gone", digest)

    assert before == digest
    with pytest.raises(NotInRegistry, match="shop/gone:1-master is not in"):
        registry.digest("shop/gone", "1-master")
    with pytest.raises(NotInRegistry, match="the manifest is gone"):
        registry.complete("shop/gone", digest)


def test_an_unknown_repository_ends_the_survey(url: str, tmp_path: Path) -> None:
    real.push_image(url, "shop/known", "1-master", "2026-01-01T00:00:00Z")

    with pytest.raises(NotInRegistry, match="shop/nowhere is not in") as caught:
        connect(RegistryOptions(url)).survey(["shop/known", "shop/nowhere"], master)

    assert "NAME_UNKNOWN" in caught.value.why
