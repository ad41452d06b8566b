"""Finds out which login the registry requires, and sends it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from urllib.parse import urljoin, urlsplit

from rollback.errors import RegistryError
from rollback.registry.address import Address, origin
from rollback.registry.auth.credentials import Identity, Login
from rollback.registry.auth.token import Tokens
from rollback.registry.retrying_client import RetryingClient
from rollback.registry.transport import RegistryResponse
from rollback.secret import Secret
from rollback.system import http_challenge
from rollback.system.network import is_loopback

_ATTEMPTS = 3  # times that one request is sent with different headers
_log = logging.getLogger(__name__)


class Authenticator:
    """Knows the login for one registry. Nothing is sent that the registry did not require."""

    def __init__(self, address: Address, http: RetryingClient, find: Callable[[str], Login]) -> None:
        """Take a way to find credentials.

        Args:
            address: of the registry.
            http: carries requests to a token server.
            find: the credentials for a repository, or for the registry where that is empty.
        """
        self._address = address
        self._http = http
        self._find = find
        self._lock = threading.Lock()
        self._logins: dict[str, Login] = {}
        self._basic = False
        self._bearer = False
        self._tokens: Tokens | None = None
        self._expected: list[str] = []
        self.service = ""  # what the registry calls itself to token servers

    def login(self, repo: str = "") -> Login:
        """The credentials for a repository."""
        with self._lock:
            if repo not in self._logins:
                self._logins[repo] = self._find(repo)
            return self._logins[repo]

    def identity(self) -> Identity:
        """The user for the registry."""
        login = self.login()
        return Identity(login.name, login.source)

    def expect(self, repos: Iterable[str]) -> None:
        """Name the repositories that will be queried, so that they can share tokens."""
        self._expected = [self._address.name(repo) for repo in repos]
        if self._tokens:
            self._tokens.expect(self._expected)

    def header(self, repo: str) -> Secret:
        """The Authorization header for a question about a repository; empty for none.

        Raises:
            RegistryError: a token is needed, and not to be had.
        """
        if self._bearer and (token := self.login(repo).registry_token):
            return Secret(f"Bearer {token.reveal()}")
        if self._tokens:
            return self._tokens.header(self._address.name(repo))
        if self._basic and (login := self.login(repo)):
            return login.basic
        return Secret()

    def challenged(self, repo: str, sent: Secret, answer: RegistryResponse, attempt: int) -> bool:
        """Learn from a 401, or from a 403 that a token shared with others may have caused.

        Args:
            repo: which repository the question was about.
            sent: the header that was sent.
            answer: the refusal.
            attempt: how often this question was refused before.

        Returns:
            Whether trying again, with another header, makes sense.

        Raises:
            RegistryError: the registry requires what we do not have, or must not send.
        """
        if attempt >= _ATTEMPTS - 1:
            return False
        name = self._address.name(repo)
        if answer.status == 403:
            return self._alone(name)
        offers = http_challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        bearer = next((offer for offer in offers if offer.scheme == "bearer" and offer.parameters.get("realm")), None)
        if bearer:
            self._bearer = True
            if login := self._with_registry_token(repo):
                self._warn_if_unencrypted(f"the registry token from {login.source}")
                return not sent
            return self._answer_bearer(name, sent, bearer, attempt)
        if any(offer.scheme == "basic" for offer in offers):
            return self._answer_basic(repo, sent)
        if offers:
            wanted = ", ".join(offer.scheme for offer in offers)[:80]
            raise RegistryError(
                f"{repo} cannot be read from {self._address.url}",
                why=f"it requires a login by {wanted}, which we lack",
                hint="use an address of the registry that takes a user and a password, or a token",
            )
        return False

    def redact(self, text: str) -> str:
        """Take every secret out of a text that came from a server."""
        with self._lock:
            secrets = [secret for login in self._logins.values() for secret in login.secrets()]
        secrets += self._tokens.seen if self._tokens else []
        for secret in sorted(secrets, key=lambda one: -len(one.reveal())):
            text = text.replace(secret.reveal(), "***")
        return text

    def _answer_basic(self, repo: str, sent: Secret) -> bool:
        login = self.login(repo)
        if sent or not login.user:
            return False
        if not self._basic:
            self._warn_if_unencrypted(f"the password of {login.user}")
        self._basic = True
        return True

    def _with_registry_token(self, repo: str) -> Login | None:
        login = self.login(repo)
        return login if login.registry_token else None

    def _warn_if_unencrypted(self, what: str) -> None:
        host = urlsplit(self._address.url).hostname
        if self._address.url.startswith("http:") and not is_loopback(host or ""):
            _log.warning("%s goes to %s unencrypted, since its URL says http", what, host)

    def _answer_bearer(self, name: str, sent: Secret, offer: http_challenge.Challenge, attempt: int) -> bool:
        scope = offer.parameters.get("scope", "")
        with self._lock:
            if self._tokens is None:
                realm = self._realm(offer.parameters["realm"])
                self.service = offer.parameters.get("service", "")
                self._tokens = Tokens(realm, self.service, self._http, self._login_of, self.redact)
                fresh = True
            else:
                fresh = False
        if fresh:
            self._tokens.expect(self._expected)
        if not self._tokens.covers(name, scope) and not scope.endswith(":*"):
            self._tokens.separate(name, scope)
            return True
        if not sent:
            return True
        if self._tokens.is_shared(name) and (attempt or "insufficient" in offer.parameters.get("error", "")):
            return self._alone(name)
        if attempt:
            return False
        self._tokens.renew(name, sent.reveal())
        return True

    def _alone(self, name: str) -> bool:
        if self._tokens is None or not self._tokens.is_shared(name):
            return False
        self._tokens.separate(name)
        return True

    def _login_of(self, name: str) -> Login:
        return self.login(name.removeprefix("library/") if self._address.is_hub else name)

    def _realm(self, text: str) -> str:
        """The token server's URL, if credentials may go there."""
        realm = urljoin(f"{self._address.url}/v2/", text)
        scheme, host, _port = origin(realm)
        if scheme not in ("http", "https") or (scheme == "http" and self._address.url.startswith("https:")):
            raise RegistryError(
                f"{self._address.url} cannot be queried",
                why=f"it sends us to {scheme}://{host} for a token, and credentials do not leave https",
                hint="let the registry name its token server with https://",
            )
        if host != origin(self._address.url)[1]:
            _log.info("%s has its tokens from %s", self._address.host, host)
            if scheme == "http" and not is_loopback(host):
                _log.warning("the way to the token server %s is unencrypted", host)
        return realm
