"""JSON that others have written, and JSON that a terminal shows."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.core import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70])
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.loads(text)


def test_documents_of_usual_depth_are_read() -> None:
    text = '{"a":' * json_text.DEPTH + "1" + "}" * json_text.DEPTH

    assert json_text.loads(text) == json.loads(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1" * 5000, "", "{", "\x00"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.loads(text)


@given(VALUES)
@settings(deadline=None)
def test_what_is_written_is_read_back_and_steers_no_terminal(data: object) -> None:
    text = json_text.dumps(data)

    assert json_text.loads(text) == data
    assert all(letter == "\n" or letter.isprintable() for letter in text)


def test_letters_of_every_language_stay() -> None:
    assert json_text.dumps({"é": "日本語 שלום"}) == '{\n "é": "日本語 שלום"\n}\n'
