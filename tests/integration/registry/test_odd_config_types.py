"""Configs whose media type is none of an image's, as old clients and registries wrote them, and Docker pulls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.registry.client import RegistryOptions, connect
from tests.support import registry as real
from tests.support.hostile_images import dated, look

CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "created": "2026-05-01T00:00:00Z",
    "rootfs": {"type": "layers", "diff_ids": []},
}
ODD = ["application/octet-stream", "text/html", "application/json", ""]


@pytest.fixture(scope="module")
def url(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.serve(program, tmp_path_factory.mktemp("odd")) as url:
        yield url


def push(url: str, repo: str, config_type: str, *, layer: str = real.DOCKER_LAYER, without: str = "") -> str:
    config = {name: value for name, value in CONFIG.items() if name != without}
    return real.push_manifest(
        url,
        repo,
        "2-master",
        config=json.dumps(config).encode(),
        config_type=config_type,
        layers=[(layer, b"a layer")] if layer else [],
        kind=real.SCHEMA2,
    )


@pytest.mark.parametrize("config_type", ODD)
@pytest.mark.parametrize("layer", [real.DOCKER_LAYER, real.OCI_LAYER])
def test_an_image_with_an_odd_config_type_is_an_image(url: str, config_type: str, layer: str) -> None:
    repo = f"shop/image{ODD.index(config_type)}"
    older = real.push_image(url, repo, "1-master", "2026-04-01T00:00:00Z")

    digest = push(url, repo, config_type, layer=layer)

    survey = look(url, [repo])
    assert [(image.tags, image.digest) for image in dated(survey)[0]] == [
        (("1-master",), older),
        (("2-master",), digest),
    ]
    assert survey.skipped == ()
    with connect(RegistryOptions(url)) as registry:
        registry.complete(repo, digest)


@pytest.mark.parametrize("config_type", ODD)
@pytest.mark.parametrize("missing", ["architecture", "rootfs"])
def test_a_config_that_describes_no_image_makes_it_an_artifact(url: str, config_type: str, missing: str) -> None:
    repo = f"shop/config{ODD.index(config_type)}"
    push(url, repo, config_type, without=missing)

    survey = look(url, [repo])

    assert survey.resolved == ()
    assert [one.reason for one in survey.skipped] == [
        "an artifact, not an image: its config names no architecture or no layers"
    ]


@pytest.mark.parametrize("layer", ["application/octet-stream", "application/vnd.in-toto+json", ""])
def test_layers_that_are_none_make_it_an_artifact(url: str, layer: str) -> None:
    push(url, "shop/layers", "application/octet-stream", layer=layer)

    survey = look(url, ["shop/layers"])

    assert survey.resolved == ()
    assert [one.reason for one in survey.skipped] == ["an artifact (application/octet-stream), not an image"]


def test_what_is_known_from_the_cache_is_the_same(url: str, tmp_path: Path) -> None:
    push(url, "shop/cached", "text/html")
    first = look(url, ["shop/cached"], cache=tmp_path)

    second = look(url, ["shop/cached"], cache=tmp_path)

    assert first == second
    assert [image.tag for image in second.resolved] == ["2-master"]
