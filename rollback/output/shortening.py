"""Names and tags where there is no room for them: still one of a kind, and cut where it matters least.

Only for terminals and the page; in pipes, files and JSON everything is whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

HEX_SHOWN = 10  # digits of a commit or digest in a tag; git shows 7 to 12
HEX_LEAST = 7  # where there is less room
_COMMIT = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-f]{40}|[0-9a-f]{64})(?![0-9A-Za-z])")  # SHA-1, SHA-256
_PARTS = re.compile(r"(?<=[-_./])")
_ENOUGH = 0.6  # of the width that whole parts of a name have to fill, or it is cut within a part


def brief(tag: str, digits: int = HEX_SHOWN) -> str:
    """A tag with each commit's hash in it cut to so many digits."""
    return _COMMIT.sub(lambda found: found[0][:digits], tag)


def fit_tags(tags: Collection[str], width: int, more: str = "…") -> dict[str, str]:
    """Tags cut to a width: of a commit's hash its first digits stay, other tags are cut in the middle.

    Args:
        tags: all that are shown together.
        width: letters that there is room for.
        more: the mark for what is left out.

    Returns:
        The form of each tag.
    """
    forms: dict[str, str] = {}
    for digits in range(HEX_SHOWN, HEX_LEAST - 1, -1):
        forms = {tag: brief(tag, digits) for tag in tags}
        if all(len(form) <= width for form in forms.values()):
            break
    cut = fit_names(set(forms.values()), width, more)
    return {tag: cut[form] for tag, form in forms.items()}


def fit_names(names: Collection[str], width: int, more: str = "…") -> dict[str, str]:
    """Names cut in the middle to a width, so that each stays distinguishable from all others: `customer-…-eu`.

    Args:
        names: all that are shown together; short ones stay as they are.
        width: letters that there is room for.
        more: the mark for what is left out.

    Returns:
        The form of each name. Where the width is too small to tell two names apart, their forms may be equal.
    """
    return {name: name if len(name) <= width else _cut(name, names, width, more) for name in names}


def _cut(name: str, names: Collection[str], width: int, more: str) -> str:
    if width <= len(more):
        return more[: max(width, 0)]
    others = [other for other in names if other != name]
    best, alike = "", len(others) + 1
    for head, tail in _halves(name, width - len(more)):
        fitting = sum(other.startswith(head) and other.endswith(tail) for other in others)
        if fitting < alike:
            best, alike = f"{head}{more}{tail}", fitting
        if not fitting:
            return best
    room = width - 2 * len(more)
    for start in range(1, len(name) - room) if room > 0 else ():
        inside = name[start : start + room]
        if not any(inside in other for other in others):
            return f"{more}{inside}{more}"
    return best


def _halves(name: str, room: int) -> Iterator[tuple[str, str]]:
    """Ways to keep a beginning and an end, the best first: whole parts of the name, then halves, then all others."""
    parts = _PARTS.split(name)
    whole = []
    for start in range(1, len(parts)):
        head = "".join(parts[:start])
        for end in range(start + 1, len(parts)):
            # The separator before the end is kept: `customer-…-eu`.
            tail = f"{parts[end - 1][-1:]}{''.join(parts[end:])}"
            if room * _ENOUGH <= len(head) + len(tail) <= room:
                whole.append((head, tail))
    yield from sorted(
        whole, key=lambda halves: (-len(halves[0]) - len(halves[1]), abs(len(halves[0]) - len(halves[1])))
    )
    for kept in sorted(range(room + 1), key=lambda length: abs(2 * length - room)):
        yield name[:kept], name[len(name) - (room - kept) :]


def shrink(widths: Sequence[int], room: int, order: Sequence[tuple[Collection[int], int]]) -> list[int]:
    """Widths of columns that fit into a room, as far as that is possible.

    Args:
        widths: what each column wants.
        room: what all of them have together.
        order: which columns give way first, and to which width; the widest of them before the others.
    """
    fitting = list(widths)
    for columns, least in order:
        while sum(fitting) > room:
            widest = max(columns, key=lambda column: fitting[column], default=None)
            if widest is None or fitting[widest] <= least:
                break
            fitting[widest] -= 1
    return fitting
