"""The sandbox's registry answers as Distribution does."""

from __future__ import annotations

import hashlib
import json

import pytest

from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.image_store import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Form, ImageStore
from rollback.sandbox.registry import RegistryServer

EVERYTHING = ", ".join((DOCKER_MANIFEST, OCI_MANIFEST, OCI_INDEX))
CREATED = "2026-11-20T17:31:05.123456789Z"
REPO = "shop/billing"


@pytest.fixture
def images() -> ImageStore:
    store = ImageStore()
    for form in Form:
        store.push(REPO, form.value, CREATED, form)
    return store


@pytest.fixture
def registry(images: ImageStore) -> RegistryServer:
    return RegistryServer(images)


def get(
    registry: RegistryServer, target: str, method: str = "GET", accept: str = EVERYTHING, **headers: str
) -> Response:
    return registry.answer(Request.parse(method, target, {"Accept": accept, **headers}))


def digest(response: Response) -> str:
    return f"sha256:{hashlib.sha256(response.body).hexdigest()}"


def test_it_says_what_it_is(registry: RegistryServer) -> None:
    response = get(registry, "/v2/")

    assert (response.status, response.headers["Docker-Distribution-Api-Version"]) == (200, "registry/2.0")


@pytest.mark.parametrize("form", list(Form))
def test_everything_is_under_the_digest_of_its_bytes(registry: RegistryServer, form: Form) -> None:
    manifest = get(registry, f"/v2/{REPO}/manifests/{form.value}")
    document = json.loads(manifest.body)
    if form is Form.INDEX:
        child = next(c for c in document["manifests"] if c["platform"]["architecture"] == "amd64")
        inner = get(registry, f"/v2/{REPO}/manifests/{child['digest']}")
        assert (digest(inner), len(inner.body)) == (child["digest"], child["size"])
        document = json.loads(inner.body)

    config = get(registry, f"/v2/{REPO}/blobs/{document['config']['digest']}")
    layer = get(registry, f"/v2/{REPO}/blobs/{document['layers'][0]['digest']}")

    assert manifest.headers["Docker-Content-Digest"] == digest(manifest)
    assert manifest.headers["ETag"] == f'"{digest(manifest)}"'
    assert (digest(config), len(config.body)) == (document["config"]["digest"], document["config"]["size"])
    assert (digest(layer), len(layer.body)) == (document["layers"][0]["digest"], document["layers"][0]["size"])
    assert json.loads(config.body)["created"] == CREATED


def test_an_index_has_its_attestations_first(registry: RegistryServer) -> None:
    children = json.loads(get(registry, f"/v2/{REPO}/manifests/index").body)["manifests"]

    assert [child["platform"]["architecture"] for child in children] == ["unknown", "amd64", "unknown", "arm64"]
    assert children[0]["annotations"]["vnd.docker.reference.digest"] == children[1]["digest"]


def test_tags_come_in_pages_and_a_full_last_page_leads_to_an_empty_one(registry: RegistryServer) -> None:
    first = get(registry, f"/v2/{REPO}/tags/list?n=2")
    link = first.headers["Link"].partition(">")[0].strip("<")
    second = get(registry, link)
    exact = get(registry, f"/v2/{REPO}/tags/list?n=3")
    after = get(registry, exact.headers["Link"].partition(">")[0].strip("<"))

    assert first.json()["tags"] == ["docker", "index"]
    assert second.json()["tags"] == ["oci"]
    assert "Link" not in second.headers
    assert after.json()["tags"] is None
    assert "Link" not in after.headers


def test_without_a_number_all_tags_come_at_once(registry: RegistryServer) -> None:
    assert get(registry, f"/v2/{REPO}/tags/list").json() == {"name": REPO, "tags": ["docker", "index", "oci"]}


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_a_bad_number_is_refused(registry: RegistryServer, number: str) -> None:
    response = get(registry, f"/v2/{REPO}/tags/list?n={number}")

    assert (response.status, response.json()["errors"][0]["code"]) == (400, "PAGINATION_NUMBER_INVALID")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/v2/shop/nobody/tags/list", "NAME_UNKNOWN"),
        (f"/v2/{REPO}/manifests/nothing", "MANIFEST_UNKNOWN"),
        (f"/v2/{REPO}/manifests/sha256:{'0' * 64}", "MANIFEST_UNKNOWN"),
        (f"/v2/{REPO}/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
    ],
)
def test_what_is_not_there_is_404_with_a_code(registry: RegistryServer, target: str, code: str) -> None:
    response = get(registry, target)

    assert (response.status, response.json()["errors"][0]["code"]) == (404, code)


@pytest.mark.parametrize("accept", ["*/*", DOCKER_MANIFEST, OCI_INDEX])
def test_an_oci_manifest_needs_an_accept_header_that_names_it(registry: RegistryServer, accept: str) -> None:
    response = get(registry, f"/v2/{REPO}/manifests/oci", accept=accept)

    assert response.status == 404
    assert "accept header" in response.json()["errors"][0]["message"]


def test_what_is_known_already_is_not_sent_again(registry: RegistryServer) -> None:
    tag = get(registry, f"/v2/{REPO}/manifests/oci").headers["ETag"]

    for method in ("GET", "HEAD"):
        again = get(registry, f"/v2/{REPO}/manifests/oci", method, **{"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        assert "Docker-Content-Digest" not in again.headers


def test_it_takes_nothing(registry: RegistryServer) -> None:
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert get(registry, f"/v2/{REPO}/manifests/oci", method).status == 405


def test_a_signature_lies_beside_its_image_with_a_date_of_year_1(
    images: ImageStore, registry: RegistryServer
) -> None:
    signed = images.repos[REPO].tags["docker"]
    images.sign(REPO, "docker")

    manifest = get(registry, f"/v2/{REPO}/manifests/{signed.replace(':', '-')}.sig").json()
    config = get(registry, f"/v2/{REPO}/blobs/{manifest['config']['digest']}").json()

    assert config["created"] == "0001-01-01T00:00:00Z"
    assert manifest["layers"][0]["mediaType"].startswith("application/vnd.dev.cosign")


def test_images_of_different_tags_differ(images: ImageStore) -> None:
    assert len(set(images.repos[REPO].tags.values())) == 3
    assert images.push(REPO, "docker", CREATED) == images.push(REPO, "docker", CREATED)
    assert images.push(REPO, "docker", CREATED) != images.push(REPO, "other", CREATED)
