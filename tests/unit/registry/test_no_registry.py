"""What answers and is no registry is said to be none; a repository that is not there stays what it is."""

from __future__ import annotations

import json

import pytest

from rollback.errors import NotInRegistry, RegistryError
from rollback.registry.client import RegistryOptions, connect
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.http_server import listening

PAGE = Response(404, b"<html><head><title>Error response</title></head></html>", {"Content-Type": "text/html"})
UNKNOWN = Response(
    404,
    json.dumps({"errors": [{"code": "NAME_UNKNOWN", "message": "not known"}]}).encode(),
    {"Content-Type": "application/json"},
)


def survey(tags: Response, base: Response) -> tuple[RegistryError, list[str]]:
    """What a registry is said to be that answers so, and the paths that were requested."""
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.path.partition("?")[0])
        return base if seen[-1] == "/v2/" else tags

    with listening(answer) as url:
        registry = connect(RegistryOptions(url=url))
        try:
            with pytest.raises(RegistryError) as caught:
                registry.survey(["shop/billing"], lambda _tag: True)
        finally:
            registry.close()
    return caught.value, seen


def test_a_web_server_is_no_registry_without_that_repository() -> None:
    error, _ = survey(PAGE, PAGE)

    assert not isinstance(error, NotInRegistry)
    assert error.what.startswith("http://127.0.0.1:")
    assert error.what.endswith(" is not a Docker registry")
    assert "/v2/ answers 404" in error.why
    assert "--registry" in error.hint


@pytest.mark.parametrize("status", [200, 401])
def test_a_registry_behind_a_proxy_with_pages_of_its_own_stays_a_registry(status: int) -> None:
    error, _ = survey(PAGE, Response(status, b"{}"))

    assert isinstance(error, NotInRegistry)


def test_a_registrys_own_words_are_enough() -> None:
    error, seen = survey(UNKNOWN, PAGE)

    assert isinstance(error, NotInRegistry)
    assert "/v2/" not in seen
