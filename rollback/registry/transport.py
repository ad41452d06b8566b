"""The registry's door to HTTP: one request, one answer, over one pool of connections.

Built on urllib3, the engine below requests, because most of what a survey costs is its thousands of small
requests. Retries, redirects and credentials are decided above; the proxy and whom to trust, in `network`.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    InsecureRequestWarning,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as TimedOut
from urllib3.util import make_headers, parse_url

from rollback.registry.address import origin
from rollback.registry.answer_deadline import ANSWER_S, AnswerDeadline, AnswerOverdue
from rollback.registry.request_counts import RequestCounter
from rollback.system.network import CONNECT_S, READ_S, USER_AGENT, is_socks, proxy_for, trust

_CHUNK = 1 << 16
_REACH = "check the URL, and that this machine can reach it"
_PROXY = "correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or list the host in NO_PROXY if it is reached directly"
_ONCE = urllib3.Retry(total=False, redirect=0)  # errors and redirects come back as they are
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistryResponse:
    """What a server said. `headers` can be looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)  # a redirected blob's carries a signature


class ConnectionLost(Exception):
    """No usable answer came.

    Args:
        cause: in words that name no more than a host.
        lasting: whether trying again cannot help.
        hint: one next step, if there is one.
    """

    def __init__(self, cause: str, *, lasting: bool = False, hint: str = "") -> None:
        super().__init__(cause)
        self.lasting = lasting
        self.hint = hint


class TooLarge(Exception):
    """An answer is larger than anything of its kind may be."""


class Transport(Protocol):
    """Sends one request and brings back whatever the server said."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], *, limit: int, body: bytes | None = None
    ) -> RegistryResponse:
        """Send a request.

        Args:
            method: GET, HEAD or POST.
            url: absolute.
            headers: as they go out.
            limit: bytes that the answer's body may have at most.
            body: what to post.

        Raises:
            Lost: no usable answer.
            TooLarge: a body beyond `limit`.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Pool:
    """The transport over urllib3: at most `connections` connections to one host at a time."""

    def __init__(
        self,
        counter: RequestCounter,
        *,
        connections: int = 16,
        verify: bool | Path = True,
        client_cert: tuple[Path, Path | None] | None = None,
        also_trusted: Sequence[Path] = (),
        read_s: float = READ_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        # Its debug lines quote whole URLs, and so the signatures of redirected blobs.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        if verify is False:  # the settings say so, and it is said once here
            warnings.simplefilter("ignore", InsecureRequestWarning)
            _log.warning("certificates are not verified, since the settings say insecure")
        self._counter = counter
        self._read_s = read_s
        self._answers = AnswerDeadline(answer_s)
        self._verify = verify
        self._client_cert = client_cert
        self._also_trusted = also_trusted
        self._timeout = urllib3.Timeout(connect=CONNECT_S, read=read_s)
        self._options: dict[str, Any] = {
            "maxsize": connections,
            "block": True,
            "timeout": self._timeout,
            "retries": False,
        }
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, int], urllib3.HTTPConnectionPool] = {}
        self._managers: list[urllib3.PoolManager] = []
        self._proxies: dict[tuple[str, str, int], str] = {}
        self._forwarding: set[tuple[str, str, int]] = set()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], *, limit: int, body: bytes | None = None
    ) -> RegistryResponse:
        """Send a request; see `Wire.send`."""
        place = origin(url)
        pool = self._pools.get(place) or self._open(place, url)
        target = url if place in self._forwarding else _target(url)
        try:
            with self._answers.limited():
                return self._exchange(pool, method, target, url, headers, limit, body)
        except AnswerOverdue as error:
            raise ConnectionLost(f"{place[1]} did not finish its answer within {error.answer_s:g} s") from error
        except (HTTPError, HTTPException, OSError) as error:
            raise _lost(error, place[1], self._proxies[place], self._read_s) from error

    def _exchange(
        self,
        pool: urllib3.HTTPConnectionPool,
        method: str,
        target: str,
        url: str,
        headers: Mapping[str, str],
        limit: int,
        body: bytes | None,
    ) -> RegistryResponse:
        response = pool.urlopen(
            method,
            target,
            body=body,
            headers={"User-Agent": USER_AGENT, **headers},
            redirect=False,
            retries=_ONCE,
            assert_same_host=False,
            preload_content=False,
        )
        try:
            content = _read(method, response, limit)
        except BaseException:
            response.close()  # the rest of the answer must not be read as the next one
            raise
        return RegistryResponse(response.status, response.headers, content, url)

    def close(self) -> None:
        """Close the connections."""
        self._answers.close()
        for pool in self._pools.values():
            pool.close()
        for manager in self._managers:
            manager.clear()

    def _open(self, place: tuple[str, str, int], url: str) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if place not in self._pools:
                proxy = proxy_for(url)
                manager = self._manager(place, proxy)
                pool = manager.connection_from_host(place[1], place[2], place[0])
                pool.ConnectionCls = _observed(pool.ConnectionCls, self._counter, self._answers)
                if proxy and place[0] == "http" and not is_socks(proxy):
                    self._forwarding.add(place)
                self._proxies[place] = urlsplit(proxy).hostname or ""
                self._pools[place] = pool
            return self._pools[place]

    def _manager(self, place: tuple[str, str, int], proxy: str) -> urllib3.PoolManager:
        options = dict(self._options)
        if place[0] == "https":
            options["ssl_context"] = trust(self._verify, self._client_cert, self._also_trusted)
        manager = _through(proxy, options) if proxy else urllib3.PoolManager(**options)
        self._managers.append(manager)
        return manager


def _through(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """The connections that go through a proxy, which `proxy_for` has checked."""
    parts = urlsplit(proxy)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    bare = parse_url(proxy)._replace(auth=None).url
    _log.debug("using the proxy %s", parts.hostname)
    if is_socks(proxy):
        from urllib3.contrib.socks import SOCKSProxyManager  # with PySocks, which few need

        return SOCKSProxyManager(bare, user or None, password or None, **options)
    login = make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
    return urllib3.ProxyManager(bare, proxy_headers=login, **options)


def _observed(base: type, counter: RequestCounter, answers: AnswerDeadline) -> type:
    """The connection class, which counts when it connects, and can be cut off while it is in use."""

    def connect(self: Any) -> None:
        counter.add("connections")
        answers.use(self)
        base.connect(self)  # type: ignore[attr-defined]

    def request(self: Any, *given: Any, **options: Any) -> None:
        answers.use(self)
        base.request(self, *given, **options)  # type: ignore[attr-defined]
        answers.use(self)  # it may have connected only now

    return type(base.__name__, (base,), {"connect": connect, "request": request})


def _target(url: str) -> str:
    start = url.find("/", url.find("://") + 3)
    return url[start:] if start >= 0 else "/"


def _read(method: str, response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """Read the body to its end, so that the connection can be used again."""
    announced = response.headers.get("Content-Length", "")
    if method != "HEAD" and announced.isdigit() and int(announced) > limit:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(_CHUNK, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge
    return b"".join(parts)


def _lost(error: BaseException, host: str, proxy: str, read_s: float) -> ConnectionLost:
    """Put the failure into words of ours: those of urllib3 quote the URL, which may carry a signature."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(error, SSLError) or "CERTIFICATE" in str(cause):
        plain = "WRONG_VERSION_NUMBER" in str(cause)
        hint = "write http:// where a registry speaks plain http" if plain else "name its authority: ca_bundle"
        return ConnectionLost(f"TLS with {host} failed: {cause}", lasting=True, hint=hint)
    if isinstance(error, ProxyError):
        return ConnectionLost(f"no connection through the proxy {proxy}: {_plain(cause)}", hint=_PROXY)
    if isinstance(error, NameResolutionError):
        return ConnectionLost(f"the name {host} is not known", hint=_REACH)
    if isinstance(error, NewConnectionError) and proxy:  # SOCKS
        return ConnectionLost(f"no connection to {host} through the proxy {proxy}: {_plain(cause)}", hint=_PROXY)
    if isinstance(error, NewConnectionError):
        return ConnectionLost(f"no connection to {host}: {_plain(cause)}", hint=_REACH)
    if isinstance(error, (TimedOut, OSError)) and "timed out" in str(error):
        return ConnectionLost(f"{host} gave no answer within {read_s:g} s")
    return ConnectionLost(f"the connection to {host} broke: {type(cause).__name__} {cause}")


def _plain(cause: BaseException) -> str:
    return getattr(cause, "strerror", "") or str(cause)
