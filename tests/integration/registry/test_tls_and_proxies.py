"""The same registry through TLS with a private authority, and through proxies."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rollback.errors import BadInput, RegistryError
from rollback.registry import host_certificates
from rollback.registry.client import RegistryOptions, connect
from rollback.system import http_session
from tests.support import certificates
from tests.support import registry as real
from tests.support import registry_proxy as fronts
from tests.support.certificates import Authority
from tests.support.hostile_images import EAGER, Fleet, agrees, lines, look, master
from tests.support.registry_proxy import Asked, Go, Reply, front
from tests.support.socks_proxy import socks_proxy


@pytest.fixture(scope="module")
def authority(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return certificates.make(part("openssl"), tmp_path_factory.mktemp("authority"))


@contextmanager
def over_tls(program: str, fleet: Fleet, folder: Path, tls: dict[str, object]) -> Iterator[str]:
    """The same registry program again, over the same files."""
    (folder / "data").symlink_to(fleet.folder / "data")
    with real.serve(program, folder, http={"tls": tls}) as url:
        yield url


def files(authority: Authority) -> dict[str, object]:
    return {"certificate": str(authority.server[0]), "key": str(authority.server[1])}


def test_a_private_authority_is_trusted_when_it_is_named(
    program: str,
    fleet: Fleet,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with over_tls(program, fleet, tmp_path, files(authority)) as url:
        agrees(look(url, ca_bundle=authority.ca), fleet)

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
        agrees(look(url), fleet)


def test_an_authority_that_nobody_named_is_refused_unless_insecure_is_asked_for(
    program: str, fleet: Fleet, authority: Authority, tmp_path: Path
) -> None:
    with over_tls(program, fleet, tmp_path, files(authority)) as url:
        with pytest.raises(RegistryError) as caught:
            look(url, ["shop/many"])
        survey = look(url, ["shop/many"], insecure=True)

    assert "TLS with 127.0.0.1 failed" in caught.value.why
    assert "certificate verify failed" in caught.value.why
    assert "ca_bundle" in caught.value.hint
    assert lines(survey) == fleet.of("shop/many")


def test_a_client_certificate_is_shown(program: str, fleet: Fleet, authority: Authority, tmp_path: Path) -> None:
    demanding = {**files(authority), "clientcas": [str(authority.ca)]}
    with over_tls(program, fleet, tmp_path, demanding) as url:
        certificate, key = authority.client
        agrees(look(url, ca_bundle=authority.ca, client_cert=certificate, client_key=key), fleet)
        with pytest.raises(RegistryError, match="shop/many cannot be read"):
            look(url, ["shop/many"], ca_bundle=authority.ca)


def keep(folder: Path, authority: Authority, *, client: bool) -> None:
    """Lay certificates down as Docker and Podman want them."""
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.ca.read_bytes())
    if client:
        for file, name in zip(authority.client, ("client.cert", "client.key"), strict=True):
            (folder / name).write_bytes(file.read_bytes())


@pytest.mark.parametrize("place", ["user", "podman", "docker"])
def test_certificates_that_docker_and_podman_keep_are_used(
    program: str,
    fleet: Fleet,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    roots = {
        "user": tmp_path / "home/containers/certs.d",
        "podman": tmp_path / "podman",
        "docker": tmp_path / "docker",
    }
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(host_certificates, "FOLDERS", (roots["podman"], roots["docker"]))
    demanding = {**files(authority), "clientcas": [str(authority.ca)]}
    with over_tls(program, fleet, tmp_path, demanding) as url:
        keep(roots[place] / urlsplit(url).netloc, authority, client=True)

        assert lines(look(url, ["shop/many"])) == fleet.of("shop/many")


def test_certificates_of_another_port_are_not_used(
    program: str, fleet: Fleet, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_certificates, "FOLDERS", (tmp_path,))
    keep(tmp_path / "127.0.0.1:1", authority, client=False)
    with over_tls(program, fleet, tmp_path, files(authority)) as url, pytest.raises(RegistryError) as caught:
        look(url, ["shop/many"])

    assert "certificate verify failed" in caught.value.why


@pytest.mark.parametrize(
    ("names", "lacking"),
    [(["client.cert"], "client.key"), (["client.key"], "client.cert"), (["a.cert", "a.key", "b.cert"], "b.key")],
)
def test_half_of_a_client_certificate_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], lacking: str
) -> None:
    monkeypatch.setattr(host_certificates, "FOLDERS", (tmp_path,))
    folder = tmp_path / "registry.example.com:5000"
    folder.mkdir()
    for name in names:
        (folder / name).touch()

    with pytest.raises(BadInput, match="cannot be used") as caught:
        connect(RegistryOptions("https://registry.example.com:5000"))

    assert caught.value.why == f"there is no {lacking} beside it"


def test_https_is_never_given_up_for_http(fleet: Fleet) -> None:
    with pytest.raises(RegistryError, match=r"cannot be read from https://127\.0\.0\.1"):
        look(fleet.url.removeprefix("http://"), ["shop/many"])


@pytest.mark.parametrize("what", ["redirect", "realm"])
def test_nothing_leads_from_https_to_http(fleet: Fleet, authority: Authority, what: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server)

    def lead(asked: Asked, go: Go) -> Reply:
        if what == "redirect" and "/blobs/" in asked.path:
            return Reply(307, {"Location": f"{plain.url}{asked.path}"})
        if what == "realm":
            challenge = f'Bearer realm="{plain.url}/token",service="x"'
            return fronts.refusal(401, "UNAUTHORIZED", "").with_headers(WWW_Authenticate=challenge)
        return go()

    with (
        front(fleet.url) as plain,
        front(fleet.url, lead, tls=context) as registry,
        pytest.raises(RegistryError) as caught,
    ):
        look(registry.url, ["shop/many"], ca_bundle=authority.ca)

    assert "http://127.0.0.1" in caught.value.why
    assert not plain.seen


@pytest.mark.parametrize("option", ["ca_bundle", "client_cert"])
def test_a_certificate_that_is_none_is_said_with_its_file(fleet: Fleet, tmp_path: Path, option: str) -> None:
    file = tmp_path / "odd.pem"
    file.write_text("no certificate")

    with pytest.raises(BadInput, match=r"odd\.pem cannot be used"):
        look("https://127.0.0.1:9", ["shop/many"], **{option: file})


class Tunnels:
    """A proxy that opens tunnels (CONNECT), and counts them."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for one in [self._listener, *self._open]:
            one.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            self.asked.append(head)
            host, _, port = head.split()[1].decode().rpartition(":")
            far = socket.create_connection((host, int(port)))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_pour, args=(one, other), daemon=True).start()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_https_goes_through_a_tunnel_of_the_proxy(
    program: str,
    fleet: Fleet,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = Tunnels()
    monkeypatch.setenv("HTTPS_PROXY", f"http://eve:proxy-secret@{proxy.address}")
    try:
        with over_tls(program, fleet, tmp_path, files(authority)) as url:
            survey = look(url, ["shop/many"], ca_bundle=authority.ca)
    finally:
        proxy.close()

    assert lines(survey) == fleet.of("shop/many")
    assert proxy.asked[0].startswith(f"CONNECT {urlsplit(url).netloc} ".encode())
    assert b"proxy-authorization: Basic ZXZlOnByb3h5LXNlY3JldA==" in proxy.asked[0]
    assert len(proxy.asked) <= 16


def test_http_is_forwarded_by_the_proxy(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    with front(fleet.url) as registry, front(registry.url, _as_proxy) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        survey = look(registry.url, ["shop/many"])

        assert lines(survey) == fleet.of("shop/many")
        assert all(asked.target.startswith(registry.url) for asked in proxy.seen)
        assert len(proxy.seen) == len(registry.seen) == 51


@pytest.mark.parametrize("exempt", ["127.0.0.1", "example.com,127.0.0.0/8", "*"])
def test_a_host_in_no_proxy_is_asked_directly(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", exempt)

    assert lines(look(fleet.url, ["shop/many"])) == fleet.of("shop/many")


def test_a_proxy_that_is_down_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://eve:proxy-secret@127.0.0.1:9")

    with pytest.raises(RegistryError) as caught:
        connect(RegistryOptions("registry.example.com"), budget=EAGER).survey(["shop/many"], master)

    assert "no connection through the proxy 127.0.0.1: Connection refused" in caught.value.why
    assert caught.value.hint.startswith("correct HTTPS_PROXY")
    assert "proxy-secret" not in f"{caught.value.why} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.fixture
def _pysocks() -> None:
    if importlib.util.find_spec("socks") is None:
        pytest.skip("PySocks is missing: pip install 'fleet-rollback[socks]'")


@pytest.mark.usefixtures("_pysocks")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_leads_to_the_registry(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    port = urlsplit(fleet.url).port or 0
    host = "registry.example.com" if scheme == "socks5h" else "127.0.0.1"
    with socks_proxy({"registry.example.com": port}, login=("eve", "proxy:secret")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://eve:proxy%3Asecret@{proxy.address}")

        survey = look(f"http://{host}:{port}", ["shop/many"])

    assert lines(survey) == fleet.of("shop/many")
    assert set(proxy.asked) == {f"{host}:{port}"}
    assert len(proxy.asked) <= 16


@pytest.mark.usefixtures("_pysocks")
def test_https_goes_through_a_socks_proxy_too(
    program: str, fleet: Fleet, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with over_tls(program, fleet, tmp_path, files(authority)) as url, socks_proxy({}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"socks5://{proxy.address}")

        survey = look(url, ["shop/many"], ca_bundle=authority.ca)

    assert lines(survey) == fleet.of("shop/many")
    assert set(proxy.asked) == {urlsplit(url).netloc}


@pytest.mark.usefixtures("_pysocks")
def test_other_requests_go_through_the_socks_proxy_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with front("", lambda _asked, _go: Reply(200, {}, b"fine")) as server:
        with socks_proxy({"marathon.example.com": urlsplit(server.url).port or 0}) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"socks5h://{proxy.address}")
            with http_session.connect() as session:
                assert session.get("http://marathon.example.com/").text == "fine"
        assert proxy.asked == ["marathon.example.com:80"]


@pytest.mark.usefixtures("_pysocks")
@pytest.mark.parametrize("trouble", ["down", "login"])
def test_a_socks_proxy_that_does_not_serve_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    caplog.set_level("DEBUG")
    with socks_proxy({}, login=("eve", "another")) as proxy:
        address = "127.0.0.1:9" if trouble == "down" else proxy.address
        monkeypatch.setenv("ALL_PROXY", f"socks5h://eve:proxy-secret@{address}")

        with pytest.raises(RegistryError) as caught:
            connect(RegistryOptions("registry.example.com"), budget=EAGER).survey(["shop/many"], master)

    assert "no connection to registry.example.com through the proxy 127.0.0.1: " in caught.value.why
    assert "proxy-secret" not in f"{caught.value.why} {caught.value.__cause__!r} {caplog.text}"


def test_a_socks_proxy_without_pysocks_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://eve:proxy-secret@127.0.0.1:9")

    with pytest.raises(BadInput, match="a socks5 proxy cannot be used without PySocks") as caught:
        connect(RegistryOptions("registry.example.com"), budget=EAGER).survey(["shop/many"], master)
    with http_session.connect() as session, pytest.raises(BadInput):
        session.get("https://registry.example.com/")

    assert "fleet-rollback[socks]" in caught.value.hint


@pytest.mark.parametrize(
    "proxy",
    [
        "http://eve:proxy-secret@:bad",
        "gopher://eve:proxy-secret@a",
        "http://eve:proxy-secret@a b",
        "eve:proxy-secret@",
    ],
)
def test_a_malformed_proxy_is_bad_input_without_its_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(BadInput, match="the proxy that HTTPS_PROXY") as caught:
        connect(RegistryOptions("registry.example.com"), budget=EAGER).survey(["shop/many"], master)

    assert "proxy-secret" not in f"{caught.value.what} {caught.value.why} {caught.value.hint}"


def _as_proxy(asked: Asked, go: Go) -> Reply:
    assert asked.target.startswith("http://"), "a proxy is asked by whole URL"
    return go()
