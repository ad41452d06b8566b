"""A private certificate authority, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A CA, a server's certificate for loopback and a client's, all PEM."""

    ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]


def make(openssl: str, folder: Path, *, key: str = "ec") -> Authority:
    """Make them in a folder, with keys of the kind `ec` or `rsa`."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    subject = ["-subj", "/CN=a private authority"]
    kind = ["rsa:2048"] if key == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    fresh = ["-newkey", *kind, "-nodes"]
    _run(openssl, "req", "-x509", *fresh, "-days", "2", *subject, "-keyout", ca_key, "-out", ca)

    def sign(name: str, extension: str) -> tuple[Path, Path]:
        request, own_key, certificate = folder / f"{name}.csr", folder / f"{name}.key", folder / f"{name}.pem"
        _run(openssl, "req", *fresh, "-subj", f"/CN={name}", "-keyout", own_key, "-out", request)
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"{extension}\n")
        signing = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
        _run(openssl, "x509", "-req", "-in", request, *signing, "-out", certificate)
        return certificate, own_key

    server = sign("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    return Authority(ca, server, sign("client", "extendedKeyUsage=clientAuth"))


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=30)
