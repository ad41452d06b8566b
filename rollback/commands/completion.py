"""`rollback completion`: the script that makes a shell ask us what can come next."""

from __future__ import annotations

from rollback import completion
from rollback.commands.gather import Given
from rollback.commands.result import Result
from rollback.errors import BadInput
from rollback.progress import Progress


def main(options: Given, progress: Progress) -> Result:  # noqa: ARG001
    """Print the script for a shell."""
    shell = options["<shell>"]
    if shell not in completion.SCRIPTS:
        raise BadInput(
            f"there is no completion for {shell!r:.40}", hint=f"use one of: {', '.join(completion.SHELLS)}"
        )
    return Result(completion.SCRIPTS[shell])
