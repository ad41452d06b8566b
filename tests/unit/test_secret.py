"""A secret shows itself to nobody who does not ask for it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from rollback.secret import Secret
from rollback.targets.base import TargetOptions

WORD = "correct horse"


def test_no_text_form_shows_it() -> None:
    secret = Secret(WORD)
    options = TargetOptions("dcos", {}, "jenkins", secret)

    shown = f"{secret} {secret!r} {[secret]} {options} {options!r} {'%s' % secret}"  # noqa: UP031

    assert WORD not in shown
    assert "***" in shown
    assert secret.reveal() == WORD


def test_it_has_no_stored_form() -> None:
    for store in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            store(Secret(WORD))
        assert WORD not in str(caught.value)


def test_an_empty_one_is_false_and_says_so() -> None:
    assert not Secret()
    assert Secret(WORD)
    assert repr(Secret()) == "(none)"


def test_it_equals_its_like_alone() -> None:
    assert Secret(WORD) == Secret(WORD)
    assert Secret(WORD) != Secret("another")
    assert Secret(WORD) != WORD
    assert len({Secret(WORD), Secret(WORD)}) == 1
