"""One registry with every form of image, for all tests here, served by each of two real programs in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rollback.registry.transport import Pool
from tests.support import hostile_images
from tests.support import registry as real
from tests.support.hostile_images import Fleet


@pytest.fixture(
    scope="session",
    params=[pytest.param("docker-registry", id="2.8"), pytest.param("distribution-registry", id="3")],
)
def program(part: Callable[[str], str], request: pytest.FixtureRequest) -> str:
    """A registry: Debian's docker-registry 2.8, or Distribution 3, which lists tags in order and in pages."""
    return part(request.param)


@pytest.fixture(scope="session")
def fleet(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A registry that nobody changes."""
    folder = tmp_path_factory.mktemp("fleet")
    with real.serve(program, folder) as url:
        yield hostile_images.fill(url, folder)


@pytest.fixture(autouse=True)
def _close_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test leaves open: hundreds of tests in one process would run out of file descriptors."""
    made: list[Pool] = []
    start = Pool.__init__

    def noted(self: Pool, *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(Pool, "__init__", noted)
    yield
    for pool in made:
        pool.close()
