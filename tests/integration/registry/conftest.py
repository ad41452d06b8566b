"""One registry with every form of image, for all tests here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support import hostile_images
from tests.support import registry as real
from tests.support.hostile_images import Fleet


@pytest.fixture(scope="session")
def fleet(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A registry that nobody changes."""
    folder = tmp_path_factory.mktemp("fleet")
    with real.serve(part("docker-registry"), folder) as url:
        yield hostile_images.fill(url, folder)
