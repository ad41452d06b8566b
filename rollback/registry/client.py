"""A registry as the rest of the program sees it: images with their times, and whether they are still there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from rollback.core.image_reference import is_digest, is_repo, is_tag
from rollback.errors import BadInput, RegistryError
from rollback.registry import host_certificates
from rollback.registry.address import Address
from rollback.registry.api_client import RegistryApiClient
from rollback.registry.auth.authenticator import Authenticator
from rollback.registry.auth.credentials import Identity, Login
from rollback.registry.auth.docker_config import Keychain
from rollback.registry.cache_protocol import CacheProtocol, NullCache
from rollback.registry.host_certificates import HostCertificates
from rollback.registry.image_resolver import ImageResolver, ResolverOptions
from rollback.registry.request_counts import RequestCounter, RequestCounts
from rollback.registry.retry import Budget
from rollback.registry.retrying_client import RetryingClient
from rollback.registry.scanner import Scanner, ScanResult, check_flavour
from rollback.registry.transport import ConnectionLost, Pool, RegistryResponse, TooLarge, Transport
from rollback.registry.vendors import docker_hub
from rollback.secret import Secret
from rollback.system import network

_NEW_HISTORY = "make a new history with `rollback get`"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegistryOptions:
    """How to reach a registry, and how to read it.

    Attributes:
        url: `https://registry.example.com`; a bare host means https, http is only what says so.
        user: empty to use what Docker and Podman have kept.
        password: of that user.
        ca_bundle: authorities to trust instead of the usual ones.
        client_cert: certificate to show.
        client_key: its key; None if it is in the same file.
        insecure: do not verify the server's certificate.
        connections: at most so many at a time.
        platform: of the child of an index that is read.
        cache: folder for what is known by digest; None for no cache.
        immutable_tags: a tag that was seen once names the same image for ever, and is not requested again.
        flavour: `auto`, or the name of a registry with an API of its own.
        deadline_s: seconds in which a whole survey has to be done.
    """

    url: str = field(repr=False)  # can hold a password
    user: str = ""
    password: Secret = field(default_factory=Secret)
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    insecure: bool = False
    connections: int = 16
    platform: str = "linux/amd64"
    cache: Path | None = None
    immutable_tags: bool = False
    flavour: str = "auto"
    deadline_s: float = 900.0


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


def connect(
    options: RegistryOptions,
    *,
    now: Callable[[], datetime] = _utc_now,
    budget: Budget | None = None,
    transport: Transport | None = None,
) -> Registry:
    """Make a registry's client; sends no request yet.

    Args:
        options: how to reach it.
        now: returns the present time; what is created after it is not believed.
        budget: how long a fault is borne with.
        transport: what carries the requests, if not a pool of connections.

    Raises:
        BadInput: the URL, a certificate or a pattern cannot be used.
    """
    address = Address.parse(options.url)
    flavour = check_flavour(options.flavour)
    counter = RequestCounter()
    transport = transport or _pool(options, address, counter)
    http = RetryingClient(transport, counter, budget or Budget())
    api = RegistryApiClient(address, http, Authenticator(address, http, _credentials(options, address)))
    choices = ResolverOptions(
        platform=options.platform,
        now=now(),
        immutable_tags=options.immutable_tags,
        head_first=flavour == docker_hub.NAME or (flavour == "auto" and address.is_hub),
    )
    return Registry(api, _memory(options, address), choices, flavour, options)


def _pool(options: RegistryOptions, address: Address, counter: RequestCounter) -> Pool:
    """The connections, with what the settings name, else with the certificates that are kept for this registry."""
    kept = _kept_certificates(options, address)
    return Pool(
        counter,
        connections=options.connections,
        verify=False if options.insecure else options.ca_bundle or True,  # False only by `registry.insecure: true`
        client_cert=(options.client_cert, options.client_key) if options.client_cert else kept.client,
        also_trusted=kept.authorities,
    )


def _kept_certificates(options: RegistryOptions, address: Address) -> HostCertificates:
    """What is kept for this registry, without that in whose place the settings have something else."""
    kept = host_certificates.find(address)
    authorities = () if options.insecure or options.ca_bundle else kept.authorities
    client = None if options.client_cert else kept.client
    return HostCertificates(authorities, client, kept.folder if authorities or client else None)


def _credentials(options: RegistryOptions, address: Address) -> Callable[[str], Login]:
    """How to find the credentials for a repository: what was given, else what Docker and Podman have kept."""
    given = Login(options.user, options.password, source="the settings")
    given = given or Login(address.user, address.password, source="the registry's URL")
    kept = Keychain()
    return lambda repo: given or kept.find(address, repo)


def _memory(options: RegistryOptions, address: Address) -> CacheProtocol:
    if options.cache is None:
        return NullCache()
    try:
        from rollback.registry.cache import Cache
    except ImportError:  # some builds of Python come without SQLite
        _log.warning("there is no cache, since this Python has no sqlite3")
        return NullCache()
    return Cache(options.cache, address.url)


class Registry:
    """One registry. `url` is its address, normalised and without credentials."""

    def __init__(
        self,
        api: RegistryApiClient,
        memory: CacheProtocol,
        choices: ResolverOptions,
        flavour: str,
        options: RegistryOptions,
    ) -> None:
        self.url = api.address.url
        self._api = api
        self._memory = memory
        self._flavour = flavour
        self._connections = max(1, options.connections)
        self._deadline_s = options.deadline_s
        self._options = options
        self._reader = ImageResolver(api, memory, choices)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    @property
    def counts(self) -> RequestCounts:
        """How many requests were made so far."""
        return self._api.http.counts()

    @property
    def identity(self) -> Identity:
        """The user for it, and where that was found; may run a credential helper."""
        return self._api.authenticator.identity()

    @property
    def route(self) -> str:
        """How it is reached, in words and without credentials: proxy and kept certificates; empty without either."""
        parts = []
        proxy = urlsplit(network.proxy_for(self.url))
        if proxy.hostname:
            parts.append(f"through the proxy {proxy.scheme}://{proxy.netloc.rpartition('@')[2]}")
        folder = _kept_certificates(self._options, self._api.address).folder
        if folder:
            parts.append(f"with the certificates in {folder}")
        return ", ".join(parts)

    def reach(self) -> RegistryResponse:
        """Find out whether the registry answers at all, by one request without a login.

        Returns:
            Its answer, whatever that is.

        Raises:
            RegistryError: it does not answer.
        """
        try:
            return self._api.http.once(f"{self.url}/v2/", limit=1 << 20)
        except ConnectionLost as error:
            raise RegistryError(f"{self.url} cannot be reached", why=str(error), hint=error.hint) from error
        except TooLarge as error:
            raise RegistryError(
                f"{self.url} is no registry", why="its answer is larger than 1 MiB", hint="correct registry.url"
            ) from error

    def survey(
        self,
        repos: Sequence[str],
        wanted: Callable[[str], bool],
        progress: Callable[[int, int], None] = lambda _done, _known: None,
        near_miss: Callable[[str], str] = lambda _tag: "",
    ) -> ScanResult:
        """Find what all wanted tags of some repositories name.

        Args:
            repos: paths, e.g. `shop/billing`.
            wanted: whether a tag counts.
            progress: hears how many tags are done, and how many are known of so far; in the caller's thread.
            near_miss: why a tag that does not count should be named among those skipped; empty for most.

        Returns:
            What every wanted tag names, or why it names no image; by repository in the order given, then by tag.

        Raises:
            NotInRegistry: there is no such repository.
            RegistryError: a repository cannot be read. Half a survey is never returned.
            BadInput: not a repository's path.
        """
        repos = list(dict.fromkeys(repos))
        for repo in repos:
            _check_repo(repo)
        self._api.http.stop.clear()
        try:
            self._api.http.set_deadline(self._deadline_s)
            surveyor = Scanner(self._api, self._reader, self._flavour, wanted, progress, near_miss, self._deadline_s)
            return surveyor.make(repos, self._connections)
        finally:
            self._api.http.set_deadline(float("inf"))
            self._memory.save()

    def digest(self, repo: str, tag: str) -> str:
        """What a tag names now, `sha256:…`.

        Raises:
            NotInRegistry: the tag is gone.
            RegistryError: the registry cannot be queried.
            BadInput: not a repository's path, or not a tag.
        """
        _check_repo(repo)
        if not is_tag(tag):
            raise BadInput(f"{tag!r} is not a tag", hint=_NEW_HISTORY)
        self._api.http.stop.clear()
        return self._reader.digest(repo, tag)

    def complete(self, repo: str, digest: str) -> None:
        """Make sure that an image can still be pulled: manifest, the platform's child, and config.

        Raises:
            NotInRegistry: a part is gone; the text names it.
            RegistryError: the registry cannot be queried.
            BadInput: not a repository's path, or not a digest.
        """
        _check_repo(repo)
        if not is_digest(digest):
            raise BadInput(f"{digest!r} is not a digest", hint=_NEW_HISTORY)
        self._api.http.stop.clear()
        self._reader.complete(repo, digest)

    def close(self) -> None:
        """Close the connections, and keep what was learned."""
        self._memory.close()
        self._api.http.close()


def _check_repo(repo: str) -> None:
    if not is_repo(repo):
        raise BadInput(f"{repo!r} is not a repository's path", hint="for instance shop/billing, without host and tag")


__all__ = ["Registry", "RegistryOptions", "ScanResult", "connect"]
