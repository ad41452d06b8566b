"""What a command gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CommandResult:
    """The result of a command, for standard output.

    Attributes:
        text: as text.
        data: the same as JSON values, for `--json`; None where there is no such form.
        code: the exit code.
        remarks: for standard error, behind the result.
    """

    text: str
    data: Any = None
    code: int = 0
    remarks: str = ""
