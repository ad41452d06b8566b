"""The door to HTTP for everything but the registry: timeouts, retries, TLS and the user agent are decided here.

The registry client sends thousands of small requests and has a leaner transport of its own
(`registry/transport.py`); what both agree on is in `network.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from rollback.system.bounded_call import bounded
from rollback.system.network import CONNECT_S, READ_S, USER_AGENT, authorities, proxy_for

_TOTAL_S = 60.0  # for one request with all its repetitions, until the last byte of its answer
_LARGEST = 64 * 2**20  # bytes of an answer; Marathon's list of a thousand apps with their tasks takes about a tenth
_PIECE = 2**16


class _Adapter(HTTPAdapter):
    """Gives every request a time limit for its whole answer, and a size limit, since requests has neither."""

    def __init__(self, timeout: tuple[float, float], total_s: float, **options: Any) -> None:
        self._timeout, self._total_s = timeout, total_s
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        try:
            return bounded(lambda: self._read_whole(request, {**options, "stream": True}), within_s=self._total_s)
        except TimeoutError as error:
            raise requests.ReadTimeout(str(error)) from error

    def _read_whole(self, request: requests.PreparedRequest, options: dict[str, Any]) -> requests.Response:
        response = super().send(request, **options)
        body = bytearray()
        for piece in response.iter_content(_PIECE):
            body += piece
            if len(body) > _LARGEST:
                response.close()
                raise requests.ConnectionError(f"an answer of more than {_LARGEST // 2**20} MiB")
        response._content = bytes(body)  # where `Response.content` keeps it
        return response


class _Session(requests.Session):
    """Looks up the proxy of each URL by itself: with `trust_env` off requests does not, and on it reads netrc."""

    def merge_environment_settings(self, url: Any, proxies: Any, *rest: Any) -> Any:
        """Add the proxy that the usual variables name for this URL, unless the call names one."""
        return super().merge_environment_settings(url, proxies or _proxies(url), *rest)

    def rebuild_proxies(self, prepared_request: requests.PreparedRequest, proxies: Any) -> Any:  # noqa: ARG002
        """A redirect can lead to a host with another proxy, or with none."""
        return super().rebuild_proxies(prepared_request, _proxies(prepared_request.url or ""))  # type: ignore[no-untyped-call]


def connect(
    *,
    verify: bool | Path = True,
    client_cert: tuple[Path, Path] | None = None,
    connections: int = 16,
    read_s: float = READ_S,
    retries: int = 4,
    total_s: float = _TOTAL_S,
) -> requests.Session:
    """Make a session over one pool of connections.

    Reads (GET, HEAD) are tried again after a reset, a timeout, 429 and 5xx, and `Retry-After` is kept to for at
    most a minute; writes never are, because a write without an answer may have been accepted. `~/.netrc` is not
    read: requests would put its entry in place of an Authorization header that was set on purpose. Proxies and
    the CA bundle come from the usual variables.

    Args:
        verify: True for the usual certificate authorities, a bundle's path, False for no verification.
        client_cert: certificate and key file.
        connections: size of the pool.
        read_s: seconds without a byte after which an answer counts as lost.
        retries: how many times a read is repeated.
        total_s: seconds that a request may take in all, from the first connection to the last byte of its answer.
    """
    session = _Session()
    session.trust_env = False
    bundle = verify if isinstance(verify, Path) else authorities() if verify else None
    session.verify = str(bundle) if bundle else verify is not False
    if client_cert:
        session.cert = (str(client_cert[0]), str(client_cert[1]))
    session.headers["User-Agent"] = USER_AGENT
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
    adapter = _Adapter((CONNECT_S, read_s), total_s, pool_connections=4, pool_maxsize=connections, max_retries=retry)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _proxies(url: str) -> dict[str, str]:
    proxy = proxy_for(url)
    return {"http": proxy, "https": proxy} if proxy else {}
