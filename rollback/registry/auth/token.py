"""Bearer tokens: fetched from the server that the registry names, for several repositories at a time.

https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rollback.errors import RegistryError
from rollback.registry.auth.credentials import Login
from rollback.registry.refusal import refusal_reason
from rollback.registry.request_counts import RequestKind
from rollback.registry.retry import RetriesExhausted
from rollback.registry.retrying_client import RetryingClient
from rollback.registry.transport import RegistryResponse, TooLarge
from rollback.secret import Secret

BATCH = 20  # scopes in one token: it grows by some 90 bytes with each, and servers take headers of 8 kB
_LIFE_S = 60.0  # seconds that a token lives where its server does not say
_FRESH = 0.8  # part of its life after which it is replaced
_LIMIT = 1 << 20  # bytes of a token server's answer
_HINT = "check registry.url in the settings, or ask whoever runs the registry: it names this token server"
_log = logging.getLogger(__name__)


class Group:
    """Some repositories that share a token. Hold `lock` to change anything."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.lock = threading.Lock()
        self.scopes = scopes
        self.header = Secret()
        self.until = 0.0


class TokenRefused(Exception):
    """The token server wants other credentials, or does not give a token for this."""


class Tokens:
    """The tokens of one registry."""

    def __init__(
        self,
        realm: str,
        service: str,
        http: RetryingClient,
        login: Callable[[str], Login],
        redact: Callable[[str], str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the registry said.

        Args:
            realm: URL of the token server.
            service: what the registry calls itself there.
            http: carries the requests.
            login: the credentials for a repository.
            redact: takes secrets out of what a server says.
            clock: seconds, monotonic.
        """
        self._realm = realm
        self._service = service
        self._http = http
        self._login = login
        self._redact = redact
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: dict[str, Group] = {}
        self.seen: list[Secret] = []

    def expect(self, names: Iterable[str]) -> None:
        """Name the repositories that will be queried, so that they can share tokens.

        Only those with the same credentials share one.
        """
        with self._lock:
            by_login: dict[Login, list[str]] = {}
            for name in names:
                if name not in self._groups:
                    by_login.setdefault(self._login(name), []).append(name)
            for fresh in by_login.values():
                for at in range(0, len(fresh), BATCH):
                    batch = fresh[at : at + BATCH]
                    group = Group(tuple(_scope(name) for name in batch))
                    self._groups.update(dict.fromkeys(batch, group))

    def header(self, name: str) -> Secret:
        """The Authorization header for a repository; one thread fetches it, the others wait.

        Raises:
            RegistryError: the token server cannot be queried, or refuses.
        """
        group = self._group(name)
        with group.lock:
            if group.header and self._clock() < group.until:
                return group.header
            try:
                return self._fetch(group, name)
            except TokenRefused as error:
                if len(group.scopes) == 1:
                    raise RegistryError(
                        self._without(name),
                        why=f"requested as {self._who(name)}: {error}",
                        hint="check the credentials: docker login, or podman login",
                    ) from error
        _log.debug("no token for several repositories at a time: asking for %s alone", name)
        self.separate(name)
        return self.header(name)

    def separate(self, name: str, scope: str = "") -> None:
        """Give a repository a token of its own from now on."""
        with self._lock:
            self._groups[name] = Group((scope or _scope(name),))

    def renew(self, name: str, sent: str) -> None:
        """Forget a token that was refused, unless it has been replaced already."""
        group = self._group(name)
        with group.lock:
            if group.header.reveal() == sent:
                group.header = Secret()

    def is_shared(self, name: str) -> bool:
        """Whether a repository's token is for others, too."""
        return len(self._group(name).scopes) > 1

    def covers(self, name: str, scope: str) -> bool:
        """Whether a scope that the registry requires is among those that the token is for."""
        return not scope or scope in self._group(name).scopes

    def _group(self, name: str) -> Group:
        with self._lock:
            if name not in self._groups:
                self._groups[name] = Group((_scope(name),))
            return self._groups[name]

    def _without(self, name: str) -> str:
        return f"no token for {name} from {urlsplit(self._realm).netloc.rpartition('@')[2]}"

    def _who(self, name: str) -> str:
        login = self._login(name)
        return f"{login.name} ({login.source})"

    def _fetch(self, group: Group, name: str) -> Secret:
        requested = self._clock()
        login = self._login(name)
        try:
            answer = self._send(group.scopes, login)
        except RetriesExhausted as error:
            raise RegistryError(self._without(name), why=error.cause, hint=error.hint or _HINT) from error
        except TooLarge as error:
            raise RegistryError(self._without(name), why="the answer is far too large", hint=_HINT) from error
        if answer.status != 200:
            said = self._redact(f"{answer.status} {refusal_reason(answer.body)}".strip())
            raise TokenRefused(f"the token server answered {said}")
        try:
            document = json.loads(answer.body)
            token = document.get("token") or document["access_token"]
            life = float(document.get("expires_in") or _LIFE_S)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise RegistryError(self._without(name), why="the answer holds no token", hint=_HINT) from error
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
            raise RegistryError(self._without(name), why="the answer holds no usable token", hint=_HINT)
        group.header = Secret(f"Bearer {token}")
        group.until = requested + life * _FRESH
        self.seen.append(Secret(token))
        return group.header

    def _send(self, scopes: tuple[str, ...], login: Login) -> RegistryResponse:
        fields = [("service", self._service)] if self._service else []
        fields += [("scope", scope) for scope in scopes]
        if login.identity_token:
            form = [("grant_type", "refresh_token"), ("client_id", "rollback"), *fields[: len(fields) - len(scopes)]]
            form += [("scope", " ".join(scopes)), ("refresh_token", login.identity_token.reveal())]
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            body = urlencode(form).encode()
            return self._http.carry(RequestKind.TOKEN.value, "POST", self._realm, kind, limit=_LIMIT, body=body)
        parts = urlsplit(self._realm)
        query = urlencode(parse_qsl(parts.query, keep_blank_values=True) + fields)
        url = urlunsplit(parts._replace(query=query, fragment=""))
        headers = {"Authorization": login.basic.reveal()} if login else {}
        return self._http.carry(RequestKind.TOKEN.value, "GET", url, headers, limit=_LIMIT)


def _scope(name: str) -> str:
    return f"repository:{name}:pull"
