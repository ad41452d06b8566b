"""A registry's address as people write it."""

from __future__ import annotations

import pytest

from rollback.errors import BadInput
from rollback.registry.address import Address, origin
from rollback.registry.client import RegistryOptions, connect
from rollback.secret import Secret


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("registry.example.com", "https://registry.example.com"),
        ("localhost:5000", "https://localhost:5000"),
        (" https://Registry.Example.com:443/ ", "https://registry.example.com"),
        ("http://registry.example.com:80", "http://registry.example.com"),
        ("https://registry.example.com/v2/", "https://registry.example.com"),
        ("https://example.com/artifactory/api/docker/local", "https://example.com/artifactory/api/docker/local"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("docker.io", "https://registry-1.docker.io"),
        ("https://amy:pa%3Ass@registry.example.com", "https://registry.example.com"),
    ],
)
def test_an_address_is_normalised(text: str, url: str) -> None:
    assert connect(RegistryOptions(text)).url == url


def test_credentials_in_the_url_are_taken_out_of_it() -> None:
    address = Address.parse("https://amy:pa%3Ass@registry.example.com")

    assert (address.user, address.password) == ("amy", Secret("pa:ss"))
    assert "pa:ss" not in repr(address)
    assert "pa%3Ass" not in repr(RegistryOptions("https://amy:pa%3Ass@registry.example.com"))


@pytest.mark.parametrize(
    "text",
    ["", "https://", "ftp://x", "https://user:very-secret@", "http://h:port", "https://h/?a=b", "https://h#x",
     "https://a b", "file:///etc/passwd", "https://u:very-secret@h:99999"],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        connect(RegistryOptions(text))

    assert "very-secret" not in f"{caught.value.what} {caught.value.why} {caught.value.hint}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a/x", "https://a:443/y?z", True),
        ("https://a", "https://A", True),
        ("https://a", "http://a", False),
        ("https://a", "https://b", False),
        ("https://a:1", "https://a:2", False),
    ],
)
def test_credentials_stay_with_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) == same


@pytest.mark.parametrize("repo", ["", "Shop/Cart", "../x", "a//b", "a/b:tag", "a b", "a" * 300])
def test_what_is_no_repository_is_refused_before_anything_is_asked(repo: str) -> None:
    registry = connect(RegistryOptions("http://127.0.0.1:9"))

    with pytest.raises(BadInput, match="is not a repository's path"):
        registry.survey([repo], bool)
    with pytest.raises(BadInput, match="is not a repository's path"):
        registry.digest(repo, "1")
    with pytest.raises(BadInput, match="is not a tag"):
        registry.digest("a/b", "../x")
    with pytest.raises(BadInput, match="is not a digest"):
        registry.complete("a/b", "sha256:12")
    assert registry.counts.requests == 0
