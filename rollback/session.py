"""The one door to HTTP: timeouts, retries, TLS and the user agent are decided here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from rollback import __version__

CONNECT_S = 5.0  # seconds to connect
READ_S = 30.0  # seconds between two bytes of an answer


class _Adapter(HTTPAdapter):
    """Gives every request a timeout, since requests has none of its own."""

    def __init__(self, timeout: tuple[float, float], **options: Any) -> None:
        self._timeout = timeout
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        return super().send(request, **options)


def connect(
    *,
    verify: bool | Path = True,
    client_cert: tuple[Path, Path] | None = None,
    connections: int = 16,
    read_s: float = READ_S,
    retries: int = 4,
) -> requests.Session:
    """Make a session over one pool of connections.

    Reads (GET, HEAD) are tried again after a reset, a timeout, 429 and 5xx, and `Retry-After` is kept to for at
    most a minute; writes never are, because a write without an answer may have been taken. `~/.netrc` is not
    read: requests would put its entry in place of an Authorization header that was set on purpose.

    Args:
        verify: True for the system's certificate authorities, a bundle's path, False for no verification.
        client_cert: certificate and key file.
        connections: size of the pool.
        read_s: seconds without a byte after which an answer counts as lost.
        retries: how many times a read is repeated.
    """
    session = requests.Session()
    settings = session.merge_environment_settings("", {}, None, None, None)  # CA bundle by the usual variables
    session.trust_env = False
    session.verify = str(verify) if isinstance(verify, Path) else (settings["verify"] if verify else False)
    if client_cert:
        session.cert = (str(client_cert[0]), str(client_cert[1]))
    session.proxies = requests.utils.get_environ_proxies("http://rollback.invalid")
    session.headers["User-Agent"] = f"rollback/{__version__}"
    retry = Retry(
        total=retries,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        allowed_methods=("GET", "HEAD"),
        respect_retry_after_header=True,
        retry_after_max=60,
        raise_on_status=False,
    )
    adapter = _Adapter((CONNECT_S, read_s), pool_connections=4, pool_maxsize=connections, max_retries=retry)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
