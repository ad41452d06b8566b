"""A command's usage as a tree: which options are required, and which exclude each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

Item: TypeAlias = "str | OptionGroup"  # an option's name, or a word such as `<shell>`
Branch: TypeAlias = "tuple[Item, ...]"


class OptionGroup(NamedTuple):
    """What brackets hold.

    Attributes:
        branches: what is chosen from.
        optional: whether nothing need be chosen.
        text: as the usage has it, without what may be left out behind the first word.
    """

    branches: tuple[Branch, ...]
    optional: bool
    text: str


def tree(form: str) -> Branch:
    """Read a command's usage, which begins with its name."""
    words = re.findall(r"[()\[\]|]|[^\s()\[\]|]+", form)[1:]
    return _branches(words, 0)[0][0]


def conflicts(branch: Branch, given: set[str]) -> Iterator[tuple[str, str, str]]:
    """Two of the given names that exclude each other, and the text of the choice.

    Args:
        branch: the usage.
        given: the names that are given.
    """
    for item in branch:
        if isinstance(item, OptionGroup):
            taken = [[name for name in _names(inner) if name in given] for inner in item.branches]
            first = [names[0] for names in taken if names]
            if len(first) > 1:
                yield first[0], first[1], item.text
            for inner in item.branches:
                yield from conflicts(inner, given)


def missing(branch: Branch, given: set[str]) -> list[str]:
    """The required names that are not given: of a choice, those of the branch that was begun, else of the first.

    Args:
        branch: the usage.
        given: the names that are given.
    """
    found: list[str] = []
    for item in branch:
        if isinstance(item, OptionGroup):
            if not item.optional:
                begun = max(item.branches, key=lambda inner: len(given & {*_names(inner)}))
                found += missing(begun, given)
        elif item not in given:
            found.append(item)
    return found


def _branches(words: Sequence[str], place: int) -> tuple[tuple[Branch, ...], int]:
    """What is between two brackets, and the place behind the second."""
    branches: list[list[Item]] = [[]]
    while place < len(words) and words[place] not in {")", "]"}:
        word = words[place]
        place += 1
        if word == "|":
            branches.append([])
        elif word in {"(", "["}:
            start = place
            inner, place = _branches(words, place)
            text = re.sub(r" \[[^\[\]]*\]", "", " ".join(words[start : place - 1]))
            branches[-1].append(OptionGroup(inner, word == "[", text.replace("[ ", "[").replace(" ]", "]")))
        else:
            branches[-1].append(word.partition("=")[0])
    return tuple(map(tuple, branches)), place + 1


def _names(branch: Branch) -> Iterator[str]:
    for item in branch:
        if isinstance(item, OptionGroup):
            for inner in item.branches:
                yield from _names(inner)
        else:
            yield item
