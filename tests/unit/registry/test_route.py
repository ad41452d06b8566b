"""What doctor says of the way to a registry: the proxy and the certificates that are kept for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import certifi
import pytest

from rollback.registry import host_certificates
from rollback.registry.client import RegistryOptions, connect

URL = "https://registry.example.com"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(host_certificates, "FOLDERS", (tmp_path / "certs.d",))


def route(url: str = URL, **options: object) -> str:
    with connect(RegistryOptions(url, **options)) as client:  # type: ignore[arg-type]
        return client.route


def test_a_direct_way_is_not_worth_a_word() -> None:
    assert route() == ""


def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://amy:s3cret@proxy.example.com:3128")

    assert route() == "through the proxy http://proxy.example.com:3128"


def test_a_proxy_that_no_proxy_excludes_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", ".example.com")

    assert route() == ""


def test_kept_certificates_are_named_where_they_count(tmp_path: Path) -> None:
    folder = tmp_path / "certs.d" / "registry.example.com"
    folder.mkdir(parents=True)
    assert route() == ""  # nothing is kept there
    shutil.copy(certifi.where(), folder / "ca.crt")

    assert route() == f"with the certificates in {folder}"
    assert route(insecure=True) == ""
    assert route(ca_bundle=Path(certifi.where())) == ""


def test_certificates_are_looked_for_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: (_ for _ in ()).throw(KeyError("no such user")))

    assert route() == ""
