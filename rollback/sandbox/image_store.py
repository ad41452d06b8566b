"""Images in memory: real manifests, configs and layers, each under the digest of its own bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
COSIGN_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_TOTO_LAYER = "application/vnd.in-toto+json"


class Form(str, Enum):
    """How an image is stored."""

    DOCKER = "docker"  # one manifest of Docker's kind, as `docker push` writes it
    OCI = "oci"  # one OCI manifest, as podman and ko write it
    INDEX = "index"  # an OCI index of two platforms and their attestations, as buildx writes it


@dataclass
class Repo:
    """One repository.

    Attributes:
        tags: digests by tag.
        manifests: media type and bytes by digest.
        blobs: configs and layers by digest.
    """

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


class ImageStore:
    """The repositories of one registry; filled before it is served."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}

    def push(
        self,
        repo: str,
        tag: str,
        created: str,
        form: Form = Form.DOCKER,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Add an image.

        Args:
            repo: its repository, made if it is new.
            tag: its tag; an older image of that tag loses it.
            created: the RFC 3339 stamp of its config, exactly as it should be written there.
            form: how it is stored.
            labels: of its config.

        Returns:
            The digest that the tag names.
        """
        into = self.repos.setdefault(repo, Repo())
        content = {"repo": repo, "tag": tag}
        if form is not Form.INDEX:
            digest, _ = _image(into, content, created, form, "amd64", labels or {})
        else:
            children = []
            for architecture in ("amd64", "arm64"):
                child, size = _image(into, content, created, Form.OCI, architecture, labels or {})
                described = {"mediaType": OCI_MANIFEST, "digest": child, "size": size}
                platform = {"architecture": architecture, "os": "linux"}
                # The attestation is listed before its image: nothing says that it comes last.
                children += [_attestation(into, child), {**described, "platform": platform}]
            index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
            digest, _ = _manifest(into, OCI_INDEX, index)
        into.tags[tag] = digest
        return digest

    def sign(self, repo: str, tag: str) -> str:
        """Put a signature beside an image, as cosign does: under a tag of its own, with a date of year 1."""
        into = self.repos[repo]
        signed = into.tags[tag]
        config = {"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {}}
        payload = json.dumps({"critical": {"image": {"docker-manifest-digest": signed}}}).encode()
        digest, _ = _manifest(
            into,
            OCI_MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {"mediaType": OCI_CONFIG, **_blob(into, json.dumps(config).encode())},
                "layers": [{"mediaType": COSIGN_LAYER, **_blob(into, payload)}],
            },
        )
        into.tags[signed.replace(":", "-") + ".sig"] = digest
        return digest

    def holds(self, repo: str, *, tag: str = "", digest: str = "") -> bool:
        """Tell whether an image is there, by digest where one is given, else by tag."""
        into = self.repos.get(repo)
        if not into:
            return False
        return digest in into.manifests if digest else tag in into.tags


def _image(
    into: Repo, content: Mapping[str, str], created: str, form: Form, architecture: str, labels: Mapping[str, str]
) -> tuple[str, int]:
    docker = form is Form.DOCKER
    layer, unpacked = _layer(json.dumps({**content, "architecture": architecture}).encode())
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["/app/run"], "Env": ["PATH=/usr/bin:/bin"], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [_digest(unpacked)]},
        "history": [{"created": created, "created_by": "COPY app /app"}],
    }
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    return _manifest(
        into,
        media_type,
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": DOCKER_CONFIG if docker else OCI_CONFIG,
                **_blob(into, json.dumps(config).encode()),
            },
            "layers": [{"mediaType": DOCKER_LAYER if docker else OCI_LAYER, **_blob(into, layer)}],
        },
    )


def _attestation(into: Repo, subject: str) -> dict[str, Any]:
    statement = {"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": {"sha256": subject[7:]}}]}
    config = {"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    digest, size = _manifest(
        into,
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **_blob(into, json.dumps(config).encode())},
            "layers": [{"mediaType": IN_TOTO_LAYER, **_blob(into, json.dumps(statement).encode())}],
        },
    )
    return {
        "mediaType": OCI_MANIFEST,
        "digest": digest,
        "size": size,
        "annotations": {
            "vnd.docker.reference.digest": subject,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def _layer(content: bytes) -> tuple[bytes, bytes]:
    """A layer with one file: packed and unpacked."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        member = tarfile.TarInfo("app/about.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(unpacked.getvalue(), mtime=0), unpacked.getvalue()


def _manifest(into: Repo, media_type: str, document: Mapping[str, Any]) -> tuple[str, int]:
    body = json.dumps(document, indent=3).encode()
    digest = _digest(body)
    into.manifests[digest] = (media_type, body)
    return digest, len(body)


def _blob(into: Repo, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    into.blobs[digest] = content
    return {"digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
