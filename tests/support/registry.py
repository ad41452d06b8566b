"""A real registry on loopback, and images of every form to push to it."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@contextmanager
def serve(
    program: str,
    folder: Path,
    *,
    http: Mapping[str, Any] | None = None,
    auth: Mapping[str, Any] | None = None,
    page: int = 0,
) -> Iterator[str]:
    """Run a registry with its files in `folder`; gives its URL.

    Args:
        program: path of docker-registry or distribution-registry, as the `part` fixture finds it.
        folder: an empty one.
        http: what to add to the `http` section of its configuration, such as `tls`.
        auth: the `auth` section, for a registry that asks for a login itself.
        page: how many tags one answer lists at most, where the program has such a limit; 0 for its default.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}}
    configuration = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": {"addr": f"127.0.0.1:{port}", **(http or {})},
        # Distribution 3 would refuse an index whose children are no manifests, such as BuildKit's old caches that
        # registries have kept from the days of 2.8, which takes them and ignores this.
        "validation": {"manifests": {"indexes": {"platforms": "none"}}},
        **({"auth": auth} if auth else {}),
        **({"tags": {"maxtags": page}} if page else {}),
    }
    file = folder / "registry.json"  # JSON is YAML, too
    file.write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(file)], stdout=log, stderr=log)
        try:
            _await(process, port, folder / "log")
            yield f"{'https' if http and 'tls' in http else 'http'}://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _attempt in range(500):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"the registry did not start: {log.read_text()[-500:]}")


def push_image(
    base_url: str,
    repo: str,
    tag: str,
    created: str | None,
    *,
    oci: bool = False,
    annotation: str = "",
    labels: Mapping[str, str] | None = None,
    media_type: bool = True,
    config: Mapping[str, Any] | None = None,
) -> str:
    """Push an image with a `created` of choice.

    Args:
        base_url: of a registry.
        repo: repository.
        tag: tag; empty to push it by digest alone.
        created: the config's stamp as text; None to leave it out.
        oci: an OCI manifest instead of Docker's schema 2.
        annotation: `org.opencontainers.image.created` of the manifest.
        labels: of the config.
        media_type: whether the manifest says what it is (OCI ones need not).
        config: further members of the config.

    Returns:
        The digest of its manifest.
    """
    body: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": dict(labels)} if labels else {},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
        **(config or {}),
    }
    if created is not None:
        body["created"] = created
    return push_manifest(
        base_url,
        repo,
        tag,
        config=json.dumps(body).encode(),
        config_type=OCI_CONFIG if oci else DOCKER_CONFIG,
        layers=[(OCI_LAYER if oci else DOCKER_LAYER, f"layer of {repo}".encode())],
        kind=OCI if oci else SCHEMA2,
        annotations={"org.opencontainers.image.created": annotation} if annotation else None,
        media_type=media_type,
    )


def push_manifest(
    base_url: str,
    repo: str,
    tag: str,
    *,
    config: bytes,
    config_type: str,
    layers: list[tuple[str, bytes]],
    kind: str = OCI,
    annotations: Mapping[str, str] | None = None,
    media_type: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Push anything that has the form of an image manifest; gives its digest."""
    document: dict[str, Any] = {"schemaVersion": 2}
    if media_type:
        document["mediaType"] = kind
    document["config"] = _descriptor(config_type, push_blob(base_url, repo, config), config)
    document["layers"] = [_descriptor(name, push_blob(base_url, repo, layer), layer) for name, layer in layers]
    if annotations:
        document["annotations"] = dict(annotations)
    return put_manifest(base_url, repo, tag, {**document, **(extra or {})}, kind)


def push_index(
    base_url: str,
    repo: str,
    tag: str,
    children: list[dict[str, Any]],
    *,
    docker: bool = False,
    annotation: str = "",
    media_type: bool = True,
) -> str:
    """Push an index (or Docker's manifest list) of children made by `child`; gives its digest."""
    kind = LIST if docker else OCI_INDEX
    document: dict[str, Any] = {"schemaVersion": 2, "manifests": children}
    if media_type:
        document["mediaType"] = kind
    if annotation:
        document["annotations"] = {"org.opencontainers.image.created": annotation}
    return put_manifest(base_url, repo, tag, document, kind)


def child(digest: str, platform: str = "linux/amd64", kind: str = OCI, **more: Any) -> dict[str, Any]:
    """One line of an index; without a platform if that is empty."""
    entry: dict[str, Any] = {"mediaType": kind, "digest": digest, "size": 500, **more}
    if platform:
        names = ("os", "architecture", "variant")
        entry["platform"] = dict(zip(names, platform.split("/"), strict=False))
    return entry


def put_manifest(base_url: str, repo: str, tag: str, document: Mapping[str, Any], kind: str) -> str:
    """Put a manifest under a tag, or by digest where that is empty; gives its digest."""
    body = json.dumps(document).encode()
    digest = _digest(body)
    _send("PUT", f"{base_url}/v2/{repo}/manifests/{tag or digest}", body, kind)
    return digest


def manifest(base_url: str, repo: str, digest: str) -> dict[str, Any]:
    """The manifest with this digest."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310
        f"{base_url}/v2/{repo}/manifests/{digest}", headers={"Accept": f"{SCHEMA2}, {OCI}"}
    )
    with opener.open(request, timeout=10) as answer:
        document: dict[str, Any] = json.loads(answer.read())
    return document


def push_blob(base_url: str, repo: str, body: bytes) -> str:
    """Upload a blob; gives its digest."""
    digest = _digest(body)
    place = _send("POST", f"{base_url}/v2/{repo}/blobs/uploads/").headers["Location"]
    joint = "&" if "?" in place else "?"
    _send("PUT", f"{place}{joint}digest={digest}", body, "application/octet-stream")
    return digest


def delete_manifest(base_url: str, repo: str, digest: str) -> None:
    """Delete a manifest, with its tags."""
    _send("DELETE", f"{base_url}/v2/{repo}/manifests/{digest}")


def blob_file(folder: Path, digest: str) -> Path:
    """Where a registry that serves from `folder` keeps a blob or a manifest."""
    name = digest.removeprefix("sha256:")
    return folder / "data/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


def blob_link(folder: Path, repo: str, digest: str) -> Path:
    """The file that makes a blob belong to a repository; without it the registry answers 404."""
    name = digest.removeprefix("sha256:")
    return folder / "data/docker/registry/v2/repositories" / repo / "_layers/sha256" / name / "link"


def _descriptor(media_type: str, digest: str, body: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": len(body)}


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _send(method: str, url: str, body: bytes | None = None, kind: str = "") -> Any:
    request = urllib.request.Request(  # noqa: S310
        url, body, {"Content-Type": kind} if kind else {"Content-Length": "0"}, method=method
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            answer.read()
            return answer
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.code} {error.read()[:300]!r}") from error
