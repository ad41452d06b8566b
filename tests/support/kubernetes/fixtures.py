"""The fixtures `cluster`, `own_cluster` and `namespace`, of which tests need what `.ci/parts-kubernetes` builds.

`oldest_kubectl` is what `.ci/parts-kubectl-1.20` builds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.kubernetes.cluster import Cluster, Namespace
from tests.support.kubernetes.control_plane import COMPONENTS, join


@pytest.fixture(scope="session")
def cluster(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that all tests of one pytest run share, in whichever process they run."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    with _running(part, folder / "kubernetes") as running:
        yield running


@pytest.fixture(scope="module")
def own_cluster(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for the tests of one module, which may break it; it costs 6 s and 0.8 GB."""
    with _running(part, tmp_path_factory.mktemp("kubernetes")) as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace of the shared cluster for one test."""
    with cluster.namespace() as made:
        yield made


@pytest.fixture(scope="session")
def oldest_kubectl(part: Callable[[str], str]) -> str:
    """Path of the oldest kubectl that the target works with; `Cluster.program` is as new as the cluster."""
    return part("kubectl-1.20")


@contextmanager
def _running(part: Callable[[str], str], folder: Path) -> Iterator[Cluster]:
    programs = {part(name) for name in COMPONENTS}
    (programs_folder,) = {Path(program).parent for program in programs}
    with join(folder, programs_folder):
        yield Cluster(folder, part("kubectl"))
