"""What the doctor found, as lines: ok, warn or fail, and one next step where there is one to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rollback.output.terminal import Style, TerminalInfo
from rollback.output.text_format import paragraph
from rollback.targets.base import Level


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        about: what, in a word: `registry`.
        level: how it is.
        found: what was found.
        next: what to do; empty if nothing.
    """

    about: str
    level: Level
    found: str
    next: str = ""


_INKS = {Level.OK: Style.GOOD, Level.WARN: Style.CARE, Level.FAIL: Style.BAD}


def checkup_text(findings: Sequence[Finding], surface: TerminalInfo) -> str:
    """A line per finding, the next step below it, and a verdict at the end."""
    wide = max((len(finding.about) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        head = f"{finding.level.value:<4}  {finding.about:<{wide}}  "
        found = paragraph(head, finding.found, surface)
        lines += [surface.paint(found[0], _INKS[finding.level]), *found[1:]]
        if finding.next:
            lines += paragraph(f"{'':<{wide + 8}}next: ", finding.next, surface)
    fails, warns = (sum(one.level is level for one in findings) for level in (Level.FAIL, Level.WARN))
    if fails:
        verdict = f"{fails} of {len(findings)} failed: begin with the first one."
    elif warns:
        verdict = f"Nothing failed, {warns} to look at."
    else:
        verdict = "All is well."
    return "\n".join([*lines, "", verdict]) + "\n"


def checkup_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What `doctor --json` prints."""
    return [
        {"about": one.about, "level": one.level.value, "told": one.found, "next": one.next or None}
        for one in findings
    ]
