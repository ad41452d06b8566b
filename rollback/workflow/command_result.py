"""What a command gives back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandResult:
    """The text for standard output, and the exit code."""

    text: str
    code: int = 0


def as_asked(options: dict[str, Any], text: str, data: Any, code: int = 0) -> CommandResult:
    """The result in the form that was asked for: `--json`, or text."""
    if options.get("--json"):
        return CommandResult(json.dumps(data, indent=1, ensure_ascii=False) + "\n", code)
    return CommandResult(text, code)
