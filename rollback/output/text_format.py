"""Small forms that every screen shares: a short image reference, a duration, a table, a paragraph."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence

from rollback.core.image import Basis
from rollback.core.plain_text import sanitize
from rollback.output.shortening import brief, fit_names, shrink
from rollback.output.terminal import TerminalInfo

DIGEST_SHOWN = 19  # `sha256:` and twelve digits, as Docker shows it
_LEAST_TAG, _LEAST_NAME = 10, 16  # columns keep this width as long as others can give way
_LEAST = 8  # a column is never made narrower than this
_COMMAND = re.compile(r"rollback [a-z]+ --")
_QUOTED = re.compile(r"`[^`]+`")
_NO_BREAK = "\0"  # which no text has that was made safe


def short(reference: str, surface: TerminalInfo | None = None) -> str:
    """The part of an image reference that differs between releases: its tag, or else its digest.

    Args:
        reference: the image.
        surface: where it is shown; on a terminal the hash of a commit is cut to ten digits.
    """
    if not reference:
        return "-"
    tail = reference.rpartition("/")[2]
    name, _, digest = tail.partition("@")
    tag = name.partition(":")[2]
    shown = tag or digest[:DIGEST_SHOWN] or name
    return brief(shown) if surface and surface.width else shown


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
    rows: Sequence[Sequence[str]],
    surface: TerminalInfo | None = None,
    shrinkable: Collection[int] = (),
    *,
    names: int | None = None,
    spare: int = 0,
) -> list[str]:
    """Lines of columns that stand below each other; empty columns take no room. Cells may come from outside.

    Args:
        rows: the cells, as many in each row.
        surface: where they are shown; where its width is limited, `shrinkable` columns give way, then `names`.
        shrinkable: columns whose cells may be shortened.
        names: the column whose cells may be shortened if that is not enough.
        spare: columns of the surface that are left free.
    """
    rows = [tuple(map(sanitize, row)) for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    if surface and surface.width:
        room = surface.width - 1 - spare - 2 * sum(1 for width in widths if width)
        name = () if names is None else (names,)
        widths = shrink(widths, room, ((shrinkable, _LEAST_TAG), (name, _LEAST_NAME), ((*shrinkable, *name), _LEAST)))
    columns = [
        _fitted([row[place] for row in rows], width, rows, place, shrinkable, surface)
        for place, width in enumerate(widths)
    ]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True) if width).rstrip()
        for cells in zip(*columns, strict=True)
    ]


def _fitted(
    cells: Sequence[str],
    width: int,
    rows: Sequence[Sequence[str]],
    place: int,
    shrinkable: Collection[int],
    surface: TerminalInfo | None,
) -> list[str]:
    """A column's cells, cut so that what differs, here or in a column beside it, still looks different."""
    if surface is None or all(len(cell) <= width for cell in cells):
        return list(cells)
    beside = {row[other] for row in rows for other in (shrinkable if place in shrinkable else (place,))}
    forms = fit_names(beside, width, surface.more)
    return [forms[cell] for cell in cells]


def paragraph(head: str, text: str, surface: TerminalInfo | None = None) -> list[str]:
    """A text from outside behind a head of ours; on a terminal in lines that fit, below each other.

    A command that a user copies stays on one line, whether it is the whole text or a part between backticks.
    """
    text = sanitize(text)
    if not surface or not surface.width or _COMMAND.match(text):
        return [f"{head}{text}"]
    lines = textwrap.wrap(
        f"{head}{_QUOTED.sub(lambda quoted: quoted[0].replace(' ', _NO_BREAK), text)}",
        max(surface.width - 1, 30),
        subsequent_indent=" " * (len(head) if len(head) <= surface.width // 3 else 12),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_NO_BREAK, " ") for line in lines]


def basis_text(basis: Basis) -> str:
    """On what an image of a date rests, in one word."""
    return "ran" if basis is Basis.DEPLOYED else "built"
