"""The registries' own ways of listing, made from what a plain registry holds."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from rollback.core.timestamps import Instant
from rollback.registry.manifest import ACCEPT
from tests.support.registry_proxy import Asked, Go, Reply, Rule

Listed = dict[str, dict[str, Any]]  # digest: what a registry knows of it
_IMAGES = ("application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json")


def google(upstream: str) -> Rule:
    """Add Google's member `manifest` to the list of tags."""

    def rule(asked: Asked, go: Go) -> Reply:
        reply = go()
        if not asked.path.endswith("/tags/list"):
            return reply
        document = json.loads(reply.body)
        document["child"] = []
        document["manifest"] = {
            digest: {
                "imageSizeBytes": "1",
                "layerId": "",
                "mediaType": entry["mediaType"],
                "tag": entry["tags"],
                "timeCreatedMs": str(_milliseconds(entry["created"])),
                "timeUploadedMs": "1767225600000",
            }
            for digest, entry in _artifacts(upstream, asked.repo).items()
        }
        return Reply(200, reply.headers, json.dumps(document).encode())

    return rule


def harbor(upstream: str, allowed: Callable[[Asked], bool] = lambda _asked: True) -> Rule:
    """Answer Harbor's artifacts API."""

    def rule(asked: Asked, go: Go) -> Reply:
        if not asked.path.startswith("/api/"):
            return go()
        if not allowed(asked):
            return Reply(403, {}, b'{"errors":[{"code":"FORBIDDEN","message":"forbidden"}]}')
        _empty, _api, _version, _projects, project, _repositories, name, _artifacts_word = asked.path.split("/")
        repo = f"{project}/{unquote(unquote(name))}"
        everything = [
            {
                "digest": digest,
                "type": "IMAGE" if entry["config"] in _IMAGES or not entry["config"] else "UNKNOWN",
                "manifest_media_type": entry["mediaType"],
                "media_type": entry["config"],
                "push_time": "2026-11-01T00:00:00.000Z",
                "extra_attrs": {"architecture": "amd64", "created": entry["created"]} if entry["config"] else None,
                "tags": [{"name": tag, "immutable": False} for tag in entry["tags"]],
            }
            for digest, entry in _artifacts(upstream, repo).items()
        ]
        size, page = int(asked.query["page_size"][0]), int(asked.query["page"][0])
        return Reply(200, {}, json.dumps(everything[(page - 1) * size : page * size]).encode())

    return rule


def _artifacts(upstream: str, repo: str) -> Listed:
    """What a registry with eyes of its own would know of a repository's tags."""
    found: Listed = {}
    for tag in json.loads(_get(f"{upstream}/v2/{repo}/tags/list")[0])["tags"] or []:
        try:
            body, headers = _get(f"{upstream}/v2/{repo}/manifests/{tag}")
            manifest = json.loads(body)
            config = manifest.get("config") or {}
            told: Any = {}
            if config.get("mediaType") in _IMAGES and not manifest.get("artifactType") and _is_plain(manifest):
                told = json.loads(_get(f"{upstream}/v2/{repo}/blobs/{config['digest']}")[0])
        except (OSError, ValueError):
            continue
        entry = found.setdefault(
            headers["Docker-Content-Digest"],
            {
                "tags": [],
                "mediaType": headers["Content-Type"],
                "created": told.get("created") or "0001-01-01T00:00:00Z",
                "config": config.get("mediaType", ""),
            },
        )
        entry["tags"].append(tag)
    return found


def _is_plain(manifest: Any) -> bool:
    return all(".image." in layer["mediaType"] for layer in manifest["layers"])


def _milliseconds(created: str) -> int:
    try:
        time: datetime = Instant.parse(created).time
    except ValueError:
        return 0
    return int(time.timestamp() * 1000)


def _get(url: str) -> tuple[bytes, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})  # noqa: S310
    with opener.open(request, timeout=10) as answer:
        return answer.read(), answer.headers
