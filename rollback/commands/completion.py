"""`rollback completion`: the script that makes a shell call us for what can come next."""

from __future__ import annotations

from typing import Any

from rollback.config import completion
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.workflow.command_result import CommandResult


def main(options: dict[str, Any], progress: Progress) -> CommandResult:  # noqa: ARG001
    """Print the script for a shell."""
    shell = options["<shell>"]
    if shell not in completion.SCRIPTS:
        raise BadInput(
            f"there is no completion for {shell!r:.40}", hint=f"use one of: {', '.join(completion.SHELLS)}"
        )
    return CommandResult(completion.SCRIPTS[shell])
