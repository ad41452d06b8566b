"""Proxies by the usual variables, and whom to trust."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.system.network import authorities, http_url, is_loopback, proxy_for, trust

HTTPS, HTTP = "https://registry.example.com:5000/v2/", "http://registry.example.com"


def test_without_variables_there_is_no_proxy() -> None:
    assert proxy_for(HTTPS) == ""


def test_each_scheme_has_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one:3128")
    monkeypatch.setenv("http_proxy", "two:3128")

    assert (proxy_for(HTTPS), proxy_for(HTTP)) == ("http://one:3128", "http://two:3128")


def test_one_proxy_can_be_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://all:3128")

    assert proxy_for(HTTPS) == "http://all:3128"


@pytest.mark.parametrize(
    ("exempt", "url", "proxied"),
    [
        ("registry.example.com", HTTPS, False),
        ("example.com", HTTPS, False),
        (".example.com", HTTPS, False),
        ("*.example.com", HTTPS, False),
        ("Registry.EXAMPLE.com", HTTPS, False),
        (".example.com:5000", HTTPS, False),
        ("*.example.com:5000", HTTPS, False),
        ("example.com:5000", HTTPS, False),
        ("registry.example.com:443", "https://registry.example.com/", False),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", False),
        ("[fd00::1]", "https://[fd00::1]:5000/", False),
        ("fd00::1", "https://[fd00::1]:5000/", False),
        ("fd00:0::1", "https://[fd00::1]:5000/", False),
        ("10.1.2.3:5000", "https://10.1.2.3:5000/", False),
        (" , * ", HTTPS, False),
        (".registry.example.com", HTTPS, True),
        ("*.registry.example.com", HTTPS, True),
        ("*example.com", HTTPS, True),
        ("registry.example.com:443", HTTPS, True),
        ("registry.example.com:5000", "https://registry.example.com/", True),
        ("*.example.com:443", HTTPS, True),
        ("10.1.2.3:80", "https://10.1.2.3:5000/", True),
        ("10.1.2", "https://10.1.2.3/", True),
        ("10.0.0.0/8", HTTPS, True),
        ("10.0.0.0/88", "https://10.1.2.3/", True),
        ("registry.*", HTTPS, True),
        ("https://registry.example.com", HTTPS, True),
        (".", HTTPS, True),
        ("*.", HTTPS, True),
        (":5000", HTTPS, True),
        ("registry.example.com:5000", HTTPS, False),
        ("other.com, registry.example.com", HTTPS, False),
        ("*", HTTPS, False),
        ("10.0.0.0/8", "https://10.1.2.3/", False),
        ("10.1.2.3", "https://10.1.2.3:5000/", False),
        ("fd00::/8", "https://[fd00::1]/", False),
        ("10.0.0.0/8", "https://11.1.2.3/", True),
        ("ample.com", HTTPS, True),
        ("", HTTPS, True),
    ],
)
def test_exempt_hosts_are_asked_directly(
    monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, proxied: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://one:3128")
    monkeypatch.setenv("NO_PROXY", exempt)

    assert bool(proxy_for(url)) == proxied


def test_the_bundle_of_the_usual_variable_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "/second.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))

    assert authorities() == tmp_path


def test_nothing_is_verified_only_when_that_was_asked_for() -> None:
    assert trust(verify=True).check_hostname
    assert trust(verify=True).get_ca_certs()
    assert not trust(verify=False).check_hostname


@pytest.mark.parametrize(
    "text",
    ["http://a", "https://a.example:5000/x?y", "HTTP://[::1]:80", "https://user:p%20w@a_b", "https://bücher.example"],
)
def test_an_address_is_taken_apart(text: str) -> None:
    assert http_url(text).geturl().lower() == text.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://a,http://b", "a character that no host name has"),
        ("http://a:secret", "its port"),
        ("http://a:65536", "its port"),
        ("http://a:0", "its port"),
        ("http://u:secret/x@a", "its port"),
        ("http://[::1", "no URL"),
        ("http:///secret", "no host"),
        ("http://a/secret\n", "a control character"),
        ("http://a secret", "a blank"),
        ("secret", "https:// or http://"),
        ("gopher://a/secret", "https:// or http://"),
    ],
)
def test_what_is_no_address_is_refused_without_its_secrets(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        http_url(text)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example.com", "10.0.0.1", "0.0.0.0", "::", "127.0.0.1.example.com"])  # noqa: S104
def test_other_hosts_are_no_loopback(host: str) -> None:
    assert not is_loopback(host)
