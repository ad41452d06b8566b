"""Marathon over HTTPS with a certificate that no authority knows: refused, trusted by a bundle, or not looked at."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from urllib3.util.retry import Retry

from rollback.errors import BadInput, NoAnswer, TargetError
from rollback.targets import connect
from rollback.targets.base import TargetOptions


class Info(BaseHTTPRequestHandler):
    """Answers everything like `/v2/info`."""

    def do_GET(self) -> None:
        body = b'{"version": "1.10.0"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def certificate(part: Callable[[str], str], tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, beside its key."""
    made = [part("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "ca.pem")]
    subprocess.run([*made, *files], check=True, capture_output=True)
    return tmp_path / "ca.pem"


@pytest.fixture
def url(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Retry, "get_backoff_time", lambda _retry: 0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Info)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that does not trust it goes away
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/service/marathon"
    server.shutdown()
    server.server_close()
    thread.join()


def login(url: str, folder: Path, **settings: Any) -> None:
    target = connect(TargetOptions("marathon", {"kind": "marathon", "url": url, **settings}, folder=folder))
    try:
        target.login()
    finally:
        target.close()


def test_an_unknown_certificate_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError) as caught:
        login(url, tmp_path)

    assert "certificate" in caught.value.why
    assert not isinstance(caught.value, NoAnswer)


def test_a_bundle_beside_the_settings_is_trusted(url: str, tmp_path: Path) -> None:
    login(url, tmp_path, ca_bundle="ca.pem")


def test_certificates_are_not_looked_at_when_that_is_asked_for(url: str, tmp_path: Path) -> None:
    login(url, tmp_path, insecure=True)


def test_a_bundle_that_is_missing_is_a_clear_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.pem"):
        login(url, tmp_path, ca_bundle="nowhere.pem")
