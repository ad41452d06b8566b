"""Errors and reasons to refuse as text: what, why and the next step."""

from __future__ import annotations

from rollback.core.plain_text import sanitize_lines
from rollback.errors import Reason
from rollback.output.terminal import TerminalInfo
from rollback.output.text_format import paragraph


def reason_text(reason: Reason, surface: TerminalInfo | None = None) -> str:
    """What, why and the next step, each on a line of its own.

    Args:
        reason: the reason.
        surface: where it is shown.
    """
    return error_text(reason.what, reason.why, reason.hint, surface)


def error_text(what: str, why: str = "", hint: str = "", surface: TerminalInfo | None = None) -> str:
    """An error as it is printed, with a line break at its end.

    Args:
        what: what happened.
        why: the cause; may have several lines.
        hint: the next step.
        surface: where it is shown; on a terminal no word is broken, and no command that can be copied.
    """
    lines = paragraph("rollback: ", what, surface)
    for place, line in enumerate(sanitize_lines(why)):
        lines += paragraph("  why:  " if place == 0 else "        ", line, surface)
    if hint:
        lines += paragraph("  next: ", hint, surface)
    return "".join(f"{line}\n" for line in lines)
