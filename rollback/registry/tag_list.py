"""The tags of a repository, page by page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from rollback.errors import NotInRegistry
from rollback.registry.api_client import ApiRequest, RegistryApiClient
from rollback.registry.request_counts import RequestKind
from rollback.registry.transport import RegistryResponse, TooLarge

PAGE = 1000  # tags asked for at a time; ECR refuses more, and gives 100 where nothing is asked
_LIMIT = 64 << 20  # bytes; 10^5 tags of the longest kind are 13 MB in one page
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*\w+\s*=\s*(?:"[^"]*"|[^;,"\s]*))*)')


@dataclass(frozen=True)
class Page:
    """Some tags, in no particular order, and the registry's whole answer, which may tell more."""

    tags: list[str]
    document: dict[str, Any]


class TagListReader:
    """Walks through the pages of one repository; `more` tells whether there are further ones."""

    def __init__(self, asker: RegistryApiClient, repo: str) -> None:
        self.repo = repo
        self.more = True
        self._asker = asker
        self._first = asker.url(repo, "tags/list")
        self._url = f"{self._first}?n={PAGE}"
        self._asked: set[str] = set()
        self._last: set[str] = set()  # what a page held that may have been a full one without a link to the next

    def turn(self) -> Page:
        """Fetch the next page.

        Raises:
            NotInRegistry: the registry does not know the repository.
            RegistryError: it cannot be asked, its answer cannot be used, or its pages go round in circles.
        """
        question = ApiRequest(RequestKind.LIST, self._url, self.repo, "the list of tags", limit=_LIMIT)
        if self._url in self._asked:
            raise self._asker.failure(question, "its pages go round in circles")
        self._asked.add(self._url)
        answer = self._ask(question)
        if answer.status in (400, 405) and "?n=" in self._url and len(self._asked) == 1:
            self._url = self._first  # a registry that does not do pages
            answer = self._ask(
                question := ApiRequest(RequestKind.LIST, self._url, self.repo, question.about, limit=_LIMIT)
            )
        if answer.status == 404:
            raise NotInRegistry(
                f"{self.repo} is not in {self._asker.address.url}",
                why=self._asker.words(answer),
                hint="check the repository's name; some registries say this where access is missing",
            )
        if answer.status != 200:
            raise self._asker.failure(question, self._asker.words(answer))
        page = _parse(answer)
        if page is None:  # cut short without a trace, perhaps: once more
            self._asker.courier.counted("repeats")
            page = _parse(self._ask(question))
        if page is None:
            kind = answer.headers.get("Content-Type", "nothing known")
            raise self._asker.failure(question, f"the answer is not a list of tags but {kind[:60]!r}")
        self._go_on(answer, page)
        return page

    def _ask(self, question: ApiRequest) -> RegistryResponse:
        try:
            return self._asker.ask(question)
        except TooLarge as error:
            raise self._asker.failure(question, f"the answer is larger than {_LIMIT >> 20} MiB") from error

    def _go_on(self, answer: RegistryResponse, page: Page) -> None:
        """Find where the next page is, or that there is none."""
        link = next_link(answer.headers.get("Link", ""))
        probed, self._last = self._last, set()
        if link:
            self._url = self._own(urljoin(self._url, link))
        elif len(page.tags) == PAGE and not probed.issuperset(page.tags):
            # Old Nexus pages without saying so. What is asked for here is empty, or the same, on all others.
            self._last = set(page.tags)
            self._url = f"{self._first}?n={PAGE}&last={quote(page.tags[-1], safe='')}"
        else:
            self.more = False

    def _own(self, url: str) -> str:
        """The page on the registry itself: behind a proxy, links can name an inner host, or http for https."""
        base = urlsplit(self._asker.address.url)
        parts = urlsplit(url)
        path = parts.path
        if base.path and not path.startswith(f"{base.path}/"):
            path = base.path + path
        return parts._replace(scheme=base.scheme, netloc=base.netloc, path=path, fragment="").geturl()


def next_link(header: str) -> str:
    """The target of `rel="next"` in a Link header (RFC 8288); empty if there is none."""
    for target, parameters in _LINK.findall(header):
        for parameter in parameters.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                return str(target).strip()
    return ""


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
