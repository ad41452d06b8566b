"""The sandbox's images are real: Debian's docker-registry takes them and gives them back under the same digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import requests

from rollback.sandbox.image_store import OCI_INDEX, Repo
from rollback.sandbox.scenario import fortnight
from tests.support import registry as real


def put_all(url: str, name: str, repo: Repo) -> None:
    """Push a repository: blobs, then manifests, indexes last since they name the others."""
    for digest, content in repo.blobs.items():
        begun = requests.post(f"{url}/v2/{name}/blobs/uploads/", timeout=5)
        begun.raise_for_status()
        place = begun.headers["Location"]
        mark = "&" if "?" in place else "?"
        requests.put(f"{place}{mark}digest={digest}", data=content, timeout=5).raise_for_status()
    for digest, (kind, body) in sorted(repo.manifests.items(), key=lambda m: m[1][0] == OCI_INDEX):
        for tag in [digest, *(tag for tag, named in repo.tags.items() if named == digest)]:
            target = f"{url}/v2/{name}/manifests/{tag}"
            requests.put(target, data=body, headers={"Content-Type": kind}, timeout=5).raise_for_status()


def test_a_real_registry_takes_every_image_of_the_story(part: Callable[[str], str], tmp_path: Path) -> None:
    store = fortnight().images()

    with real.serve(part("docker-registry"), tmp_path) as url:
        for name, repo in store.repos.items():
            put_all(url, name, repo)
        for name, repo in store.repos.items():
            listed = requests.get(f"{url}/v2/{name}/tags/list", timeout=5).json()["tags"]
            assert set(listed) == set(repo.tags)
            for tag, digest in repo.tags.items():
                kind, body = repo.manifests[digest]
                got = requests.get(f"{url}/v2/{name}/manifests/{tag}", headers={"Accept": kind}, timeout=5)
                assert (got.headers["Docker-Content-Digest"], got.content) == (digest, body)
