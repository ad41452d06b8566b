"""A YAML file as values, with the line of every key, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rollback.errors import BadInput

_MOST_NODES = 20_000  # keys and values, each as often as aliases repeat it

Lines = dict[tuple[str, ...], int]
Mistakes = list[tuple[int, str]]


def read(text: str, file: Path) -> tuple[Any, Lines, Mistakes]:
    """Read a text of YAML.

    Args:
        text: it.
        file: where it comes from, for errors.

    Returns:
        Its values; the line of each key, by the keys that lead to it; and its mistakes so far, each with its line:
        keys that are given twice.

    Raises:
        BadInput: it is not YAML, nested too deeply, or too large.
    """
    lines: Lines = {}
    mistakes: Mistakes = []
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _bound(tree)
        _index(tree, (), lines, mistakes)
        return yaml.safe_load(text), lines, mistakes
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: a date that the calendar does not have
        mark = getattr(error, "problem_mark", None)
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else getattr(error, "problem", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise BadInput(
            f"{file} cannot be used",
            why=f"{line}{problem or error}",
            hint="it has to be YAML; put texts with special characters into quotes",
        ) from error


def _bound(node: yaml.Node | None) -> None:
    """Refuse a tree that only aliases make so large, before anything walks or prints it.

    Raises:
        ValueError: it is too large.
    """
    waiting, seen = [node] if node else [], 0
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen > _MOST_NODES:
            raise ValueError(f"it has more than {_MOST_NODES} keys and values, aliases counted each time")
        if isinstance(one, yaml.MappingNode):
            waiting += [part for pair in one.value for part in pair]
        elif isinstance(one, yaml.SequenceNode):
            waiting += one.value


def _index(node: yaml.Node | None, path: tuple[str, ...], lines: Lines, mistakes: Mistakes) -> None:
    """The line of each key, and keys that are given twice (YAML readers silently take the last)."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*path, str(key.value))
        line = key.start_mark.line + 1
        if here in lines:
            mistakes.append((line, f"{'.'.join(here)}: is given twice, first in line {lines[here]}"))
        lines[here] = line
        _index(value, here, lines, mistakes)
