"""Links from page to page."""

from __future__ import annotations

import pytest

from rollback.registry.tag_list import next_link


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/a/tags/list?last=x&n=1>; rel="next"', "/v2/a/tags/list?last=x&n=1"),
        ("<https://h/x>;rel=next", "https://h/x"),
        ('<?next_page=gAAA%3D>; title="a; b, c"; rel="prev next"', "?next_page=gAAA%3D"),
        ('</first>; rel="first", </next>; REL="Next"', "/next"),
        ('</a,b;c>; rel="next"', "/a,b;c"),
        ('</x>; rel="prev"', ""),
        ('</x>; rel="nextish"', ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_the_next_page_is_read_out_of_the_header(header: str, target: str) -> None:
    assert next_link(header) == target
