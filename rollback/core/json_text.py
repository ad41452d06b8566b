"""JSON from outside, read within bounds, and JSON for a terminal, written without what could steer it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

DEPTH = 64  # containers within each other; no document of ours, of Marathon or of Kubernetes comes near it
_ESCAPED = re.compile(r"[^\n\x20-\x7e]")


def loads(text: str | bytes, *, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Parse JSON that somebody else has written.

    Python's own parser accepts `NaN` and nests as deep as its stack allows, so that whatever walks the result later
    fails in an unforeseen place.

    Args:
        text: the document.
        pairs: makes the value of each object from its members, as `json.loads` takes it.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        data = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(DEPTH + 1):
        if not level:
            return data
        level = [
            member
            for one in level
            for member in (one.values() if isinstance(one, dict) else one)
            if isinstance(member, dict | list)
        ]
    raise ValueError("it is nested too deeply")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def dumps(data: Any) -> str:
    """Write JSON for people and programs, with a newline at its end.

    Letters of every language stay as they are. Whatever a terminal does not print but obeys (control characters,
    marks that turn the direction of writing) is escaped, so that the data is the same and the display harmless.
    """
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return _ESCAPED.sub(_escape, text) + "\n"


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]
