"""What manifests and configs say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback.registry.manifest import (
    ACCEPT,
    LIST,
    OCI,
    OCI_INDEX,
    SCHEMA2,
    Child,
    ConfigFacts,
    ImageFacts,
    IndexFacts,
    UnsupportedManifest,
    is_referrer,
    read,
    read_config,
)

D = "sha256:" + "d" * 64
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": D, "size": 2}
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": []}


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_one_header_accepts_all_four_types() -> None:
    assert set(ACCEPT.split(", ")) == {SCHEMA2, LIST, OCI, OCI_INDEX}


@pytest.mark.parametrize("kind", ["", OCI, SCHEMA2, "application/json", f"{OCI}; charset=utf-8", OCI.upper()])
def test_an_image_is_known_by_header_or_shape(kind: str) -> None:
    assert read(body(IMAGE), kind) == ImageFacts(D)


def test_a_header_that_the_body_contradicts_is_refused() -> None:
    facts = read(body({**IMAGE, "mediaType": OCI}), OCI_INDEX)

    assert isinstance(facts, UnsupportedManifest)
    assert "the registry calls its manifest" in facts.reason


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"schemaVersion": 1, "history": []}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ({"schemaVersion": 1}, "application/json"),
    ],
)
def test_schema_1_is_never_read(document: Any, kind: str) -> None:
    facts = read(body(document), kind)

    assert isinstance(facts, UnsupportedManifest)
    assert "schema 1" in facts.reason


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_no_image(said: bytes) -> None:
    facts = read(said)

    assert isinstance(facts, UnsupportedManifest)
    assert "JSON" in facts.reason


def test_layers_of_every_image_type_are_an_image_s() -> None:
    kinds = [
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ]

    assert read(body({**IMAGE, "layers": [{"mediaType": kind} for kind in kinds]})) == ImageFacts(D)


def test_children_that_cannot_run_are_left_out() -> None:
    def child(digest: str, **more: Any) -> dict[str, Any]:
        return {"digest": digest, "mediaType": OCI, **more}

    unknown = {"os": "unknown", "architecture": "unknown"}
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    index = {
        "manifests": [
            child("1", platform=unknown),
            child("2", annotations={"vnd.docker.reference.type": "attestation-manifest"}),
            child("3", mediaType="application/vnd.oci.image.layer.v1.tar"),
            child("4", artifactType="application/x.thing"),
            child("5", platform=arm),
            "nonsense",
            {},
        ],
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    }

    assert read(body(index)) == IndexFacts((Child("5", "linux/arm64/v8"),), "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("children", "chosen"),
    [
        ([Child("a", "linux/arm64"), Child("b", "linux/amd64")], "b"),
        ([Child("a", "windows/amd64"), Child("b", "linux/amd64/v2")], "b"),
        ([Child("a", "linux/amd64/v3"), Child("b", "linux/amd64")], "b"),
        ([Child("a", "linux/arm64"), Child("b", "", nested=True)], "b"),
        ([Child("a", "linux/arm64"), Child("b", "linux/s390x")], "a"),
        ([Child("a"), Child("b")], "a"),
        ([Child("a", "linux/amd64p32"), Child("b", "linux/arm64")], "a"),
    ],
)
def test_the_child_of_the_platform_is_chosen_else_the_first(children: list[Child], chosen: str) -> None:
    assert IndexFacts(tuple(children)).child("linux/amd64").digest == chosen


def test_labels_come_best_first() -> None:
    labels = {"org.label-schema.build-date": "old", "org.opencontainers.image.created": "new", "other": "x"}

    assert read_config(body({"created": "then", "config": {"Labels": labels}})) == ConfigFacts("then", ("new", "old"))


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": {"Labels": None}}, {"created": 7}])
def test_a_config_without_anything_to_say_is_empty(config: Any) -> None:
    assert read_config(body(config)) == ConfigFacts()


@pytest.mark.parametrize("said", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe"])
def test_a_config_that_is_none_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_config(said)


@pytest.mark.parametrize("tag", [f"sha256-{'0' * 64}", f"sha256-{'0' * 64}.sig"])
def test_companions_are_known_by_their_tag(tag: str) -> None:
    assert is_referrer(tag)
    assert not is_referrer(f"{tag}-master")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                [
                    "config",
                    "layers",
                    "manifests",
                    "mediaType",
                    "digest",
                    "platform",
                    "annotations",
                    "Labels",
                    "created",
                ]
            ),
            inner,
        )
    ),
)


@given(JSON, st.sampled_from(["", OCI, SCHEMA2, LIST, OCI_INDEX, "text/html"]))
def test_no_document_at_all_breaks_the_reader(document: Any, kind: str) -> None:
    assert isinstance(read(body(document), kind), (ImageFacts, IndexFacts, UnsupportedManifest))
    if isinstance(document, dict):
        assert isinstance(read_config(body(document)), ConfigFacts)
