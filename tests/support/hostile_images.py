"""Images of every form that registries hold, and what a survey of them has to find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from rollback.core.creation_time import date_images
from rollback.core.environment_tags import EnvironmentTags
from rollback.core.image import Image, Skipped
from rollback.registry.client import RegistryOptions, ScanResult, connect
from rollback.registry.retry import Budget
from tests.support import registry as real

HOUR = timedelta(hours=1)
REPOS = ["shop/forms", "shop/dates", "shop/strangers", "shop/broken", "shop/many", "shop/empty"]
EAGER = Budget(first_s=0.0)  # no pauses between tries


MASTER = EnvironmentTags("master")
master = MASTER.fits


@dataclass(frozen=True)
class Fleet:
    """The registry, and what a survey of it has to find: (repo, tag, digest, created, source) by time."""

    url: str
    folder: Path
    images: list[tuple[str, str, str, str, str]]
    skipped: dict[tuple[str, str], str]

    def of(self, repo: str) -> list[tuple[str, str, str, str, str]]:
        return [line for line in self.images if line[0] == repo]


def dated(survey: ScanResult, now: datetime | None = None) -> tuple[list[Image], list[Skipped]]:
    """The images of a survey by time, and all that is none or has no time."""
    images, undated = date_images(survey.resolved, MASTER, now or datetime.now(timezone.utc))
    return sorted(images, key=lambda image: (image.created, image.tag)), [*survey.skipped, *undated]


def lines(survey: ScanResult) -> list[tuple[str, str, str, str, str]]:
    """A line for each tag, by the order of the repositories and then by time."""
    repos = list(dict.fromkeys(one.repo for one in survey.resolved))
    images = sorted(dated(survey)[0], key=lambda image: (repos.index(image.repo), image.created, image.tag))
    return [line(image, tag) for image in images for tag in image.tags]


def line(image: Image, tag: str) -> tuple[str, str, str, str, str]:
    return (image.repo, tag, image.digest, str(image.created), image.created_from.value)


def look(url: str, repos: list[str] | None = None, **options: object) -> ScanResult:
    """A survey as the program makes it."""
    registry = connect(RegistryOptions(url, **options), budget=EAGER)  # type: ignore[arg-type]
    try:
        return registry.survey(repos or REPOS, master)
    finally:
        registry.close()


def agrees(survey: ScanResult, fleet: Fleet) -> None:
    """The survey found what is there, and skipped the rest for the right reasons."""
    found = lines(survey)
    for repo in REPOS:
        of_repo = [one for one in found if one[0] == repo]
        assert of_repo[-10:] == fleet.of(repo)[-10:], f"the newest ten of {repo}"
    assert found == fleet.images
    skipped = dated(survey)[1]
    assert {(one.repo, one.tag) for one in skipped} == set(fleet.skipped)
    for one in skipped:
        assert fleet.skipped[one.repo, one.tag] in one.reason


def fill(url: str, folder: Path) -> Fleet:
    """Push every form of image to an empty registry, and break what has to be broken.

    Args:
        url: of the registry.
        folder: that it serves from.
    """
    images: list[tuple[str, str, str, str, str]] = []
    skipped: dict[tuple[str, str], str] = {}
    images += _forms(url)
    images += _dates(url, skipped)
    images += _strangers(url, skipped)
    images += _broken(url, folder, skipped)
    images += _many(url)
    gone = real.push_image(url, "shop/empty", "1-master", "2026-01-01T00:00:00Z")
    real.delete_manifest(url, "shop/empty", gone)
    return Fleet(url, folder, images, skipped)


def _forms(url: str) -> list[tuple[str, str, str, str, str]]:
    repo = "shop/forms"

    def push(tag: str, created: str, oci: bool = True, **options: object) -> str:
        return real.push_image(url, repo, tag, created, oci=oci, **options)  # type: ignore[arg-type]

    found = [
        ("schema2-master", push("schema2-master", "2026-01-01T00:00:00Z", oci=False), "2026-01-01T00:00:00Z"),
        ("oci-master", push("oci-master", "2026-01-02T00:00:00Z"), "2026-01-02T00:00:00Z"),
        (
            "untold-master",
            push("untold-master", "2026-01-03T00:00:00Z", media_type=False),
            "2026-01-03T00:00:00Z",
        ),
    ]
    # Docker's list: the amd64 child counts although it is neither the first nor the newest.
    arm = push("", "2026-06-01T00:00:00Z", oci=False)
    amd = push("", "2026-01-04T00:00:00Z", oci=False)
    children = [real.child(arm, "linux/arm64/v8", real.SCHEMA2), real.child(amd, "linux/amd64", real.SCHEMA2)]
    found.append(
        ("list-master", real.push_index(url, repo, "list-master", children, docker=True), "2026-01-04T00:00:00Z")
    )
    # BuildKit's index: the attestation comes first, has an OCI manifest's type and platform unknown/unknown.
    proof = real.push_manifest(
        url,
        repo,
        "",
        config=b'{"architecture":"unknown","os":"unknown"}',
        config_type=real.OCI_CONFIG,
        layers=[("application/vnd.in-toto+json", b"{}")],
    )
    amd = push("", "2026-01-05T00:00:00.123456789Z")
    marked: dict[str, Any] = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    children = [real.child(proof, "unknown/unknown", **marked), real.child(amd)]
    found.append(
        (
            "attested-master",
            real.push_index(url, repo, "attested-master", children),
            "2026-01-05T00:00:00.123456789Z",
        )
    )
    # An index within an index, and no platform for the outer one to choose by.
    inner = real.push_index(url, repo, "", [real.child(push("", "2026-01-06T00:00:00Z"))])
    outer = real.push_index(url, repo, "nested-master", [real.child(inner, "", real.OCI_INDEX)], media_type=False)
    found.append(("nested-master", outer, "2026-01-06T00:00:00Z"))
    # No child for the preferred platform: the first that can run.
    only = push("", "2026-01-07T00:00:00Z")
    found.append(
        (
            "arm-master",
            real.push_index(url, repo, "arm-master", [real.child(only, "linux/arm64")]),
            "2026-01-07T00:00:00Z",
        )
    )
    # A retag: one digest, two tags.
    twice = real.push_image(url, repo, "b-master", "2026-01-08T00:00:00Z")
    assert twice == real.push_image(url, repo, "a-master", "2026-01-08T00:00:00Z")
    found += [("a-master", twice, "2026-01-08T00:00:00Z"), ("b-master", twice, "2026-01-08T00:00:00Z")]
    found.append(("master", push("master", "2026-01-09T00:00:00Z"), "2026-01-09T00:00:00Z"))
    push("1-premaster", "2026-05-01T00:00:00Z")
    push("-master".removeprefix("-") + "-develop", "2026-05-01T00:00:00Z")
    return [(repo, tag, digest, created, "config") for tag, digest, created in found]


def _dates(url: str, skipped: dict[tuple[str, str], str]) -> list[tuple[str, str, str, str, str]]:
    repo = "shop/dates"
    soon = (datetime.now(timezone.utc) + 12 * HOUR).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    late = (datetime.now(timezone.utc) + 36 * HOUR).isoformat()
    oci, old = "org.opencontainers.image.created", "org.label-schema.build-date"
    told = [  # tag, config, annotation, labels, expected, source
        ("annotated", "1970-01-01T00:00:00Z", "2026-02-01T08:00:00Z", {}, "2026-02-01T08:00:00Z", "annotation"),
        ("labelled", None, "", {oci: "2026-02-02T00:00:00Z"}, "2026-02-02T00:00:00Z", "label"),
        ("schema", "", "", {old: "2026-02-03T00:00:00Z"}, "2026-02-03T00:00:00Z", "label"),
        ("both", "0001-01-01T00:00:00Z", "", {old: "2020-01-01T00:00:00Z", oci: "2026-02-04T00:00:00Z"},
         "2026-02-04T00:00:00Z", "label"),
        ("nano1", "2026-02-05T00:00:00.000000001Z", "", {}, "2026-02-05T00:00:00.000000001Z", "config"),
        ("nano2", "2026-02-05T00:00:00.000000002Z", "", {}, "2026-02-05T00:00:00.000000002Z", "config"),
        ("east", "2026-02-06T00:30:00+09:00", "", {}, "2026-02-05T15:30:00Z", "config"),
        ("west", "2026-02-05T22:15:00-05:00", "", {}, "2026-02-06T03:15:00Z", "config"),
        ("config-first", "2026-02-07T00:00:00Z", "2026-03-01T00:00:00Z", {oci: "2026-03-02T00:00:00Z"},
         "2026-02-07T00:00:00Z", "config"),
        ("future-config", late, "2026-02-08T00:00:00Z", {}, "2026-02-08T00:00:00Z", "annotation"),
        ("soon", soon, "", {}, soon, "config"),
    ]  # fmt: skip
    found = []
    for tag, config, annotation, labels, expected, source in told:
        name = f"{tag}-master"
        digest = real.push_image(url, repo, name, config, oci=True, annotation=annotation, labels=labels)
        found.append((repo, name, digest, expected, source))
    # The index's own annotation is the last resort before labels.
    child = real.push_image(url, repo, "", None, oci=True)
    digest = real.push_index(url, repo, "index-master", [real.child(child)], annotation="2026-02-09T00:00:00Z")
    found.insert(10, (repo, "index-master", digest, "2026-02-09T00:00:00Z", "annotation"))
    for tag, config, reason in [
        ("epoch-master", "1970-01-01T00:00:01Z", "before 1990"),
        ("pack-master", "1980-01-01T00:00:01Z", "before 1990"),
        ("zero-master", "0001-01-01T00:00:00Z", "before 1990"),
        ("late-master", late, "in the future"),
        ("none-master", None, "nothing says when"),
        ("odd-master", "yesterday", "not a time with a zone"),
        ("zoneless-master", "2026-02-01T00:00:00", "not a time with a zone"),
    ]:
        real.push_image(url, repo, tag, config)
        skipped[repo, tag] = reason
    return found


def _strangers(url: str, skipped: dict[tuple[str, str], str]) -> list[tuple[str, str, str, str, str]]:
    repo = "shop/strangers"
    digest = real.push_image(url, repo, "1-master", "2026-01-01T00:00:00Z", oci=True)
    dated = {"org.opencontainers.image.created": "2026-05-01T00:00:00Z"}
    normal = json.dumps({"created": "2026-05-01T00:00:00Z"}).encode()
    for tag, config_type, layer, more, reason in [
        ("sig-master", real.OCI_CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json", {}, "signature"),
        ("att-master", real.OCI_CONFIG, "application/vnd.dsse.envelope.v1+json", {}, "attestation"),
        ("toto-master", real.OCI_CONFIG, "application/vnd.in-toto+json", {}, "attestation"),
        ("helm-master", "application/vnd.cncf.helm.config.v1+json",
         "application/vnd.cncf.helm.chart.content.v1.tar+gzip", {}, "Helm chart"),
        ("cache-master", "application/vnd.buildkit.cacheconfig.v0", real.OCI_LAYER, {}, "build cache"),
        ("empty-master", "application/vnd.oci.empty.v1+json", "text/plain", {}, "OCI artifact"),
        ("typed-master", real.OCI_CONFIG, real.OCI_LAYER, {"artifactType": "application/x.thing"}, "OCI artifact"),
        ("wasm-master", "application/vnd.wasm.config.v0+json", "application/wasm", {}, "artifact"),
    ]:  # fmt: skip
        real.push_manifest(
            url, repo, tag, config=normal, config_type=config_type, layers=[(layer, tag.encode())], annotations=dated,
            extra=more,
        )  # fmt: skip
        skipped[repo, tag] = reason
    layer = real.push_blob(url, repo, b"a cached layer")
    config = real.push_blob(url, repo, b"{}")
    real.push_index(
        url,
        repo,
        "oldcache-master",
        [
            real.child(layer, "", real.OCI_LAYER),
            real.child(config, "", "application/vnd.buildkit.cacheconfig.v0"),
        ],
    )
    skipped[repo, "oldcache-master"] = "build cache"
    proof = real.push_manifest(
        url, repo, "", config=b"{}", config_type=real.OCI_CONFIG, layers=[("application/vnd.in-toto+json", b"x")]
    )
    real.push_index(url, repo, "proofs-master", [real.child(proof, "unknown/unknown")])
    skipped[repo, "proofs-master"] = "without an image that could run"
    return [(repo, "1-master", digest, "2026-01-01T00:00:00Z", "config")]


def _broken(url: str, folder: Path, skipped: dict[tuple[str, str], str]) -> list[tuple[str, str, str, str, str]]:
    repo = "shop/broken"
    sound = real.push_image(url, repo, "1-master", "2026-01-01T00:00:00Z")
    # The config is gone, and an annotation dates what cannot be pulled.
    body = json.dumps({"created": "2026-05-01T00:00:00Z", "os": "gone"}).encode()
    annotation = {"org.opencontainers.image.created": "2026-05-01T00:00:00Z"}
    real.push_manifest(
        url,
        repo,
        "config-master",
        config=body,
        config_type=real.OCI_CONFIG,
        layers=[(real.OCI_LAYER, b"l")],
        annotations=annotation,
    )
    real.blob_link(folder, repo, real.push_blob(url, repo, body)).unlink()
    skipped[repo, "config-master"] = "its config is gone"
    child = real.push_image(url, repo, "", "2026-05-02T00:00:00Z")
    real.push_index(url, repo, "child-master", [real.child(child, kind=real.SCHEMA2)])
    _revision(folder, repo, child).unlink()
    skipped[repo, "child-master"] = "is gone"
    gone = real.push_image(url, repo, "manifest-master", "2026-05-03T00:00:00Z")
    _revision(folder, repo, gone).unlink()
    skipped[repo, "manifest-master"] = "listed, but its manifest is gone"
    real.push_manifest(
        url, repo, "text-master", config=b"no JSON", config_type=real.OCI_CONFIG, layers=[(real.OCI_LAYER, b"l")]
    )
    skipped[repo, "text-master"] = "its config cannot be read"
    return [(repo, "1-master", sound, "2026-01-01T00:00:00Z", "config")]


def _many(url: str) -> list[tuple[str, str, str, str, str]]:
    """Twenty-five images whose names say nothing about their order."""
    repo = "shop/many"
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    found = []
    for number in range(25):
        created = (start + number * HOUR).isoformat().replace("+00:00", "Z")
        tag = f"{(number * 7919) % 97:x}f{number}-master"
        digest = real.push_image(url, repo, tag, created, oci=bool(number % 2))
        found.append((repo, tag, digest, created, "config"))
    return found


def _revision(folder: Path, repo: str, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    root = folder / "data/docker/registry/v2/repositories"
    return root / repo / "_manifests/revisions/sha256" / name / "link"
