"""Where a registry is: its address as people write it, and as it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from rollback.errors import BadInput
from rollback.secret import Secret
from rollback.system.network import http_url

# Docker Hub has three names: people's, the one that credentials are kept under, and the one that answers.
_HUB = {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_PORTS = {"https": 443, "http": 80}
_EXAMPLE = "for instance https://registry.example.com"


@dataclass(frozen=True)
class Address:
    """A registry's address.

    Attributes:
        url: normalised, without credentials and without a slash at the end.
        host: host, with the port where it is not the usual one.
        written: the host in lower case, with the port that the text had, usual or not.
        user: as the URL had it, usually empty.
        password: as the URL had it, usually empty.
    """

    url: str
    host: str
    written: str = ""
    user: str = ""
    password: Secret = field(default_factory=Secret)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address: a URL, or a bare host (with a port or a path), which then means https.

        Raises:
            BadInput: not an address that can be used. The text never repeats a password.
        """
        text = text.strip()
        full = text if "://" in text else f"https://{text}"
        try:
            parts = http_url(full)
        except ValueError as error:
            raise BadInput("the registry's URL cannot be used", why=str(error), hint=_EXAMPLE) from error
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
        shown = f"{scheme}://{host}"
        if parts.query or parts.fragment:
            raise BadInput(f"{shown} cannot be queried", why="a registry's URL has no ? and no #", hint=_EXAMPLE)
        if host in _HUB:
            host = "registry-1.docker.io"
        path = parts.path.rstrip("/")
        path = path.removesuffix("/v2").removesuffix("/v1").rstrip("/")
        name = f"[{host}]" if ":" in host else host
        netloc = name if port in (None, _PORTS[scheme]) else f"{name}:{port}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        written = name if port is None else f"{name}:{port}"
        return cls(f"{scheme}://{netloc}{path}", netloc, written, user, Secret(password))

    @property
    def is_hub(self) -> bool:
        """Tell whether this is Docker Hub."""
        return self.host in _HUB

    def name(self, repo: str) -> str:
        """The repository's name in requests; Docker Hub keeps `redis` under `library/redis`."""
        return f"library/{repo}" if self.is_hub and "/" not in repo else repo


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL: what must stay the same for credentials to go along."""
    start = url.find("://")
    end = url.find("/", start + 3) if start >= 0 else -1
    return _origin(url if end < 0 else url[:end])


@lru_cache(maxsize=64)  # a scan needs it twice per request, and there are only a few servers
def _origin(server: str) -> tuple[str, str, int]:
    parts = urlsplit(server)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme, 0)
