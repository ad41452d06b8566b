"""Small forms that every screen shares: a short image reference, a duration, a table, a paragraph."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from rollback.core.plain_text import sanitize
from rollback.output.terminal import TerminalInfo

DIGEST_SHOWN = 19  # `sha256:` and twelve digits, as Docker shows it
_LEAST = 8  # a column is not made narrower than this


def short(reference: str) -> str:
    """The part of an image reference that differs between releases: its tag, or else its digest."""
    if not reference:
        return "-"
    tail = reference.rpartition("/")[2]
    name, _, digest = tail.partition("@")
    tag = name.partition(":")[2]
    return tag or digest[:DIGEST_SHOWN] or name


def duration(seconds: float) -> str:
    """A duration in words: `850 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"


def table(
    rows: Sequence[Sequence[str]], surface: TerminalInfo | None = None, shrinkable: Collection[int] = ()
) -> list[str]:
    """Lines of aligned columns; empty columns take no room. Cells may come from outside.

    Args:
        rows: the cells, as many in each row.
        surface: where they are shown; where its width is limited, `shrinkable` columns give way.
        shrinkable: columns whose cells may be shortened.
    """
    rows = [tuple(map(sanitize, row)) for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    room = surface.width - 1 if surface and surface.width else 0
    while room and sum(width + 2 for width in widths if width) > room:
        place = max(shrinkable, key=lambda column: widths[column], default=None)
        if place is None or widths[place] <= _LEAST:
            break
        widths[place] -= 1
    fit = surface.fit if surface else lambda text, _: text
    return [
        "  "
        + "  ".join(f"{fit(cell, width):<{width}}" for cell, width in zip(row, widths, strict=True) if width).rstrip()
        for row in rows
    ]


def paragraph(head: str, text: str, surface: TerminalInfo | None = None) -> list[str]:
    """A text from outside behind a head of ours; on a terminal in lines that fit, below each other."""
    text = sanitize(text)
    if not surface or not surface.width:
        return [f"{head}{text}"]
    return textwrap.wrap(
        f"{head}{text}",
        max(surface.width - 1, 30),
        subsequent_indent=" " * min(len(head), 12),
        break_long_words=False,
        break_on_hyphens=False,
    )
