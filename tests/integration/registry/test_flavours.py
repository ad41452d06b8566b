"""Registries with an API of their own give the same answer as the plain way, by fewer requests."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from rollback.errors import BadInput
from rollback.registry.client import RegistryOptions, ScanResult, connect
from rollback.registry.manifest import SCHEMA2
from rollback.secret import Secret
from tests.support import registry_proxy as fronts
from tests.support import vendors
from tests.support.hostile_images import EAGER, REPOS, Fleet, agrees, dated, look, master
from tests.support.registry_proxy import Asked, Bearer, Go, Reply, front


def in_milliseconds(survey: ScanResult) -> list[tuple[str, tuple[str, ...], str, str, float]]:
    return sorted(
        (i.repo, i.tags, i.digest, i.created_from.value, i.created.time.timestamp() * 1000 // 1)
        for i in dated(survey)[0]
    )


@pytest.mark.parametrize("flavour", ["auto", "google"])
def test_google_s_list_of_tags_gives_the_same_images(fleet: Fleet, flavour: str) -> None:
    with front(fleet.url, vendors.google(fleet.url)) as registry:
        client = connect(RegistryOptions(registry.url, flavour=flavour))
        survey = client.survey(REPOS, master)
        plain = look(fleet.url)

    assert in_milliseconds(survey) == in_milliseconds(plain)
    assert dated(survey)[1] == dated(plain)[1]


def test_google_s_list_is_the_only_request_for_plain_images(fleet: Fleet) -> None:
    with front(fleet.url, vendors.google(fleet.url)) as registry:
        client = connect(RegistryOptions(registry.url))
        client.survey(["shop/many"], master)

    assert client.counts.requests == 1


def test_google_s_list_is_not_used_when_the_plain_way_is_asked_for(fleet: Fleet) -> None:
    with front(fleet.url, vendors.google(fleet.url)) as registry:
        client = connect(RegistryOptions(registry.url, flavour="plain"))
        agrees(client.survey(REPOS, master), fleet)

    assert client.counts.configs > 0


def test_harbor_s_artifacts_give_the_same_images(fleet: Fleet) -> None:
    with front(fleet.url, vendors.harbor(fleet.url)) as registry:
        client = connect(RegistryOptions(registry.url, flavour="harbor"))
        agrees(client.survey(REPOS, master), fleet)
        before = client.counts
        agrees(client.survey(["shop/many"], master), Fleet(fleet.url, fleet.folder, fleet.of("shop/many"), {}))

    after = client.counts
    assert (after.lists - before.lists, after.others - before.others) == (1, 1)
    assert after.manifests == before.manifests


def test_harbor_is_known_by_its_token_server(fleet: Fleet) -> None:
    bearer = Bearer()
    bearer.service = "harbor-registry"
    with (
        front("", bearer.server) as server,
        front(fleet.url, bearer.registry, vendors.harbor(fleet.url)) as registry,
    ):
        bearer.realm = f"{server.url}/service/token"
        client = connect(RegistryOptions(registry.url), budget=EAGER)
        agrees(client.survey(REPOS, master), fleet)

        assert registry.count("/api/v2.0/projects/shop/repositories/") == client.counts.others > 0


def test_harbor_that_refuses_its_api_is_asked_in_the_plain_way(fleet: Fleet) -> None:
    with front(fleet.url, vendors.harbor(fleet.url, lambda _asked: False)) as registry:
        agrees(look(registry.url, flavour="harbor"), fleet)


def test_harbor_gets_the_user_s_own_credentials(fleet: Fleet) -> None:
    def admitted(asked: Asked) -> bool:
        return asked.headers.get("authorization", "").startswith("Basic ")

    with front(fleet.url, vendors.harbor(fleet.url, admitted)) as registry:
        client = connect(RegistryOptions(registry.url, user="robot$x", password=Secret("pw"), flavour="harbor"))
        client.survey(["shop/many"], master)

    assert client.counts.configs == 0


def test_slashes_in_a_repository_s_name_are_encoded_twice_for_harbor(fleet: Fleet) -> None:
    def listed(asked: Asked, go: Go) -> Reply:
        if asked.path.endswith("/tags/list"):
            return Reply(200, {}, b'{"tags":["1-master","2-master"]}')
        return Reply(200, {}, b"[]") if asked.path.startswith("/api/") else Reply(404)

    with front("", listed) as registry:
        look(registry.url, ["library/deep/er"], flavour="harbor")

        assert registry.count("/api/v2.0/projects/library/repositories/deep%252Fer/artifacts?") == 1


def limited(left: int) -> fronts.Rule:
    """Docker Hub: every answer about a manifest tells what is left of the limit."""

    def rule(asked: Asked, go: Go) -> Reply:
        reply = go()
        if "/manifests/" not in asked.path:
            return reply
        return reply.with_headers(RateLimit_Limit="100;w=21600", RateLimit_Remaining=f"{left};w=21600")

    return rule


def test_docker_hub_s_limit_is_named_before_the_first_pull(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    with front(fleet.url, limited(24)) as registry:
        survey = look(registry.url, ["shop/many"], flavour="dockerhub")
        kinds = [asked.method for asked in registry.seen if "/manifests/" in asked.path]

    assert len(survey.resolved) == 25
    assert kinds[0] == "HEAD"
    assert kinds.count("HEAD") == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Docker Hub lets anonymous pull 24 more manifests within 6 h, and this takes at least 25: log in, wait, or "
        "request fewer repositories at a time; the cache keeps what was read"
    ]


def test_docker_hub_is_asked_by_head_for_what_is_known(
    fleet: Fleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with front(fleet.url, limited(25)) as registry:
        look(registry.url, ["shop/many"], flavour="dockerhub", cache=tmp_path)
        first = registry.count("/manifests/")
        look(registry.url, ["shop/many"], flavour="dockerhub", cache=tmp_path)

        assert (first, registry.count("/manifests/") - first) == (25, 0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_unknown_kind_of_registry_is_refused() -> None:
    with pytest.raises(BadInput, match="'nexus' is no kind of registry"):
        connect(RegistryOptions("registry.example.com", flavour="nexus"))


def many(count: int, wanted: int) -> fronts.Rule:
    """A Harbor of so many tags, the wanted ones among the oldest."""
    tags = [f"{number}-{'master' if number >= count - wanted else 'feature'}" for number in range(count)]

    def artifact(number: int) -> dict[str, object]:
        return {
            "digest": f"sha256:{number:064x}",
            "type": "IMAGE",
            "manifest_media_type": SCHEMA2,
            "extra_attrs": {"created": f"2026-01-01T00:{number // 60:02}:{number % 60:02}.000000001Z"},
            "tags": [{"name": tags[number]}],
        }

    def rule(asked: Asked, _go: Go) -> Reply:
        if asked.path.endswith("/tags/list"):
            return Reply(200, {}, json.dumps({"tags": tags}).encode())
        if asked.path.startswith("/api/"):
            first = (int(asked.query["page"][0]) - 1) * 100
            return Reply(200, {}, json.dumps([artifact(n) for n in range(count)[first : first + 100]]).encode())
        return fronts.refusal(404, "MANIFEST_UNKNOWN", "no")

    return rule


@pytest.mark.parametrize(
    ("count", "wanted", "pages"),
    [(250, 150, 3), (200, 150, 2), (250, 1, 0), (250, 2, 3)],
    ids=["last page short", "last page full", "tag by tag is cheaper", "pages are cheaper"],
)
def test_harbor_is_asked_for_as_many_pages_as_pay(count: int, wanted: int, pages: int) -> None:
    with front("", many(count, wanted)) as registry:
        client = connect(RegistryOptions(registry.url, flavour="harbor"), budget=EAGER)
        survey = client.survey(["shop/many"], master)

    assert client.counts.others == pages
    assert len(survey.resolved) == (wanted if pages else 0)
    assert client.counts.manifests == (0 if pages else wanted)
