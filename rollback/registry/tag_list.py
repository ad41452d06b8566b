"""The tags of a repository, page by page."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from rollback.errors import NotInRegistry, RegistryError
from rollback.registry.api_client import RegistryApiClient, RegistryRequest
from rollback.registry.request_counts import RequestKind
from rollback.registry.transport import ConnectionLost, RegistryResponse, TooLarge

_SIZES = (1000, 100, 0)  # tags to request at a time, the next one where the one before is refused; 0 for any number
_LIMITS = {50, 100, 1000}  # how many tags registries give at most where more are wanted, or where nothing is said
_MOST_TAGS = 1_000_000  # of one repository
_MOST_EMPTY = 100  # pages in a row that hold nothing and name a further one
_LIMIT = 64 << 20  # bytes; 10^5 tags of the longest kind are 13 MB in one page
_log = logging.getLogger(__name__)
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*\w+\s*=\s*(?:"[^"]*"|[^;,"\s]*))*)')


@dataclass(frozen=True)
class Page:
    """Some tags, in no particular order, and the registry's whole answer, which may say more."""

    tags: list[str]
    document: dict[str, Any]


class TagListReader:
    """Walks through the pages of one repository; `more` is true if there are further ones.

    Registries agree on little here. Some refuse `n=1000` (Quay: 413, https://github.com/quay/quay), some give fewer
    tags than are there without a link to the rest (Nexus, https://github.com/sonatype/nexus-public/issues/117), and
    docker-registry 2.8.2 ignores `n` and `last`, and sorts nothing.
    """

    def __init__(self, api: RegistryApiClient, repo: str) -> None:
        self.repo = repo
        self.more = True
        self._api = api
        self._first = api.url(repo, "tags/list")
        self._sizes = list(_SIZES)
        self._url = self._page_url()
        self._pages = 0
        self._empty = 0
        self._asked: set[str] = set()
        self._linked = False  # whether a page named the next one: then the one that names none is the last
        self._probing = False  # whether the requested page is one that nothing but its predecessor's length hints at
        self._seen: set[int] = set()  # hashes: the tags themselves would need three times the memory

    def turn(self) -> Page:
        """Fetch the next page.

        Raises:
            NotInRegistry: the registry does not know the repository.
            RegistryError: it cannot be queried, its answer cannot be used, or its pages go round in circles.
        """
        self._pages += 1
        if self._url in self._asked:
            raise self._failure(f"its pages go round in circles: {self._where()} was read before")
        answer = self._send()
        while self._pages == 1 and len(self._sizes) > 1 and _is_refusal(answer):
            self._sizes.pop(0)
            self._url = self._page_url()
            answer = self._send()
        self._asked.add(self._url)
        if answer.status == 404 and self._pages == 1:
            self._require_registry(answer)
            raise NotInRegistry(
                f"{self.repo} is not in {self._api.address.url}",
                why=self._api.words(answer),
                hint="check the repository's name; some registries say this where access is missing",
            )
        if self._probing and (_is_refusal(answer) or answer.status == 404):
            return self._refused_probe(answer)
        if answer.status != 200:
            page = f"{self._where()}: " if self._pages > 1 else ""
            raise self._failure(f"{page}{self._api.words(answer)}")
        return self._go_on(answer, self._read(answer))

    def _require_registry(self, answer: RegistryResponse) -> None:
        """Look, where a 404 is not in a registry's own words, whether what answers is a registry at all.

        One that answers `/v2/` with 404 is none (https://distribution.github.io/distribution/spec/api/, "API Version
        Check").

        Raises:
            RegistryError: it is none.
        """
        if "json" in answer.headers.get("Content-Type", ""):
            return
        url = self._api.address.url
        try:
            base = self._api.http.once(f"{url}/v2/", limit=1 << 20)
        except (ConnectionLost, TooLarge):
            return
        if base.status == 404:
            raise RegistryError(
                f"{url} is not a Docker registry",
                why=f"{url}/v2/ answers {self._api.words(base)}",
                hint="correct the address: --registry, ROLLBACK_REGISTRY, or registry: {url: …} in the settings",
            )

    def _read(self, answer: RegistryResponse) -> Page:
        page = _parse(answer)
        if page is None:  # cut short without a trace, perhaps: once more
            self._api.http.counted("repeats")
            page = _parse(self._send())
        if page is None:
            kind = answer.headers.get("Content-Type", "nothing known")
            raise self._failure(f"the answer is not a list of tags but {kind[:60]!r}")
        return page

    def _send(self) -> RegistryResponse:
        try:
            return self._api.send(self._question())
        except TooLarge as error:
            raise self._failure(f"the answer is larger than {_LIMIT >> 20} MiB") from error

    def _go_on(self, answer: RegistryResponse, page: Page) -> Page:
        """Find where the next page is, or that there is none.

        Returns:
            The page.
        """
        link = next_link(answer.headers.get("Link", ""))
        self._linked = self._linked or bool(link)
        full = bool(page.tags) and len(page.tags) in _LIMITS | {self._sizes[0]}
        if not link and (self._linked or not full):
            self.more = False
            return page
        hashes = set(map(hash, page.tags))
        nothing_new = self._seen.issuperset(hashes)
        self._seen |= hashes
        if len(self._seen) > _MOST_TAGS:
            raise self._failure(f"it has more than {_MOST_TAGS} tags, or never ends")
        if link:
            self._empty = self._empty + 1 if not page.tags else 0
            if self._empty > _MOST_EMPTY or (page.tags and nothing_new):
                raise self._failure(f"its pages go round in circles: {self._where()} holds nothing new")
            self._url = self._own(urljoin(self._url, link))
        elif nothing_new:  # all of it was known: this registry does not do pages, and the list is complete
            self.more = False
        else:
            self._probing = True
            self._url = self._page_url(page.tags[-1])
        return page

    def _refused_probe(self, answer: RegistryResponse) -> Page:
        """A registry that gave a list as long as a limit, and refuses to say what follows."""
        _log.warning(
            "%s: the list of tags may be incomplete: it is exactly as long as a page can be, and the registry "
            "refuses to say what follows: %s",
            self.repo,
            self._api.words(answer),
        )
        self.more = False
        return Page([], {})

    def _page_url(self, last: str = "") -> str:
        query = {"n": str(self._sizes[0])} if self._sizes[0] else {}
        if last:
            query["last"] = last
        return f"{self._first}?{urlencode(query)}" if query else self._first

    def _own(self, url: str) -> str:
        """The page on the registry itself.

        Only the query counts: behind a proxy, links can name an inner host, or http for https, and Artifactory's
        lack a part of the path. A link without a query names its page by the path.
        """
        parts = urlsplit(url)
        if parts.query:
            return f"{self._first}?{parts.query}"
        base = urlsplit(self._api.address.url)
        path = parts.path
        if base.path and not path.startswith(f"{base.path}/"):
            path = base.path + path
        return parts._replace(scheme=base.scheme, netloc=base.netloc, path=path, fragment="").geturl()

    def _question(self) -> RegistryRequest:
        return RegistryRequest(RequestKind.LIST, self._url, self.repo, "the list of tags", limit=_LIMIT)

    def _failure(self, cause: str) -> RegistryError:
        return self._api.failure(self._question(), cause)

    def _where(self) -> str:
        """The page, in words."""
        query = "".join(letter if letter.isprintable() else "?" for letter in urlsplit(self._url).query[:80])
        return f"page {self._pages} (?{query})" if query else f"page {self._pages}"


def next_link(header: str) -> str:
    """The target of `rel="next"` in a Link header (RFC 8288); empty if there is none."""
    for target, parameters in _LINK.findall(header):
        for parameter in parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                return str(target).strip()
    return ""


def _is_refusal(answer: RegistryResponse) -> bool:
    """Whether another number of tags may be accepted; 401, 403, 408 and 429 mean other things and never get here."""
    return 400 <= answer.status < 500 and answer.status != 404


def _parse(answer: RegistryResponse) -> Page | None:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or "tags" not in document:
        return None
    tags = document["tags"] or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return None
    return Page(tags, document)
