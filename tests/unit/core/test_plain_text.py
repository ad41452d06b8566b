"""Text from outside, made safe to display."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollback.core.plain_text import sanitize, sanitize_lines

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\r\n  and  blanks", "two lines and blanks"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x9b2Jcleared", "2Jcleared"),
        ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
        ("\u202egnp.exe", "gnp.exe"),
        ("half \ud83d", "half"),
        ("日本語 é שלום", "日本語 é שלום"),
        ("", ""),
    ],
)
def test_a_text_is_one_line_that_steers_nothing(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(st.text(st.characters(exclude_categories=())))
@settings(deadline=None)
def test_nothing_that_is_obeyed_instead_of_shown_gets_through(text: str) -> None:
    shown = sanitize(text)

    assert shown.isprintable()
    assert not set(shown) & set(BIDIRECTIONAL)
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert sanitize(shown) == shown
    assert all(line.isprintable() for line in sanitize_lines(text))


def test_a_text_without_end_is_cut() -> None:
    assert sanitize("x" * 10_000_000, 100) == "x" * 99 + "…"
    assert len(sanitize_lines("line\n" * 1000, most=5)) == 5
    assert sanitize_lines("line\n" * 7, most=5)[-1] == "… 3 more lines"


def test_what_is_no_text_is_shown_as_python_writes_it() -> None:
    assert sanitize(5) == "5"
    assert sanitize(None) == "None"
