"""The list of tags, in every form of pages that registries use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rollback.errors import NotInRegistry, RegistryError
from rollback.registry.client import RegistryOptions, connect
from tests.support import registry as real
from tests.support import registry_proxy as fronts
from tests.support.hostile_images import EAGER, Fleet, agrees, lines, look, master
from tests.support.registry_proxy import Asked, Go, Reply, front

Form = Callable[[str, str, list[str]], str | None]
FORMS: dict[str, Form] = {
    "relative": lambda _host, repo, tags: f'</v2/{repo}/tags/list?last={tags[-1]}&n=7>; rel="next"',
    "absolute": lambda host, repo, tags: f'<http://{host}/v2/{repo}/tags/list?last={tags[-1]}>; rel="next"',
    "inner": lambda _host, repo, tags: (
        f"<https://registry.internal:5000/v2/{repo}/tags/list?last={tags[-1]}>;rel=next"
    ),
    "query": lambda _host, _repo, tags: f'<?last={tags[-1]}&n=7>; rel="next"',
    "opaque": lambda _host, repo, tags: f'</v2/{repo}/tags/list?next_page={tags[-1]}>; title="a, b"; rel="next"',
    "several": lambda _host, repo, tags: (
        f'</v2/>; rel="first", </v2/{repo}/tags/list?last={tags[-1]}>; rel="last next"'
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_link_leads_to_all_tags(fleet: Fleet, form: str) -> None:
    with front(fleet.url, fronts.pages(7, FORMS[form])) as registry:
        agrees(look(registry.url), fleet)
        assert registry.count("shop/many/tags/list") == 4


@pytest.mark.parametrize("program", ["distribution-registry"], indirect=True)  # the older one has no pages
def test_a_registrys_own_pages_lead_to_all_tags(program: str, fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(fleet.folder / "data")

    with real.serve(program, tmp_path, page=7) as url:
        agrees(look(url), fleet)
        client = connect(RegistryOptions(url))
        survey = client.survey(["shop/many"], master)

    assert lines(survey) == fleet.of("shop/many")
    assert client.counts.lists == 4  # 25 tags


def silent(size: int, *, heeds_last: bool, limit: int = 1000) -> fronts.Rule:
    """An old Nexus: pages without a Link."""

    def rule(asked: Asked, go: Go) -> Reply:
        reply = go()
        if not asked.path.endswith("/tags/list"):
            return reply
        tags = [f"{number:05}-master" for number in range(size)]
        last = asked.query.get("last", [""])[0] if heeds_last else ""
        body = json.dumps({"name": asked.repo, "tags": [tag for tag in tags if tag > last][:limit]}).encode()
        return replace(reply, status=200, body=body)

    return rule


@pytest.mark.parametrize(
    ("size", "limit", "heeds_last", "requests"),
    [
        (999, 1000, True, 1),
        (1000, 1000, True, 2),
        (1001, 1000, True, 2),
        (2500, 1000, True, 3),
        (1000, 1000, False, 2),
        (240, 100, True, 3),
        (120, 50, True, 3),
        (100, 1000, True, 2),
        (50, 1000, False, 2),
        (49, 1000, True, 1),
        (101, 1000, False, 1),
    ],
)
def test_a_full_page_without_link_is_followed_by_one_question(
    fleet: Fleet, size: int, limit: int, heeds_last: bool, requests: int
) -> None:
    with front(fleet.url, silent(size, heeds_last=heeds_last, limit=limit)) as registry:
        survey = look(registry.url, ["shop/many"])

        assert len({one.tag for one in survey.skipped}) == len(survey.skipped) == size
        assert registry.count("/tags/list") == requests


def test_a_registry_that_refuses_to_say_what_follows_is_warned_about(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    def strict(asked: Asked, go: Go) -> Reply:
        return fronts.refusal(400, "UNSUPPORTED", "no last here") if "last" in asked.query else go()

    with front(fleet.url, strict, silent(100, heeds_last=True)) as registry:
        survey = look(registry.url, ["shop/many"])

    assert len(survey.skipped) == 100
    assert "shop/many: the list of tags may be incomplete" in caplog.text
    assert "400 UNSUPPORTED: no last here" in caplog.text


def test_a_link_to_itself_is_refused_rather_than_followed_for_ever(fleet: Fleet) -> None:
    def circle(asked: Asked, go: Go) -> Reply:
        reply = go()
        return reply.with_headers(Link=f'<{asked.target}>; rel="next"') if "/tags/" in asked.path else reply

    with front(fleet.url, circle) as registry, pytest.raises(RegistryError) as caught:
        look(registry.url, ["shop/many"])

    assert caught.value.why == "the list of tags: its pages go round in circles: page 2 (?n=1000) was read before"


def test_a_last_that_does_not_advance_is_an_error_that_names_the_page(fleet: Fleet) -> None:
    def circle(asked: Asked, go: Go) -> Reply:
        again = f'<{asked.path}?last=b&page={len(asked.query.get("page", [""])[0]) * "x"}x>; rel="next"'
        return go().with_headers(Link=again) if "/tags/" in asked.path else go()

    with front(fleet.url, circle) as registry, pytest.raises(RegistryError) as caught:
        look(registry.url, ["shop/many"])

    assert caught.value.why == (
        "the list of tags: its pages go round in circles: page 2 (?last=b&page=x) holds nothing new"
    )


@pytest.mark.parametrize(
    ("status", "code", "most", "requests"),
    [
        (400, "PAGINATION_NUMBER_INVALID", 0, 3),
        (405, "UNSUPPORTED", 0, 3),
        (413, "TOO_MANY_TAGS_REQUESTED", 100, 2),  # Quay
        (422, "UNSUPPORTED", 999, 2),
    ],
)
def test_a_registry_that_refuses_to_give_so_many_is_asked_for_fewer(
    fleet: Fleet, status: int, code: str, most: int, requests: int
) -> None:
    def strict(asked: Asked, go: Go) -> Reply:
        wanted = int(asked.query.get("n", ["0"])[0])
        return fronts.refusal(status, code, "no") if wanted > most else go()

    with front(fleet.url, strict) as registry:
        agrees(look(registry.url), fleet)

        assert registry.count("shop/many/tags/list") == requests


def test_a_registry_that_refuses_every_list_is_quoted(fleet: Fleet) -> None:
    def never(asked: Asked, go: Go) -> Reply:
        return fronts.refusal(413, "TOO_MANY_TAGS_REQUESTED", "never") if "/tags/" in asked.path else go()

    with front(fleet.url, never) as registry, pytest.raises(RegistryError) as caught:
        look(registry.url, ["shop/many"])

    assert caught.value.why == "the list of tags: 413 TOO_MANY_TAGS_REQUESTED: never"


def artifactory(asked: Asked, go: Go) -> Reply:
    """Keeps each repository below a key, and leaves the key out of its links."""
    inner = replace(asked, target=asked.target.removeprefix("/artifactory/api/docker/key"))
    if inner.target == asked.target:
        return Reply(404, {}, b"no such repository key")
    return fronts.pages(7, lambda _host, repo, tags: f'</v2/{repo}/tags/list?last={tags[-1]}&n=7>; rel="next"')(
        inner, go
    )


def test_of_a_link_with_another_path_the_query_counts() -> None:
    tags = [f"{number}-master" for number in range(10, 30)]

    def listing(_asked: Asked, _go: Go) -> Reply:
        return Reply(200, {"Content-Type": "application/json"}, json.dumps({"tags": tags}).encode())

    with front("", artifactory, listing) as registry:
        client = connect(RegistryOptions(f"{registry.url}/artifactory/api/docker/key"), budget=EAGER)
        survey = client.survey(["shop/many"], master)

        assert sorted(one.tag for one in survey.skipped) == tags
        assert registry.count("/tags/list") == 3


def test_a_page_that_is_gone_is_not_a_repository_that_is_gone(fleet: Fleet) -> None:
    def lost(asked: Asked, go: Go) -> Reply:
        return fronts.refusal(404, "NAME_UNKNOWN", "not here") if "last" in asked.query else go()

    with (
        front(fleet.url, lost, fronts.pages(7, FORMS["relative"])) as registry,
        pytest.raises(RegistryError, match="shop/many cannot be read") as caught,
    ):
        look(registry.url, ["shop/many"])

    assert not isinstance(caught.value, NotInRegistry)
    assert re.fullmatch(r"the list of tags: page 2 \(\?last=.*&n=7\): 404 NAME_UNKNOWN: not here", caught.value.why)


@pytest.mark.parametrize("said", [b'{"tags": "all"}', b'{"tags": [1]}', b"[]", b'{"tags": ["1-mas', b"", b"{}"])
def test_a_list_that_is_none_ends_the_survey(fleet: Fleet, said: bytes) -> None:
    def odd(asked: Asked, go: Go) -> Reply:
        return replace(go(), body=said) if "/tags/" in asked.path else go()

    with front(fleet.url, odd) as registry, pytest.raises(RegistryError, match="shop/many cannot be read") as caught:
        look(registry.url, ["shop/many"])

    assert "the answer is not a list of tags" in caught.value.why


def test_names_that_no_tag_can_have_are_never_asked_for(fleet: Fleet) -> None:
    def evil(asked: Asked, go: Go) -> Reply:
        body = json.dumps({"tags": ["../../../x-master", "a b-master", "é-master", "-master-master"]}).encode()
        return replace(go(), body=body) if "/tags/" in asked.path else go()

    with front(fleet.url, evil) as registry:
        survey = look(registry.url, ["shop/many"])

        assert {one.reason for one in survey.skipped} == {"not a name that a tag can have"}
        assert [asked.path for asked in registry.seen] == ["/v2/shop/many/tags/list"]


def test_a_tag_that_is_listed_twice_is_read_once(fleet: Fleet) -> None:
    def double(asked: Asked, go: Go) -> Reply:
        reply = go()
        if "/tags/" not in asked.path:
            return reply
        return replace(reply, body=json.dumps({"tags": json.loads(reply.body)["tags"] * 2}).encode())

    with front(fleet.url, double) as registry:
        client = connect(RegistryOptions(registry.url), budget=EAGER)
        survey = client.survey(["shop/many", "shop/many"], master)

    assert lines(survey) == fleet.of("shop/many")
    assert client.counts.manifests == 25


def test_companions_of_images_are_known_by_their_names(fleet: Fleet) -> None:
    tags = [f"sha256-{'a' * 64}{ending}" for ending in ("", ".sig", ".att", ".sbom")]

    def companions(asked: Asked, go: Go) -> Reply:
        return replace(go(), body=json.dumps({"tags": tags}).encode()) if "/tags/" in asked.path else go()

    with front(fleet.url, companions) as registry:
        client = connect(RegistryOptions(registry.url))
        survey = client.survey(["shop/many"], lambda _tag: True)

    assert {one.reason for one in survey.skipped} == {"a signature or other companion of an image, not an image"}
    assert client.counts.requests == 1
