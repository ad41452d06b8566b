"""What a command gives back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """The text for standard output, and the exit code."""

    text: str
    code: int = 0


def as_asked(options: dict[str, Any], text: str, data: Any, code: int = 0) -> Result:
    """The result in the form that was asked for: `--json`, or text."""
    if options.get("--json"):
        return Result(json.dumps(data, indent=1, ensure_ascii=False) + "\n", code)
    return Result(text, code)
