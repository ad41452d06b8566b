"""Every form of image that registries hold, read from the registries themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.registry.client import RegistryOptions, connect
from tests.support.hostile_images import REPOS, Fleet, agrees, dated, lines, look, master


def test_the_newest_ten_are_exactly_these(fleet: Fleet) -> None:
    agrees(look(fleet.url), fleet)


def test_a_second_survey_asks_for_tags_alone_and_finds_the_same(fleet: Fleet, tmp_path: Path) -> None:
    look(fleet.url, cache=tmp_path)

    with connect(RegistryOptions(fleet.url, cache=tmp_path)) as registry:
        survey = registry.survey(REPOS, master)

    agrees(survey, fleet)
    counts = registry.counts
    gone = 4  # a manifest, a child and a config that are gone, and a config that cannot be read, are asked for again
    assert counts.manifests - counts.unchanged <= gone
    assert counts.configs <= gone


def test_tags_that_never_move_are_not_asked_again(fleet: Fleet, tmp_path: Path) -> None:
    look(fleet.url, ["shop/many"], cache=tmp_path)

    with connect(RegistryOptions(fleet.url, cache=tmp_path, immutable_tags=True)) as registry:
        survey = registry.survey(["shop/many"], master)

    assert lines(survey) == fleet.of("shop/many")
    assert registry.counts.requests == registry.counts.lists == 1


def test_images_that_share_a_config_cost_it_once(fleet: Fleet) -> None:
    registry = connect(RegistryOptions(fleet.url, connections=1))

    survey = registry.survey(["shop/forms"], lambda tag: tag in {"a-master", "b-master"})

    assert [image.tag for image in dated(survey)[0]] == ["a-master"]
    assert dated(survey)[0][0].tags == ("a-master", "b-master")
    assert (registry.counts.manifests, registry.counts.configs) == (2, 1)


def test_another_platform_reads_another_child(fleet: Fleet) -> None:
    survey = look(fleet.url, ["shop/forms"], platform="linux/arm64")

    listed = next(image for image in dated(survey)[0] if image.tag == "list-master")
    assert str(listed.created) == "2026-06-01T00:00:00Z"


def test_a_repository_without_tags_is_empty_and_no_error(fleet: Fleet) -> None:
    survey = look(fleet.url, ["shop/empty"])

    assert (survey.resolved, survey.skipped) == ((), ())


def test_progress_ends_with_everything_done(fleet: Fleet) -> None:
    heard: list[tuple[int, int]] = []

    connect(RegistryOptions(fleet.url)).survey(["shop/many"], master, lambda done, known: heard.append((done, known)))

    assert heard[-1] == (25, 25)
    assert heard == sorted(heard)


def test_connections_are_never_more_than_allowed(fleet: Fleet) -> None:
    registry = connect(RegistryOptions(fleet.url, connections=3))

    agrees(registry.survey(REPOS, master), fleet)

    assert 1 <= registry.counts.connections <= 3


def test_a_survey_that_is_interrupted_leaves_the_registry_usable(fleet: Fleet) -> None:
    registry = connect(RegistryOptions(fleet.url, connections=2))

    def interrupt(_done: int, _known: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.survey(["shop/many"], master, interrupt)

    assert lines(registry.survey(["shop/many"], master)) == fleet.of("shop/many")
