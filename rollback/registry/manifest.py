"""What a manifest and an image's config say: bytes in, facts out.

The forms are those of https://github.com/opencontainers/image-spec and, older, of
https://distribution.github.io/distribution/spec/manifest-v2-2/.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from rollback.core.timestamps import Instant

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
# All in one header: without one of them, a registry answers 404 or a converted manifest with another digest.
ACCEPT = ", ".join((OCI_INDEX, LIST, OCI, SCHEMA2))

_IMAGES = {SCHEMA2, OCI}
_INDEXES = {LIST, OCI_INDEX}
_SCHEMA1 = re.compile(r"application/vnd\.docker\.distribution\.manifest\.v1\+\w+")
_CONFIGS = {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
# What Docker also pulls, since old registries and clients wrote these (distribution/registry.go in moby, and
# https://github.com/distribution/distribution/issues/1621): images, if everything else says so.
_ODD_CONFIGS = {"application/octet-stream", "application/json", "text/html", ""}
_LAYERS = ("application/vnd.docker.image.rootfs.", "application/vnd.oci.image.layer.")
# cosign's signatures and the index that replaces the referrers API are named after what they belong to
_REFERRER = re.compile(r"sha256-[0-9a-f]{64}(\.\w+)?")
_CREATED = "org.opencontainers.image.created"
_BUILD_DATE = "org.label-schema.build-date"  # what images used before the OCI's names
_STRANGERS = {
    "application/vnd.cncf.helm.config.v1+json": "a Helm chart",
    "application/vnd.buildkit.cacheconfig.v0": "a build cache",
    "application/vnd.oci.empty.v1+json": "an OCI artifact",
}


@dataclass(frozen=True)
class ImageFacts:
    """An image's manifest.

    Attributes:
        config: the digest of its config.
        created: its annotation of when it was created; empty if there is none.
        doubtful: whether its config's media type is odd, so that it is an image only if `describes_image` says so.
    """

    config: str
    created: str = ""
    doubtful: bool = False


@dataclass(frozen=True)
class Child:
    """One line of an index. `platform` is `os/architecture` with the variant if there is one, or empty."""

    digest: str
    platform: str = ""
    nested: bool = False


@dataclass(frozen=True)
class IndexFacts:
    """An index (Docker: manifest list): the children that can run, in its order, and its annotation."""

    children: tuple[Child, ...]
    created: str = ""

    def child(self, platform: str) -> Child:
        """Choose the child for a platform.

        That is the one that says so, else a nested index that says nothing (it may hold it), else the first.
        """
        fits = [one for one in self.children if one.platform == platform]
        fits = fits or [one for one in self.children if one.platform.startswith(f"{platform}/")]
        fits = fits or [one for one in self.children if one.nested and not one.platform]
        return (fits or self.children)[0]


@dataclass(frozen=True)
class UnsupportedManifest:
    """Something that is not an image, or none that can be used, and what it is."""

    reason: str


@dataclass(frozen=True)
class ConfigFacts:
    """What an image's config says about its time, as texts.

    Attributes:
        created: its `created`.
        labels: those that name a time, best first.
        history: the newest `created` in its history.
    """

    created: str = ""
    labels: tuple[str, ...] = ()
    history: str = ""


Facts = ImageFacts | IndexFacts | UnsupportedManifest


def is_referrer(tag: str) -> bool:
    """Tell whether a tag's name says that it holds a signature or another companion of an image."""
    return bool(_REFERRER.fullmatch(tag))


def is_schema1(content_type: str) -> bool:
    """Tell whether an answer is of the old form, whose signatures its digest leaves out."""
    return bool(_SCHEMA1.fullmatch(content_type.partition(";")[0].strip().lower()))


def read(body: bytes, content_type: str = "") -> Facts:
    """Read a manifest.

    What it is, is said by the answer's Content-Type, else by `mediaType` inside, else by its shape: OCI manifests
    may leave `mediaType` out, and some proxies call everything `application/json`.

    Returns:
        A `UnsupportedManifest` for everything that is not a usable image, or index of images.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return UnsupportedManifest("its manifest is not JSON")
    if not isinstance(document, dict):
        return UnsupportedManifest("its manifest is not a JSON object")
    header = content_type.partition(";")[0].strip().lower()
    inside = _text(document.get("mediaType"))
    named_kinds = [kind for kind in (header, inside) if kind in _IMAGES | _INDEXES or is_schema1(kind)]
    if len(set(named_kinds)) > 1:
        return UnsupportedManifest(
            f"the registry calls its manifest {named_kinds[0]}, and the manifest itself {named_kinds[1]}"
        )
    kind = named_kinds[0] if named_kinds else _shape(document)
    if is_schema1(kind) or document.get("schemaVersion") == 1:
        return UnsupportedManifest("only an old schema 1 manifest, which has no dependable digest")
    if kind in _INDEXES:
        return _read_index(document)
    if kind in _IMAGES:
        return _read_image(document)
    return UnsupportedManifest(f"an unknown kind of manifest: {(inside or header)[:80] or 'it does not say which'}")


def describes_image(body: bytes) -> bool:
    """Tell whether a config is an image's: it names an architecture and the layers of the file system."""
    try:
        document = _object(json.loads(body))
    except (ValueError, RecursionError):
        return False
    layers = _object(document.get("rootfs")).get("diff_ids")
    return bool(_text(document.get("architecture"))) and isinstance(layers, list)


def read_config(body: bytes) -> ConfigFacts:
    """Read an image's config.

    Raises:
        ValueError: not a config at all.
    """
    try:
        document = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    labels = _object(_object(document.get("config")).get("Labels"))
    found = (_text(labels.get(name)) for name in (_CREATED, _BUILD_DATE))
    return ConfigFacts(
        _text(document.get("created")), tuple(label for label in found if label), _newest(document.get("history"))
    )


def _newest(history: object) -> str:
    """The newest `created` of a config's history; empty if there is none that can be read."""
    newest = ""
    at: Instant | None = None
    for entry in history if isinstance(history, list) else []:
        text = _text(_object(entry).get("created"))
        try:
            instant = Instant.parse(text)
        except ValueError:
            continue
        if at is None or instant > at:
            newest, at = text, instant
    return newest


def _shape(document: dict[str, Any]) -> str:
    if "manifests" in document:
        return OCI_INDEX
    return OCI if "config" in document else ""


def _read_image(document: dict[str, Any]) -> Facts:
    config = _object(document.get("config"))
    kind, digest = _text(config.get("mediaType")), _text(config.get("digest"))
    if document.get("artifactType"):
        return UnsupportedManifest(f"an OCI artifact ({_text(document['artifactType'])[:80]}), not an image")
    listed = document.get("layers")
    layers = [_text(_object(layer).get("mediaType")) for layer in listed] if isinstance(listed, list) else []
    doubtful = kind in _ODD_CONFIGS
    proven = bool(layers) and all(layer.startswith(_LAYERS) for layer in layers)
    if kind not in _CONFIGS and not (doubtful and digest and proven):
        return UnsupportedManifest(
            f"{_STRANGERS.get(kind, 'an artifact')} ({kind[:80] or 'no config type'}), not an image"
        )
    for layer in layers:
        if layer and not layer.startswith(_LAYERS):
            signed = any(word in layer for word in ("in-toto", "cosign", "dsse"))
            name = "a signature or attestation" if signed else "an artifact"
            return UnsupportedManifest(f"{name} (layer {layer[:80]}), not an image")
    if not digest:
        return UnsupportedManifest("its manifest names no config")
    return ImageFacts(digest, _annotation(document), doubtful)


def _read_index(document: dict[str, Any]) -> Facts:
    children: list[Child] = []
    listed = document.get("manifests")
    for entry in listed if isinstance(listed, list) else []:
        child = _object(entry)
        kind, digest = _text(child.get("mediaType")), _text(child.get("digest"))
        if "buildkit.cacheconfig" in kind:
            return UnsupportedManifest("a build cache, not an image")
        if not digest or (kind and kind not in _IMAGES | _INDEXES) or child.get("artifactType"):
            continue
        if "vnd.docker.reference.type" in _object(child.get("annotations")):  # BuildKit's attestations
            continue
        platform = _platform(_object(child.get("platform")))
        if not platform.startswith("unknown/"):
            children.append(Child(digest, platform, kind in _INDEXES))
    if not children:
        return UnsupportedManifest("an index without an image that could run")
    return IndexFacts(tuple(children), _annotation(document))


def _platform(platform: dict[str, Any]) -> str:
    parts = (_text(platform.get(name)) for name in ("os", "architecture", "variant"))
    return "/".join(part for part in parts if part)


def _annotation(document: dict[str, Any]) -> str:
    return _text(_object(document.get("annotations")).get(_CREATED))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
