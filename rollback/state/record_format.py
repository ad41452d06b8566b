"""What the lines of a record have to look like, so that whoever displays or undoes a run can rely on it. Pure."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

_Check = Callable[[Any], bool]


def members(kind: type, line: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a line that a dataclass has, each of the type that the dataclass declares.

    Args:
        kind: the dataclass.
        line: one line of a record.

    Raises:
        ValueError: a member is of another type.
    """
    found: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(kind).items():
        if name in line:
            try:
                found[name] = _read(hint, line[name])
            except ValueError:
                raise ValueError(f"{name} is not what it should be: {line[name]!r:.60}") from None
    return found


_PLAIN: Mapping[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}


def _read(hint: Any, value: Any) -> Any:
    """A JSON value as a declared type: lists become tuples, objects mappings or dataclasses.

    Raises:
        ValueError: it is of another type.
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (value is None and hint is type(None)):
        return value
    if hint in _PLAIN and isinstance(value, _PLAIN[hint]) and (hint is bool or not isinstance(value, bool)):
        return value
    if origin in (typing.Union, types.UnionType):
        for choice in inner:
            with suppress(ValueError):
                return _read(choice, value)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        with suppress(TypeError):  # a member is missing
            return typing.cast(type, hint)(**members(typing.cast(type, hint), value))
    if origin is tuple and isinstance(value, list):
        return tuple(_read(inner[0], member) for member in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _read(inner[1], member) for key, member in value.items()}
    raise ValueError("another type")


def check(line: Any) -> None:
    """Make sure that a line can be displayed and undone; an event of a later version is accepted.

    Raises:
        ValueError: it is not as it has to be.
    """
    if not isinstance(line, dict) or not isinstance(line.get("event"), str) or not isinstance(line.get("when"), str):
        raise ValueError("it is not an event with its time")
    for name, right in _LINES.get(line["event"], {}).items():
        if not right(line.get(name)):
            raise ValueError(f"{line['event']}: {name} is not what it should be: {line.get(name)!r:.60}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _steps(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(step, dict)
        and _text(step.get("service"))
        and _text(step.get("repo"))
        and all(step.get(name) is None or _text(step[name]) for name in ("app", "before", "after", "action"))
        for step in value
    )


def _rows(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(row, dict) and _text(row.get("service")) for row in value)
    )


def _maybe(right: _Check) -> _Check:
    return lambda value: value is None or right(value)


_LINES: Mapping[str, Mapping[str, _Check]] = {
    "began": {"steps": _steps},
    "captured": {"ready": _flag, "back": _maybe(lambda value: isinstance(value, dict))},
    "writing": {"images": _text_map, "restoring": _flag},
    "cancelling": {"deployment": _text, "apps": _texts},
    "stopping": {"deployment": _text, "apps": _texts},
    "written": {"apps": _texts, "deployment": _text, "problem": _text},
    "judged": {"app": _text, "state": _text, "detail": _text},
    "ended": {
        "verdict": _text,
        "summary": _maybe(_text),
        "undo": _maybe(_text),
        "remains": _maybe(_texts),
        "services": _rows,
    },
}
