"""The tool in one file runs on any Python, without an index, and knows whom to trust."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.ci_integrations.conftest import OFFLINE, surroundings
from tests.ci_integrations.scenario import REPOS, Scene
from tests.support import certificates, registry


def get(python: str, pyz: Path, folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the file's `get`, with every warning an error."""
    return subprocess.run(
        [python, "-W", "error", pyz, "get", "--env=prod", f"--dump={folder}", *arguments],
        cwd=folder,
        env={**surroundings(), **environ},
        capture_output=True,
        timeout=300,
        check=False,
    )


def test_it_runs_on_every_python_that_is_here(pyz: Path, scene: Scene, tmp_path: Path) -> None:
    for python in pythons():
        said = get(python, pyz, tmp_path, f"--repo={REPOS}", f"--config={scene.settings}", "--no-cache")

        assert said.returncode == 0, said.stderr
        assert b"shop/billing:1.8.0-master" in said.stdout


def test_it_trusts_a_named_authority_and_without_any_the_usual_ones(
    pyz: Path, tmp_path: Path, part: Callable[[str], str]
) -> None:
    authority = certificates.make(part("openssl"), tmp_path)
    certificate, key = map(str, authority.server)
    tls = {"tls": {"certificate": certificate, "key": key}}
    with registry.serve(part("docker-registry"), tmp_path, http=tls) as url:
        options = ("--repo=shop/billing", f"--registry={url}", "--no-cache")
        trusted = get(sys.executable, pyz, tmp_path, *options, REQUESTS_CA_BUNDLE=str(authority.ca))
        # As in a bare container, which has no authorities of its own: those in the file are used.
        nowhere = str(tmp_path / "nowhere")
        bare = get(sys.executable, pyz, tmp_path, *options, SSL_CERT_FILE=nowhere, SSL_CERT_DIR=nowhere)

    assert b"shop/billing" in trusted.stderr
    assert b"certificate" not in trusted.stderr, trusted.stderr
    assert b"certificate" in bare.stderr
    assert b"No such file" not in bare.stderr


def test_the_same_checkout_makes_the_same_bytes(pyz: Path, checkout: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run(
        [sys.executable, checkout / "packaging" / "build_pyz.py", "--output", again, "--", *OFFLINE],
        check=True,
        timeout=400,
    )

    assert again.read_bytes() == pyz.read_bytes()


def pythons() -> list[str]:
    """Every Python from 3.10 on that is here, this one first."""
    found = {sys.version_info[1]: sys.executable}
    folders = [*os.environ["PATH"].split(os.pathsep), *map(str, Path(sys.base_prefix).parent.glob("3.1*/bin"))]
    for folder in folders:
        for minor in range(10, 20):
            candidate = Path(folder, f"python3.{minor}")
            if candidate.exists() and "shims" not in candidate.parts:
                found.setdefault(minor, str(candidate))
    return list(found.values())
