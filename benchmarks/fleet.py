"""Fills a registry's folder with images, by writing its files: pushing 10^5 tags would take an hour."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# A config of a usual size: ten layers, a score of steps, an environment.
_HISTORY = [
    {
        "created": "2025-12-01T00:00:00Z",
        "created_by": f"/bin/sh -c step {step} {'x' * 180}",
        **({"empty_layer": True} if step % 2 else {}),
    }
    for step in range(20)
]
_ENV = [f"SETTING_{n}={'v' * 40}" for n in range(25)]


def fill(folder: Path, repos: int, tags: int, matching: int, environment: str = "master") -> list[str]:
    """Write repositories into the folder of a registry (its `rootdirectory`).

    Args:
        folder: the root of its storage.
        repos: how many repositories.
        tags: how many tags each has in all.
        matching: how many of these end with the environment's name, each with an image of its own; the others
            share one.
        environment: the name.

    Returns:
        The repositories' names.
    """
    root = folder / "docker/registry/v2"
    names = [f"shop/service{number:02}" for number in range(repos)]
    for number, name in enumerate(names):
        other = _image(root, name, f"{name} other", _START)
        for index in range(matching):
            created = _START + timedelta(minutes=17 * ((index * 7919) % matching) + number)
            digest = _image(root, name, f"{name} {index}", created)
            _tag(root, name, f"1.{index}.0-{environment}", digest)
        for index in range(tags - matching):
            _tag(root, name, f"1.{index}.0-feature", other)
    return names


def _image(root: Path, repo: str, salt: str, created: datetime) -> str:
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": created.isoformat().replace("+00:00", ".123456789Z"),
            "config": {"Env": _ENV, "Labels": {"salt": salt}},
            "history": _HISTORY,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{n:064x}" for n in range(10)]},
        }
    ).encode()
    config_digest = _blob(root, config)
    _link(root / f"repositories/{repo}/_layers", config_digest)
    layers = [{"mediaType": _LAYER, "size": 1000 + n, "digest": f"sha256:{n:064x}"} for n in range(10)]
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": SCHEMA2,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": config_digest},
            "layers": layers,
        },
        indent=3,
    ).encode()
    digest = _blob(root, manifest)
    _link(root / f"repositories/{repo}/_manifests/revisions", digest)
    return digest


def _tag(root: Path, repo: str, tag: str, digest: str) -> None:
    folder = root / f"repositories/{repo}/_manifests/tags/{tag}"
    (folder / "current").mkdir(parents=True)
    (folder / "current/link").write_text(digest)
    _link(folder / "index", digest)


def _blob(root: Path, body: bytes) -> str:
    name = hashlib.sha256(body).hexdigest()
    file = root / f"blobs/sha256/{name[:2]}/{name}/data"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return f"sha256:{name}"


def _link(folder: Path, digest: str) -> None:
    place = folder / digest.replace(":", "/")
    place.mkdir(parents=True, exist_ok=True)
    (place / "link").write_text(digest)
