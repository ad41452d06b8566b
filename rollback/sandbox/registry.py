"""A read-only registry: the distribution API over images in memory, answering as Distribution 3.1 does."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from rollback.sandbox.http_messages import Request, Response, as_json
from rollback.sandbox.image_store import OCI_MANIFEST, ImageStore, Repo

_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_REMEMBERED = 10_000
_MOST_TAGS = 1000  # Distribution's tags.maxtags
_PATHS = re.compile(r"/v2/(?P<repo>.+)/(?P<kind>tags|manifests|blobs)/(?P<name>[^/]+)")


class RegistryServer:
    """Answers requests to `/v2/…`.

    Args:
        images: what it holds.
    """

    def __init__(self, images: ImageStore) -> None:
        self.images = images
        self.seen: list[tuple[str, str]] = []  # method and path of the newest requests, in order

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        self.seen.append((request.method, request.path))
        del self.seen[:-_REMEMBERED]
        if request.method not in ("GET", "HEAD"):
            return _error(405, "UNSUPPORTED", "The operation is unsupported.")
        if request.path in ("/v2", "/v2/"):
            return as_json(200, {}, _VERSION)
        if request.path == "/v2/_catalog":
            return as_json(200, {"repositories": sorted(self.images.repos)}, _VERSION)
        found = _PATHS.fullmatch(request.path)
        if not found:
            return Response(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        repo, kind, name = found["repo"], found["kind"], found["name"]
        held = self.images.repos.get(repo)
        if kind == "tags" and name == "list":
            if held is None:
                return _error(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": repo})
            return _tags(request, repo, held)
        if kind == "manifests":
            return _manifest(request, held or Repo(), name)
        if kind == "blobs":
            return _blob(request, held or Repo(), name)
        return Response(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


def _tags(request: Request, repo: str, held: Repo) -> Response:
    """A page of tags. A last page that is exactly full still has a `Link`, to one whose tags are null."""
    tags = sorted(held.tags)
    asked = request.first("n")
    if not asked:
        return as_json(200, {"name": repo, "tags": tags or None}, _VERSION)
    if not asked.isdecimal():
        return _error(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", {"n": asked})
    size = min(int(asked), _MOST_TAGS)
    last = request.first("last")
    page = [tag for tag in tags if tag > last][:size]
    headers = dict(_VERSION)
    if page and len(page) == size:
        query = urlencode({"last": page[-1], "n": size})
        headers["Link"] = f'</v2/{repo}/tags/list?{query}>; rel="next"'
    return as_json(200, {"name": repo, "tags": page or None}, headers)


def _manifest(request: Request, held: Repo, name: str) -> Response:
    digest = name if ":" in name else held.tags.get(name, "")
    if digest not in held.manifests:
        place = {"digest": digest} if ":" in name else {"name": name}
        return _error(404, "MANIFEST_UNKNOWN", "manifest unknown", place)
    if request.headers.get("if-none-match", "").strip('"') == digest:
        return Response(304, headers=_VERSION)
    media_type, body = held.manifests[digest]
    if media_type == OCI_MANIFEST and ":" not in name and OCI_MANIFEST not in _accepted(request):
        text = "OCI manifest found, but accept header does not support OCI manifests"
        return _error(404, "MANIFEST_UNKNOWN", text)
    headers = {"Content-Type": media_type, "Docker-Content-Digest": digest, "ETag": f'"{digest}"', **_VERSION}
    return Response(200, body, headers)


def _blob(request: Request, held: Repo, digest: str) -> Response:
    if digest not in held.blobs:
        return _error(404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest})
    headers = {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Cache-Control": "max-age=31536000",
        **_VERSION,
    }
    if request.headers.get("if-none-match", "").strip('"') == digest:
        return Response(304, headers=_VERSION)
    return Response(200, held.blobs[digest], headers)


def _accepted(request: Request) -> set[str]:
    return {one.partition(";")[0].strip() for one in request.headers.get("accept", "").split(",")}


def _error(status: int, code: str, message: str, detail: Any = None) -> Response:
    return as_json(status, {"errors": [{"code": code, "message": message, "detail": detail}]}, _VERSION)
