"""Consent before the first write: a question on a terminal, else what already waits on standard input."""

from __future__ import annotations

from rollback.errors import Declined, Reason, Refused
from rollback.system import standard_input
from rollback.workflow import prompt


def require(question: str, *, given: bool, needed: bool) -> None:
    """Ask for consent on a terminal; the default is No.

    Without a terminal the date and the environment are consent, unless standard input already holds nothing but
    answers: then the first one counts. It is looked at without consuming it; anything else there is not an answer.

    Args:
        question: what the user has to answer.
        given: whether consent was given beforehand, with `--yes`; then nothing is read.
        needed: whether it has to be given beforehand where there is no terminal.

    Raises:
        Declined: the answer is no.
        Refused: there is no terminal for the prompt.
    """
    if given:
        return
    if not prompt.on_terminal():
        if needed:
            raise Refused(
                [Reason("this needs your consent, and there is no terminal for the prompt", hint="add --yes")]
            )
        if standard_input.answer(standard_input.waiting_lines()) is False:
            raise Declined
        return
    if prompt.line(f"{question} [y/N]").lower() not in {"y", "yes"}:
        raise Declined
