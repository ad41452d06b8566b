"""Harbor: its own API lists a hundred artifacts a page, each with `created` of its config.

https://goharbor.io/docs/ (API explorer, `listArtifacts`); `extra_attrs.created` is the config's own stamp, put
there by Harbor's image processor (src/controller/artifact/processor/image).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import Any
from urllib.parse import quote, urlencode

from rollback.core.image_reference import is_digest
from rollback.core.timestamps import Instant
from rollback.registry.api_client import RegistryApiClient
from rollback.registry.manifest import OCI, SCHEMA2
from rollback.registry.request_counts import RequestKind
from rollback.registry.retry import RetriesExhausted
from rollback.registry.transport import TooLarge
from rollback.registry.vendors.tag_info import TagInfo

NAME = "harbor"
SERVICE = "harbor-registry"  # what Harbor calls itself when it requires a token
PAGE = 100  # artifacts in a page, the most that it gives
_LIMIT = 64 << 20  # bytes; an artifact with its vulnerabilities and labels is some kB
_log = logging.getLogger(__name__)


class Harbor:
    """Harbor's artifacts. Once it refuses, it is not queried again."""

    def __init__(self, api: RegistryApiClient) -> None:
        self._api = api
        self._refused = False

    def needs_fewer_requests(self, requests: int, listed: int) -> bool:
        """Whether asking page by page takes fewer requests than so many, which asking tag by tag takes.

        Args:
            requests: of asking tag by tag.
            listed: how many tags the repository has in all.
        """
        return not self._refused and requests > -(-listed // PAGE)

    def dates(self, repo: str, wanted: Collection[str]) -> dict[str, TagInfo]:
        """Find the images of some tags.

        Only images are in the answer; indexes and everything else are to be read in the plain way, as is all of
        it when Harbor does not answer.

        Args:
            repo: `project/repository`, which may have further slashes.
            wanted: the tags; the search ends when it has met all of them.

        Returns:
            What is known, by tag.
        """
        project, slash, name = repo.partition("/")
        found: dict[str, TagInfo] = {}
        missing = set(wanted)
        # Harbor wants slashes in the repository's name encoded twice.
        path = f"projects/{quote(project)}/repositories/{quote(quote(name, safe=''), safe='')}/artifacts"
        page = 0
        while slash and missing and not self._refused:
            page += 1
            query = urlencode({"with_tag": "true", "page_size": PAGE, "page": page, "sort": "-push_time"})
            artifacts = self._send(repo, f"{path}?{query}")
            for artifact in artifacts:
                tags = [str(tag.get("name")) for tag in artifact.get("tags") or [] if isinstance(tag, dict)]
                missing.difference_update(tags)
                known = _known(artifact)
                if known:
                    found.update(dict.fromkeys(tags, known))
            if len(artifacts) < PAGE:
                break
        return found

    def _send(self, repo: str, path: str) -> list[dict[str, Any]]:
        login = self._api.authenticator.login(repo)
        headers = {"Accept": "application/json"}
        if login.user:
            headers["Authorization"] = login.basic.reveal()
        url = f"{self._api.address.url}/api/v2.0/{path}"
        try:
            answer = self._api.http.carry(RequestKind.OTHER.value, "GET", url, headers, limit=_LIMIT)
            artifacts = json.loads(answer.body) if answer.status == 200 else None
        except (RetriesExhausted, TooLarge, ValueError, RecursionError):
            artifacts = None
        if not isinstance(artifacts, list):
            self._refused = True
            _log.info("Harbor's own API gives no list of %s; asking in the plain way", repo)
            return []
        return [artifact for artifact in artifacts if isinstance(artifact, dict)]


def _known(artifact: dict[str, Any]) -> TagInfo | None:
    digest = artifact.get("digest")
    extra = artifact.get("extra_attrs")
    if artifact.get("type") != "IMAGE" or artifact.get("manifest_media_type") not in (SCHEMA2, OCI):
        return None
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(extra, dict):
        return None
    try:
        return TagInfo(digest, Instant.parse(str(extra.get("created"))))
    except ValueError:
        return None
