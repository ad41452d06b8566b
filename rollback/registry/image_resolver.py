"""From a tag to its image: the manifest, the child where there is an index, the config, and what they say."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from rollback.core.creation_time import ResolvedTag, TimeEvidence, Undated, plausible
from rollback.core.image import Skipped
from rollback.core.image_reference import is_digest, is_tag
from rollback.errors import NotInRegistry, RegistryError
from rollback.registry import manifest
from rollback.registry.api_client import TRY_AGAIN, RegistryApiClient, RegistryRequest
from rollback.registry.cache_protocol import CacheProtocol, SingleFlight
from rollback.registry.manifest import ConfigFacts, Facts, ImageFacts, IndexFacts, UnsupportedManifest
from rollback.registry.request_counts import RequestKind
from rollback.registry.transport import RegistryResponse, TooLarge
from rollback.registry.vendors.tag_info import TagInfo

MANIFEST_LIMIT = 4 << 20  # bytes; what Distribution takes
CONFIG_LIMIT = 8 << 20  # bytes
_DEPTH = 3  # indexes within indexes
_GONE = "choose another date, or push the image again and run `rollback get`"
_PUSH_AGAIN = "push it again in a usual form (docker or OCI), or choose another date"
_log = logging.getLogger(__name__)


class _Unusable(Exception):
    """There is no image to be had from this tag; the text says why."""


@dataclass(frozen=True)
class ResolverOptions:
    """What a user may choose about reading.

    Attributes:
        platform: of the child of an index that is read.
        now: the present time, aware.
        immutable_tags: whether a tag that was seen once names the same thing for ever.
        head_first: find out by HEAD whether a tag has moved, since a GET counts against a limit.
    """

    platform: str
    now: datetime
    immutable_tags: bool = False
    head_first: bool = False


class ImageResolver:
    """Reads images out of one registry; threads may share it."""

    def __init__(self, api: RegistryApiClient, memory: CacheProtocol, choices: ResolverOptions) -> None:
        self._api = api
        self._memory = memory
        self._choices = choices
        self._manifests: SingleFlight[Facts] = SingleFlight()
        self._configs: SingleFlight[ConfigFacts] = SingleFlight()

    def remembered(self, repo: str, tag: str) -> bool:
        """Whether the tag is known from an earlier run, if it has not moved."""
        return self._memory.facts(self._memory.hint(repo, tag)) is not None

    def settled(self, repo: str, tag: str) -> bool:
        """Whether reading the tag takes no request."""
        return self._choices.immutable_tags and self.remembered(repo, tag)

    def read(self, repo: str, tag: str, known: TagInfo | None = None) -> ResolvedTag | Skipped:
        """Find what a tag names.

        Args:
            repo: repository.
            tag: tag.
            known: what the registry's own listing says; if its time can be believed, that settles it.

        Returns:
            The image, or what keeps the tag from being one.

        Raises:
            RegistryError: the registry cannot be queried, or twice gave a corrupt answer.
        """
        if not is_tag(tag):
            return Skipped(repo, tag[:128], "not a name that a tag can have")
        if manifest.is_referrer(tag):
            return Skipped(repo, tag, "a signature or other companion of an image, not an image")
        if known and _is_plausible(known, self._choices.now):
            return ResolvedTag(repo, tag, known.digest, "", TimeEvidence(str(known.created)))
        try:
            digest, facts = self._of_tag(repo, tag)
            config, evidence = self._evidence(repo, facts)
        except _Unusable as error:
            return Skipped(repo, tag, str(error))
        return ResolvedTag(repo, tag, digest, config, evidence)

    def digest(self, repo: str, tag: str) -> str:
        """What a tag names now.

        Raises:
            NotInRegistry: the tag is not there.
            RegistryError: the registry cannot be queried.
        """
        question = self._question(RequestKind.HEAD, repo, f"manifests/{tag}", f"tag {tag}", method="HEAD")
        answer = self._api.send(question)
        said = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 200 and is_digest(said) and not _is_schema1(answer):
            return said
        # An old Nexus answers 404 to every HEAD, and the digest is an optional header.
        answer = self._whole_manifest(repo, tag)
        if answer.status == 404:
            raise NotInRegistry(
                f"{repo}:{tag} is not in {self._api.address.url}", why=self._api.words(answer), hint=_GONE
            )
        if _is_schema1(answer):
            raise RegistryError(
                f"{repo}:{tag} in {self._api.address.url} has only a schema 1 manifest",
                why="it has no dependable digest",
                hint=_PUSH_AGAIN,
            )
        return _digest_of(answer)

    def complete(self, repo: str, digest: str) -> None:
        """Make sure that an image can be pulled: its manifest, the platform's child and the config are there.

        Raises:
            NotInRegistry: one of them is gone; the text says which.
            RegistryError: the registry cannot be queried, or what it has is no image.
        """
        name = f"{repo}@{digest} in {self._api.address.url}"
        about = "the manifest"
        for _level in range(_DEPTH + 1):
            answer = self._whole_manifest(repo, digest, about)
            if answer.status == 404:
                raise NotInRegistry(f"{name}: {about} is gone", why=self._api.words(answer), hint=_GONE)
            facts = manifest.read(answer.body, answer.headers.get("Content-Type", ""))
            if isinstance(facts, UnsupportedManifest):
                raise RegistryError(f"{name} cannot be pulled", why=facts.reason, hint=_PUSH_AGAIN)
            if isinstance(facts, ImageFacts):
                break
            digest = facts.child(self._choices.platform).digest
            about = f"the manifest for {self._choices.platform}"
        else:
            why = f"indexes nested more than {_DEPTH} deep"
            raise RegistryError(f"{name} cannot be pulled", why=why, hint=_PUSH_AGAIN)
        rest = f"blobs/{facts.config}"
        answer = self._api.send(self._question(RequestKind.HEAD, repo, rest, "the config", method="HEAD"))
        if answer.status == 404:
            raise NotInRegistry(f"{name}: the config is gone", why=self._api.words(answer), hint=_GONE)
        if answer.status != 200:
            raise RegistryError(
                f"{name}: the config cannot be requested", why=self._api.words(answer), hint=TRY_AGAIN
            )

    def _of_tag(self, repo: str, tag: str) -> tuple[str, Facts]:
        """The digest that a tag names, and what its manifest says, by as few requests as will do."""
        hint = self._memory.hint(repo, tag)
        known = self._memory.facts(hint) if hint else None
        if known and self._choices.immutable_tags:
            return hint, known
        if known and self._choices.head_first and self._unmoved(repo, tag, hint):
            return hint, known
        try:
            answer = self._manifest(repo, tag, hint if known else "")
        except TooLarge as error:
            raise _Unusable(f"its manifest is larger than {MANIFEST_LIMIT >> 20} MiB") from error
        if answer.status == 304 and known:
            self._api.http.counted("unchanged")
            return hint, known
        if answer.status == 404:
            raise _Unusable(f"listed, but its manifest is gone: {self._api.words(answer)}")
        digest = _digest_of(answer)
        facts = manifest.read(answer.body, answer.headers.get("Content-Type", ""))
        if not _is_schema1(answer):  # that one's digest was not compared
            self._memory.keep(digest, facts)
            self._memory.keep_hint(repo, tag, digest)
        return digest, facts

    def _unmoved(self, repo: str, tag: str, hint: str) -> bool:
        question = self._question(RequestKind.HEAD, repo, f"manifests/{tag}", f"tag {tag}", method="HEAD")
        answer = self._api.send(question)
        return answer.status == 200 and answer.headers.get("Docker-Content-Digest") == hint

    def _evidence(self, repo: str, facts: Facts) -> tuple[str, TimeEvidence]:
        """The digest of the config, and what manifest, index and config say about the time."""
        annotations: tuple[str, ...] = ()
        for _level in range(_DEPTH + 1):
            if isinstance(facts, UnsupportedManifest):
                raise _Unusable(facts.reason)
            annotations = (facts.created, *annotations)
            if isinstance(facts, ImageFacts):
                config = self._config(repo, facts)
                return facts.config, TimeEvidence(config.created, annotations, config.labels, config.history)
            facts = self._child(repo, facts)
        raise _Unusable(f"indexes nested more than {_DEPTH} deep")

    def _child(self, repo: str, index: IndexFacts) -> Facts:
        digest = index.child(self._choices.platform).digest
        return self._memory.facts(digest) or self._manifests.get(digest, lambda: self._fetch_child(repo, digest))

    def _fetch_child(self, repo: str, digest: str) -> Facts:
        if not is_digest(digest):
            raise _Unusable("its index names a child by what is no digest")
        try:
            answer = self._manifest(repo, digest, "", "the manifest of a platform")
        except TooLarge as error:
            raise _Unusable(f"its child's manifest is larger than {MANIFEST_LIMIT >> 20} MiB") from error
        if answer.status == 404:
            raise _Unusable(f"its index is there, but the child {digest[:19]}… is gone: {self._api.words(answer)}")
        facts = manifest.read(answer.body, answer.headers.get("Content-Type", ""))
        self._memory.keep(digest, facts)
        return facts

    def _config(self, repo: str, image: ImageFacts) -> ConfigFacts:
        key = (image.config, image.doubtful)
        return self._memory.config(image.config) or self._configs.get(key, lambda: self._fetch_config(repo, image))

    def _fetch_config(self, repo: str, image: ImageFacts) -> ConfigFacts:
        digest = image.config
        if not is_digest(digest):
            raise _Unusable("its manifest names a config by what is no digest")
        question = self._question(RequestKind.CONFIG, repo, f"blobs/{digest}", "the config", limit=CONFIG_LIMIT)
        try:
            answer = self._sound(question, digest)
        except TooLarge as error:
            raise _Unusable(f"its config is larger than {CONFIG_LIMIT >> 20} MiB") from error
        if answer.status == 404:
            raise _Unusable(f"its manifest is there, but its config is gone: {self._api.words(answer)}")
        if image.doubtful and not manifest.describes_image(answer.body):
            raise _Unusable("an artifact, not an image: its config names no architecture or no layers")
        try:
            found = manifest.read_config(answer.body)
        except ValueError as error:
            raise _Unusable(f"its config cannot be read: {error}") from error
        self._memory.keep(digest, found)
        return found

    def _whole_manifest(self, repo: str, reference: str, about: str = "") -> RegistryResponse:
        try:
            return self._manifest(repo, reference, "", about)
        except TooLarge as error:
            why = f"its manifest is larger than {MANIFEST_LIMIT >> 20} MiB"
            what = f"{repo}, {reference} in {self._api.address.url}: this is no image"
            raise RegistryError(what, why=why, hint=_PUSH_AGAIN) from error

    def _manifest(self, repo: str, reference: str, etag: str, about: str = "") -> RegistryResponse:
        about = about or f"tag {reference}"
        question = self._question(RequestKind.MANIFEST, repo, f"manifests/{reference}", about, limit=MANIFEST_LIMIT)
        return self._sound(replace(question, etag=etag), reference if is_digest(reference) else "")

    def _question(
        self, kind: RequestKind, repo: str, rest: str, about: str, *, method: str = "GET", limit: int = MANIFEST_LIMIT
    ) -> RegistryRequest:
        accept = manifest.ACCEPT if rest.startswith("manifests/") else ""
        return RegistryRequest(kind, self._api.url(repo, rest), repo, about, accept, method=method, limit=limit)

    def _sound(self, question: RegistryRequest, digest: str) -> RegistryResponse:
        """Ask for something that has a digest; once more if the answer does not match it.

        Returns:
            An answer with 200, 304 or 404.

        Raises:
            RegistryError: both answers do not match, or the registry refuses.
        """
        for again in (False, True):
            if again:
                self._api.http.counted("repeats")
            answer = self._api.send(question)
            if answer.status == 304 and question.etag:
                return answer
            if answer.status == 404 and not _misses_accept(self._api.words(answer)):
                return answer
            if answer.status != 200:
                break
            wanted = digest or answer.headers.get("Docker-Content-Digest", "")
            if _is_sound(answer, wanted):
                return answer
            _log.info("%s, %s: the answer is corrupt", question.repo, question.about)
        else:
            if is_digest(wanted):
                cause = (
                    f"the answer is corrupt: expected {wanted[:19]}…, got {_hash(answer.body, wanted)[:19]}…, twice"
                )
                raise self._api.failure(question, cause)
            kind = answer.headers.get("Content-Type", "") or "nothing known"
            raise self._api.failure(question, f"the answer is not a manifest but {kind[:60]!r}")
        words = self._api.words(answer)
        hint = "a proxy in between seems to drop the Accept header" if _misses_accept(words) else ""
        raise self._api.failure(question, words, hint)


def _misses_accept(words: str) -> bool:
    """Whether a refusal says that the request did not accept the manifest's form.

    Every form is in our header, so something in between has dropped it. The words are Distribution's, 2.8 and 3.1.
    """
    return "accept header" in words or "not supported by client" in words


def _is_plausible(known: TagInfo, now: datetime) -> bool:
    try:
        plausible(known.created, now)
    except Undated:
        return False
    return True


def _digest_of(answer: RegistryResponse) -> str:
    """The digest of a manifest that was requested by tag, and that `_sound` has compared with it."""
    said = answer.headers.get("Docker-Content-Digest", "")
    return said if is_digest(said) else _hash(answer.body, "sha256:")


def _hash(body: bytes, like: str) -> str:
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def _is_schema1(answer: RegistryResponse) -> bool:
    return manifest.is_schema1(answer.headers.get("Content-Type", ""))


def _is_sound(answer: RegistryResponse, wanted: str) -> bool:
    """Whether an answer is what its digest says; without a digest, whether it is a document at all."""
    if not is_digest(wanted) or _is_schema1(answer):
        return _is_document(answer)
    return _hash(answer.body, wanted) == wanted


def _is_document(answer: RegistryResponse) -> bool:
    """Whether an answer without a digest is a JSON object at all: a login page is not, nor one cut short."""
    facts = manifest.read(answer.body, answer.headers.get("Content-Type", ""))
    return not (isinstance(facts, UnsupportedManifest) and "JSON" in facts.reason)
