"""Finding a target by its kind."""

from __future__ import annotations

import pytest

from rollback.errors import BadInput
from rollback.targets import connect, kinds
from rollback.targets.base import Options


def test_a_kind_is_a_module() -> None:
    assert kinds() == ("dcos", "marathon")


def test_a_target_that_is_called_like_its_kind_needs_no_more() -> None:
    assert connect(Options("dcos", {})).name == "dcos"


@pytest.mark.parametrize("kind", ["kubernetes", "base", "../dcos", ""])
def test_another_kind_is_refused_and_the_kinds_are_named(kind: str) -> None:
    with pytest.raises(BadInput) as caught:
        connect(Options("prod", {"kind": kind}))

    assert "dcos, marathon" in caught.value.hint
