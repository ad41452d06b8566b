"""What every test of the contract gets: a stage, and the target under test, logged in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.stage import Stage, staged

pytest.register_assert_rewrite("tests.contract.target_contract", "tests.contract.program")


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made
