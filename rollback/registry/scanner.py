"""A survey: lists the tags of several repositories and reads the wanted ones, all at the same time."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rollback.core.creation_time import ResolvedTag
from rollback.core.image import Skipped
from rollback.core.image_reference import is_tag
from rollback.core.timestamps import Instant
from rollback.errors import BadInput, RegistryError
from rollback.registry import worker_pool
from rollback.registry.api_client import RegistryApiClient, RegistryRequest
from rollback.registry.image_resolver import ImageResolver
from rollback.registry.request_counts import RequestKind
from rollback.registry.tag_list import Page, TagListReader
from rollback.registry.vendors import docker_hub, google, harbor
from rollback.registry.vendors.harbor import Harbor
from rollback.registry.vendors.tag_info import TagInfo
from rollback.registry.worker_pool import Done, Job

FLAVOURS = ("auto", "plain", google.NAME, harbor.NAME, docker_hub.NAME)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScanResult:
    """What a registry holds of the wanted tags: each names an image, or is skipped for a reason."""

    resolved: tuple[ResolvedTag, ...]
    skipped: tuple[Skipped, ...]


class Scanner:
    """Makes one survey; a new one for each."""

    def __init__(
        self,
        api: RegistryApiClient,
        reader: ImageResolver,
        flavour: str,
        wanted: Callable[[str], bool],
        progress: Callable[[int, int], None],
        near_miss: Callable[[str], str],
        deadline_s: float,
    ) -> None:
        """Prepare a survey.

        Args:
            api: sends the requests.
            reader: finds what a tag names.
            flavour: `auto`, or the name of a registry with an API of its own.
            wanted: whether a tag counts.
            progress: hears how many tags are done, and how many are known of so far.
            near_miss: why a tag that does not count should be named among those skipped; empty for most.
            deadline_s: seconds from now in which the survey has to be done.
        """
        self._deadline_s = deadline_s
        self._until = time.monotonic() + deadline_s
        self._api = api
        self._reader = reader
        self._flavour = flavour
        self._wanted = wanted
        self._progress = progress
        self._near_miss = near_miss
        self._harbor = Harbor(api)
        self._held: list[tuple[str, str]] = []  # tags that wait until all are known
        self._found: list[ResolvedTag | Skipped] = []
        self._counting = threading.Lock()
        self._known = 0

    def make(self, repos: Sequence[str], workers: int) -> ScanResult:
        """Make it.

        Args:
            repos: paths, each once.
            workers: how many requests at a time.

        Raises:
            RegistryError: a repository cannot be read.
        """
        self._api.authenticator.expect(repos)
        self._work([self._list(_ScanState(TagListReader(self._api, repo))) for repo in repos], workers)
        if self._held:
            self._warn()
            self._work([self._read(repo, tag) for repo, tag in self._held], workers)
        again = self._unsettled()
        if again:
            self._found = [one for one in self._found if (one.repo, one.tag) not in again]
            self._work([self._read(repo, tag) for repo, tag in sorted(again)], workers)
        place = {repo: number for number, repo in enumerate(repos)}
        self._found.sort(key=lambda one: (place[one.repo], one.tag))
        resolved = tuple(one for one in self._found if isinstance(one, ResolvedTag))
        return ScanResult(resolved, tuple(one for one in self._found if isinstance(one, Skipped)))

    def _unsettled(self) -> set[tuple[str, str]]:
        """Tags of which only a listed time is known, and that time is another image's too.

        Whether they are one build, and what other evidence there is, only their manifests and configs say. Google
        lists milliseconds, so that is how times are compared here.
        """
        sharing: dict[tuple[str, str], set[str]] = defaultdict(set)
        listed = [one for one in self._found if isinstance(one, ResolvedTag)]
        for one in listed:
            sharing[one.repo, _millisecond(one)].add(one.digest)
        return {
            (one.repo, one.tag) for one in listed if not one.config and len(sharing[one.repo, _millisecond(one)]) > 1
        }

    def _work(self, jobs: Iterable[Job[ResolvedTag | Skipped]], workers: int) -> None:
        stop = self._api.http.stop
        try:
            worker_pool.work(jobs, workers=workers, stop=stop, report=self._report, until=self._until)
        except TimeoutError as error:
            raise RegistryError(
                f"{self._api.address.url} was not read within {self._deadline_s:g} s",
                why=f"{len(self._found)} of {self._known} tags are read, of those that it has listed so far",
                hint="try again, what was read is kept; or set registry.deadline_s in the settings to more seconds",
            ) from error

    def _report(self, result: ResolvedTag | Skipped) -> None:
        self._found.append(result)
        self._progress(len(self._found), self._known)

    def _list(self, walk: _ScanState) -> Job[ResolvedTag | Skipped]:
        """The job that fetches a page; from it follow the next page, and the reading of the wanted tags."""
        repo = walk.listing.repo

        def job() -> Done[ResolvedTag | Skipped]:
            page = walk.listing.turn()
            fresh = walk.fresh(page, self._wanted)
            more = [self._list(walk)] if walk.listing.more else []
            missed = tuple(walk.missed(page, self._wanted, self._near_miss))
            with self._counting:
                self._known += len(fresh) + len(missed)
            return Done(missed, more + self._follow(walk, repo, page, fresh))

        return job

    def _follow(self, walk: _ScanState, repo: str, page: Page, fresh: list[str]) -> list[Job[ResolvedTag | Skipped]]:
        if self._is(docker_hub.NAME, detected=self._api.address.is_hub):
            self._held += [(repo, tag) for tag in fresh]
            return []
        if self._is(google.NAME, detected="manifest" in page.document):
            known = google.dates(page.document)
            return [self._read(repo, tag, known.get(tag)) for tag in fresh]
        if self._is(harbor.NAME, detected=self._api.authenticator.service == harbor.SERVICE):
            walk.waiting += fresh
            return [] if walk.listing.more else [self._harbor_job(walk, repo)]
        return [self._read(repo, tag) for tag in fresh]

    def _harbor_job(self, walk: _ScanState, repo: str) -> Job[ResolvedTag | Skipped]:
        def job() -> Done[ResolvedTag | Skipped]:
            unknown = [tag for tag in walk.waiting if not self._reader.settled(repo, tag)]
            known: dict[str, TagInfo] = {}
            singly = sum(1 if self._reader.remembered(repo, tag) else 2 for tag in unknown)
            if self._harbor.needs_fewer_requests(singly, walk.listed):
                known = self._harbor.dates(repo, unknown)
            return Done(more=[self._read(repo, tag, known.get(tag)) for tag in walk.waiting])

        return job

    def _read(self, repo: str, tag: str, known: TagInfo | None = None) -> Job[ResolvedTag | Skipped]:
        return lambda: Done((self._reader.read(repo, tag, known),))

    def _is(self, flavour: str, *, detected: bool) -> bool:
        return self._flavour == flavour or (self._flavour == "auto" and detected)

    def _warn(self) -> None:
        """Say before starting when the work will not fit into Docker Hub's limit."""
        needed = [(repo, tag) for repo, tag in self._held if not self._reader.remembered(repo, tag)]
        if not needed:
            return
        repo, tag = needed[0]
        url = self._api.url(repo, f"manifests/{tag}")
        answer = self._api.send(RegistryRequest(RequestKind.HEAD, url, repo, f"tag {tag}", method="HEAD"))
        text = docker_hub.warning(answer.headers, len(needed), self._api.authenticator.identity().user)
        if text:
            _log.warning(text)


def _millisecond(one: ResolvedTag) -> str:
    """The time in its config to the millisecond, as far as it can be read."""
    try:
        return Instant.parse(one.evidence.config).time.isoformat(timespec="milliseconds")
    except ValueError:
        return ""


class _ScanState:
    """The state of listing one repository."""

    def __init__(self, listing: TagListReader) -> None:
        self.listing = listing
        self.listed = 0
        self.waiting: list[str] = []
        self._seen: set[str] = set()

    def fresh(self, page: Page, wanted: Callable[[str], bool]) -> list[str]:
        """The wanted tags of a page that no earlier page held."""
        self.listed += len(page.tags)
        tags = [tag for tag in dict.fromkeys(page.tags) if wanted(tag) and tag not in self._seen]
        self._seen.update(tags)
        return tags

    def missed(self, page: Page, wanted: Callable[[str], bool], near_miss: Callable[[str], str]) -> Iterator[Skipped]:
        """The tags of a page that are not wanted, and should be named all the same."""
        for tag in dict.fromkeys(page.tags):
            reason = "" if tag in self._seen or wanted(tag) else near_miss(tag)
            if reason and is_tag(tag):
                self._seen.add(tag)
                yield Skipped(self.listing.repo, tag, reason)


def check_flavour(flavour: str) -> str:
    """Return the flavour if it is one.

    Raises:
        BadInput: it is not.
    """
    if flavour not in FLAVOURS:
        raise BadInput(f"{flavour!r} is no kind of registry", hint=f"one of {', '.join(FLAVOURS)}")
    return flavour
