"""Lists of tags: whatever a registry does with its pages, all of them are found, once, and the walk ends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.errors import RegistryError
from rollback.registry.address import Address
from rollback.registry.api_client import RegistryApiClient
from rollback.registry.auth.authenticator import Authenticator
from rollback.registry.auth.credentials import ANONYMOUS
from rollback.registry.request_counts import RequestCounter
from rollback.registry.retry import Budget
from rollback.registry.retrying_client import RetryingClient
from rollback.registry.tag_list import TagListReader
from rollback.registry.transport import RegistryResponse

Answer = Callable[[dict[str, str]], RegistryResponse]
UNIVERSE = [f"{number:04}-master" for number in range(320)]


class Wire:
    """A registry in memory, which answers the query of each request."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.queries: list[dict[str, str]] = []

    def send(
        self, method: str, url: str, headers: Mapping[str, str], *, limit: int, body: bytes | None = None
    ) -> RegistryResponse:
        self.queries.append({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})
        return self._answer(self.queries[-1])

    def close(self) -> None:
        pass


def walk(answer: Answer) -> tuple[list[str], Wire]:
    """All tags in the order of arrival, doubles included, and the wire."""
    wire = Wire(answer)
    address = Address.parse("http://registry.example")
    client = RetryingClient(wire, RequestCounter(), Budget(tries=1))
    reader = TagListReader(
        RegistryApiClient(address, client, Authenticator(address, client, lambda _repo: ANONYMOUS)), "shop/cart"
    )
    tags: list[str] = []
    while reader.more:
        tags += reader.turn().tags
    return tags, wire


def page(tags: list[str], link: Mapping[str, str] | None = None) -> RegistryResponse:
    headers = {"Link": f'</elsewhere/tags/list?{urlencode(link)}>; rel="next"'} if link else {}
    return RegistryResponse(200, headers, json.dumps({"tags": tags or None}).encode(), "http://registry.example/v2/x")


@given(
    count=st.sampled_from([0, 1, 49, 50, 51, 99, 100, 101, 150, 200, 240, 300]) | st.integers(0, 320),
    limit=st.sampled_from([50, 100, 1000]),
    refuses_above=st.sampled_from([0, 99, 100, 999, 1000]),
    links=st.booleans(),
    descending=st.booleans(),
)
def test_every_honest_registry_is_listed_whole_and_once(
    count: int, limit: int, refuses_above: int, links: bool, descending: bool
) -> None:
    held = sorted(UNIVERSE[:count], reverse=descending)

    def answer(query: dict[str, str]) -> RegistryResponse:
        size = int(query.get("n", "0"))
        if size > refuses_above:
            return RegistryResponse(413, {}, b"", "http://registry.example/v2/x")
        start = held.index(query["last"]) + 1 if "last" in query else 0
        given = held[start : start + min(size or limit, limit)]
        more = links and start + len(given) < len(held)
        return page(given, {**query, "last": given[-1]} if more else None)

    tags, wire = walk(answer)

    assert tags == held
    assert len(wire.queries) <= 3 + count // 50 + 1


@given(count=st.integers(0, 320), seed=st.integers(0, 1000))
def test_a_registry_that_ignores_every_parameter_and_sorts_nothing_is_asked_twice_at_most(
    count: int, seed: int
) -> None:
    order = random.Random(seed)  # noqa: S311

    def answer(_query: dict[str, str]) -> RegistryResponse:
        return page(order.sample(UNIVERSE[:count], count))

    tags, wire = walk(answer)

    assert set(tags) == set(UNIVERSE[:count])
    assert len(wire.queries) == (2 if count in {50, 100} else 1)


@given(st.data())
def test_no_registry_keeps_the_walk_going_for_ever(data: st.DataObject) -> None:
    sizes = st.sampled_from([0, 1, 2, 50, 100])

    def answer(query: dict[str, str]) -> RegistryResponse:
        start = data.draw(st.integers(0, 220))
        tags = UNIVERSE[start : start + data.draw(sizes)]
        link = data.draw(st.none() | st.integers(0, 10**6))
        return page(tags, {"page": str(link)} if link is not None else None)

    asked: list[dict[str, str]] = []

    def counted(query: dict[str, str]) -> RegistryResponse:
        asked.append(query)
        assert len(asked) <= len(UNIVERSE) + 102
        return answer(query)

    try:
        tags, _wire = walk(counted)
    except RegistryError as error:
        assert "round in circles" in error.why  # noqa: PT017  (either outcome is fine)
    else:
        assert set(tags) <= set(UNIVERSE)


def test_a_list_that_never_ends_is_given_up() -> None:
    def answer(query: dict[str, str]) -> RegistryResponse:
        start = int(query.get("page", "0"))
        tags = [f"{number}-master" for number in range(start * 50_000, (start + 1) * 50_000)]
        return page(tags, {"page": str(start + 1)})

    with pytest.raises(RegistryError) as caught:
        walk(answer)

    assert caught.value.why == "the list of tags: it has more than 1000000 tags, or never ends"


def test_empty_pages_that_never_end_are_given_up() -> None:
    with pytest.raises(RegistryError) as caught:
        walk(lambda query: page([], {"page": str(int(query.get("page", "0")) + 1)}))

    assert "its pages go round in circles: page 101 (?page=100) holds nothing new" in caught.value.why
