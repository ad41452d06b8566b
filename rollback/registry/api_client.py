"""Requests to a registry: credentials, redirects and retries around each request, and its refusals as our errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from rollback.errors import RegistryError
from rollback.registry.address import Address, origin
from rollback.registry.auth.authenticator import Authenticator
from rollback.registry.refusal import refusal_reason
from rollback.registry.request_counts import RequestKind
from rollback.registry.retry import RetriesExhausted
from rollback.registry.retrying_client import RetryingClient
from rollback.registry.transport import RegistryResponse
from rollback.secret import Secret

TRY_AGAIN = "try again; if it goes on, check registry.url in the settings and look at the registry's log"
_REDIRECTS = {301, 302, 303, 307, 308}
_HOPS = 5
_SMALL = 1 << 20  # bytes; answers that are no documents of ours
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistryRequest:
    """One request to a registry.

    Attributes:
        kind: what it is counted as.
        url: absolute, on the registry itself.
        repo: whose credentials go along; also named if it fails.
        about: what is requested, in words: "the list of tags".
        accept: media types.
        etag: a digest; the answer is 304 if what is requested still has it.
        method: GET or HEAD.
        limit: bytes that the answer may have.
    """

    kind: RequestKind
    url: str
    repo: str
    about: str
    accept: str = ""
    etag: str = ""
    method: str = "GET"
    limit: int = _SMALL


class RegistryApiClient:
    """Asks one registry."""

    def __init__(self, address: Address, http: RetryingClient, authenticator: Authenticator) -> None:
        self.address = address
        self.authenticator = authenticator
        self.http = http
        self._first = threading.Lock()
        self._known = False

    def url(self, repo: str, rest: str) -> str:
        """The URL of something of a repository: `tags/list`, `manifests/…`, `blobs/…`."""
        return f"{self.address.url}/v2/{self.address.name(repo)}/{rest}"

    def send(self, request: RegistryRequest) -> RegistryResponse:
        """Send a request, with the login that the registry requires, until there is an answer.

        Returns:
            The answer, which may be a 304 or a refusal such as 400, 404 or 405.

        Raises:
            RegistryError: the registry cannot be queried, or does not admit us.
            TooLarge: the answer is larger than the request's limit.
        """
        if self._known:
            return self._authorized(request)
        with self._first:  # one finds out which login the registry requires, instead of all at the same time
            if not self._known:
                try:
                    return self._authorized(request)
                finally:
                    self._known = True
        return self._authorized(request)

    def _authorized(self, request: RegistryRequest) -> RegistryResponse:
        attempt = 0
        while True:
            header = self.authenticator.header(request.repo)
            answer = self._send(request, header)
            if answer.status not in (401, 403) or origin(answer.url) != origin(request.url):
                break
            if not self.authenticator.challenged(request.repo, header, answer, attempt):
                raise self._refused(request, answer, header)
            attempt += 1
            self.http.counted("repeats")
        if answer.status in (401, 403) or answer.status >= 500 or answer.status in _REDIRECTS:
            raise self.failure(request, self.words(answer))
        return answer

    def _refused(self, request: RegistryRequest, answer: RegistryResponse, sent: Secret) -> RegistryError:
        login = self.authenticator.login(request.repo)
        who = f"as {login.name} ({login.source})"
        shown = "" if sent or not login else ", which it did not require"
        hint = "check the credentials: docker login, or podman login"
        return self.failure(request, f"no access {who}{shown}: {self.words(answer)}", hint)

    def failure(self, request: RegistryRequest, cause: str, hint: str = "") -> RegistryError:
        """The error that says which registry and repository cannot be read, and why."""
        return RegistryError(
            f"{request.repo} cannot be read from {self.address.url}",
            why=f"{request.about}: {cause}",
            hint=hint or TRY_AGAIN,
        )

    def words(self, answer: RegistryResponse) -> str:
        """What a server says in a refusal: its status and, in one short line without secrets, its reason."""
        return self.authenticator.redact(f"{answer.status} {refusal_reason(answer.body)}".strip())

    def _send(self, request: RegistryRequest, header: Secret) -> RegistryResponse:
        headers = {"Accept": request.accept} if request.accept else {}
        if request.etag:
            headers["If-None-Match"] = f'"{request.etag}"'
        if header:
            headers["Authorization"] = header.reveal()
        try:
            answer = self._once(request, request.url, headers, request.kind.value)
            for _hop in range(_HOPS):
                place = answer.headers.get("Location", "")
                if answer.status not in _REDIRECTS or not place:
                    return answer
                url = urljoin(answer.url, place)
                if not _allowed(answer.url, url):
                    raise self.failure(request, f"a redirect to {urlsplit(url).scheme}://{urlsplit(url).hostname}")
                if origin(url) != origin(request.url):
                    # A signed URL brings its own permission, and storage refuses a second one.
                    headers.pop("Authorization", None)
                _log.debug("%s: led to %s", request.about, urlsplit(url).hostname)
                answer = self._once(request, url, headers, "redirects")
        except RetriesExhausted as error:
            raise self.failure(request, error.cause, error.hint) from error
        raise self.failure(request, f"more than {_HOPS} redirects")

    def _once(
        self, request: RegistryRequest, url: str, headers: Mapping[str, str], counted_as: str
    ) -> RegistryResponse:
        return self.http.carry(counted_as, request.method, url, headers, limit=request.limit)


def _allowed(here: str, there: str) -> bool:
    """Whether a redirect may be followed: to the web, and never from https to something less."""
    return urlsplit(there).scheme == "https" or urlsplit(there).scheme == urlsplit(here).scheme == "http"
