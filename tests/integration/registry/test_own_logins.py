"""The registries' own logins: a file of passwords, and tokens that it checks the signature of."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import RegistryError
from rollback.registry.client import RegistryOptions, connect
from rollback.secret import Secret
from tests.support import certificates
from tests.support import registry as real
from tests.support.hostile_images import EAGER, REPOS, Fleet, agrees, look, master
from tests.support.registry_proxy import Asked, Go, Reply, front

PASSWORD = "correct horse: battery"
# bcrypt of it, the only form that they accept
HASH = "$2b$05$abcdefghijklmnopqrstuuo.EtZwHYN4TBb5Jt4JZsHk5MDJevH0W"


def test_a_file_of_passwords_opens_the_registry(program: str, fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(fleet.folder / "data")
    (tmp_path / "htpasswd").write_text(f"amy:{HASH}\n")
    file = {"htpasswd": {"realm": "ours", "path": str(tmp_path / "htpasswd")}}

    with real.serve(program, tmp_path, auth=file) as url:
        agrees(look(url, user="amy", password=Secret(PASSWORD)), fleet)
        with pytest.raises(RegistryError, match="cannot be read") as caught:
            look(url, user="amy", password=Secret("another"))

    assert "no access as amy (the settings): 401 UNAUTHORIZED" in caught.value.why


class Signer:
    """A token server whose tokens the registry checks: https://distribution.github.io/distribution/spec/auth/jwt/."""

    def __init__(self, openssl: str, authority: certificates.Authority) -> None:
        self._openssl = openssl
        self._certificate, self._key = authority.server
        self.asked: list[list[str]] = []

    def __call__(self, asked: Asked, _go: Go) -> Reply:
        scopes = asked.query.get("scope", [])
        self.asked.append(scopes)
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "ours", "sub": "amy", "aud": asked.query["service"][0], "exp": now + 60, "nbf": now - 5,
                  "iat": now, "jti": "1", "access": access}  # fmt: skip
        return Reply(200, {}, json.dumps({"token": self._sign(claims)}).encode())

    def _sign(self, claims: dict[str, Any]) -> str:
        lines = self._certificate.read_text().splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(line for line in lines if "-----" not in line)]}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
        command = [self._openssl, "dgst", "-sha256", "-sign", str(self._key)]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{_encode(signature)}"


def _encode(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_one_signed_token_opens_all_repositories(
    part: Callable[[str], str], program: str, fleet: Fleet, tmp_path: Path
) -> None:
    authority = certificates.make(part("openssl"), tmp_path, key="rsa")
    (tmp_path / "data").symlink_to(fleet.folder / "data")
    signer = Signer(part("openssl"), authority)
    with front("", signer) as server:
        token = {"realm": f"{server.url}/token", "service": "ours", "issuer": "ours",
                 "rootcertbundle": str(authority.ca)}  # fmt: skip
        with real.serve(program, tmp_path, auth={"token": token}) as url:
            client = connect(RegistryOptions(url), budget=EAGER)
            agrees(client.survey(REPOS, master), fleet)

    assert signer.asked == [[f"repository:{repo}:pull" for repo in REPOS]]
    assert client.counts.repeats == 1  # the first question, which was the only one without a token
