"""Where Docker and Podman keep credentials: their files, and the helper programs that these name.

Docker: https://docs.docker.com/reference/cli/docker/login/ · Podman: containers-auth.json(5)
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rollback.core import json_text
from rollback.registry.address import Address
from rollback.registry.auth import credential_helper
from rollback.registry.auth.credentials import ANONYMOUS, Login
from rollback.secret import Secret
from rollback.system import files, user_folders

_HUB_NAMES = ["index.docker.io", "docker.io", "registry-1.docker.io"]
_USUAL_PORT = {"http": ":80", "https": ":443"}
_log = logging.getLogger(__name__)


class Keychain:
    """The credentials that this user has kept; every file is read and every helper run once."""

    def __init__(self) -> None:
        self._documents: list[tuple[Path, dict[str, Any]]] | None = None
        self._helped: dict[tuple[str, str], Login] = {}

    def find(self, address: Address, repo: str = "") -> Login:
        """Find the credentials for a repository; for the registry as a whole without one.

        Podman's files come first. In each, the helper programs for the registry come before the program that keeps
        all credentials, and this before the entries of the file; the longest fitting name wins.
        """
        if self._documents is None:
            self._documents = list(_documents())
        for path, document in self._documents:
            login = self._in(path, document, address, repo)
            if login:
                return login
        return ANONYMOUS

    def _in(self, path: Path, document: dict[str, Any], address: Address, repo: str) -> Login:
        hosts = _HUB_NAMES if address.is_hub else [address.host]
        names = [f"{host}/{space}" if space else host for space in _spaces(repo) for host in hosts]
        helpers, entries = _object(document.get("credHelpers")), _object(document.get("auths"))
        for name in names:
            for key in _keys_of(name, helpers, address):
                if isinstance(helpers[key], str):
                    login = self._from_helper(helpers[key], key if address.is_hub else name, path)
                    if login:
                        return login
        store = document.get("credsStore")
        if isinstance(store, str) and store:
            login = self._from_helper(store, "https://index.docker.io/v1/" if address.is_hub else address.host, path)
            if login:
                return login
        for name in names:
            for key in _keys_of(name, entries, address):
                login = _entry(entries[key], path)
                if login:
                    return login
        return ANONYMOUS

    def _from_helper(self, name: str, server: str, path: Path) -> Login:
        if (name, server) not in self._helped:
            self._helped[name, server] = credential_helper.get(
                name, server, f"docker-credential-{name}, named in {path}"
            )
        return self._helped[name, server]


def _documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The files that exist and can be read, in the order in which they count."""
    environment = os.environ
    home = user_folders.home()
    paths: list[Path] = []
    if environment.get("REGISTRY_AUTH_FILE"):
        paths.append(Path(environment["REGISTRY_AUTH_FILE"]))
    else:
        runtime = environment.get("XDG_RUNTIME_DIR")
        paths.append(
            Path(runtime, "containers/auth.json") if runtime else Path(f"/run/containers/{os.getuid()}/auth.json")
        )
        configuration = environment.get("XDG_CONFIG_HOME") or (home and home / ".config")
        if configuration:
            paths.append(Path(configuration, "containers/auth.json"))
    docker = environment.get("DOCKER_CONFIG") or (home and home / ".docker")
    if docker:
        paths.append(Path(docker, "config.json"))
    for path in paths:
        try:
            document = json_text.loads(files.read_bytes(path, most=files.SMALL))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            why = files.why(error) if isinstance(error, OSError) else "it is not JSON"
            _log.warning("the credentials in %s are not used: %s", path, why)
            continue
        if isinstance(document, dict):
            yield path, document


def _spaces(repo: str) -> list[str]:
    """`a/b/c`, `a/b`, `a`, and nothing."""
    parts = repo.split("/") if repo else []
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _keys_of(name: str, members: Mapping[str, Any], address: Address) -> list[str]:
    """The keys that mean a name, best first: as the address was written, this, then other forms of it, http last.

    The order of the keys in the file does not matter.
    """
    written = address.written + name.removeprefix(address.host)
    return sorted(
        (key for key in members if _normalised(key, address) == name),
        key=lambda key: (key != written, key != name, key.lower().startswith("http://"), key),
    )


def _normalised(key: str, address: Address) -> str:
    """The host, perhaps with a namespace, that a key means, among the forms that tools have written.

    As for Docker and Podman, a URL means its host, since its path is the API's (`https://host/v1/`).
    """
    scheme, is_url, rest = key.rpartition("://")
    host, _, space = rest.lower().partition("/")
    space = space.rstrip("/")
    asked_by = "http" if address.url.startswith("http:") else "https"
    if scheme.lower() in ("", asked_by):
        host = host.removesuffix(_USUAL_PORT[asked_by])
    return host if is_url or space in ("", "v1", "v2") else f"{host}/{space}"


def _entry(entry: object, path: Path) -> Login:
    """Read one member of `auths`."""
    members = _object(entry)
    user, password = _text(members.get("username")), _text(members.get("password"))
    if _text(members.get("auth")):
        try:
            pair = base64.b64decode(members["auth"], validate=False).decode().rstrip("\0")
        except (binascii.Error, ValueError):
            _log.warning("an entry in %s is not used: its auth is not base64", path)
            return ANONYMOUS
        user, colon, password = pair.partition(":")
        if not colon:
            _log.warning("an entry in %s is not used: its auth holds no user and password", path)
            return ANONYMOUS
    identity, token = (_text(members.get(name)) for name in ("identitytoken", "registrytoken"))
    if not (token.isascii() and token.isprintable()) or " " in token:
        _log.warning("an entry in %s is not used: its registrytoken cannot be sent", path)
        return ANONYMOUS
    return Login(user, Secret(password), Secret(identity), str(path), Secret(token))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
