"""Text from outside, made safe to display: on a terminal, in a log, in a message, on a page.

Crash messages, names of people, reasons, tags, ids and error pages are written by others. Everything that is shown
goes through here; what a format of its own needs besides (HTML, Markdown, Slack) is added by whoever writes it.
"""

from __future__ import annotations

import re

LONGEST = 4000  # characters of one text; a server's page is not an error message


_COLORS = re.compile(r"(\x1b\[[0-9;]*m)")  # Select Graphic Rendition (ECMA-48, 8.3.117): changes nothing but colors


def printable(text: str) -> str:
    """Replace every character that is not printable by a space, line breaks included; blanks stay as they are."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def printable_lines(text: str) -> str:
    """The same for a screen of our own: its line breaks and colors stay."""
    parts = _COLORS.split(text)  # every second one is a color
    for place in range(0, len(parts), 2):
        parts[place] = "\n".join(map(printable, parts[place].split("\n")))
    return "".join(parts)


def sanitize(text: object, longest: int = LONGEST) -> str:
    """Put a text on one line, without what would steer a terminal, turn the direction of writing or forge a line.

    What is not printable becomes a space: control characters (C0 and C1, so escape sequences, too), format
    characters (Unicode category Cf, which holds every bidirectional mark and the invisible ones), line and paragraph
    separators, half surrogate pairs. Blanks are joined.

    Args:
        text: whatever came; what is not a text is shown as Python writes it.
        longest: the number of characters that are kept.
    """
    plain = text if isinstance(text, str) else str(text)
    if len(plain) > longest * 4:  # before the work, since it may be megabytes
        plain = plain[: longest * 4]
    flat = " ".join(printable(plain).split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def sanitize_lines(text: object, most: int = 50, longest: int = LONGEST) -> list[str]:
    """The lines of a text, each made safe; empty ones are left out, and no more than `most` are kept."""
    plain = text if isinstance(text, str) else str(text)
    lines = [line for raw in plain[: most * longest].split("\n") if (line := sanitize(raw, longest))]
    return lines if len(lines) <= most else [*lines[: most - 1], f"… {len(lines) - most + 1} more lines"]


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 date`, `3 dates`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
