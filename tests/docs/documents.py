"""Reads a document: its blocks, its tables, and the commands in it with what they print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = Path(__file__).parent.parent.parent / "docs"
_EXIT = re.compile(r"\(exit code (\d+)\)")


@dataclass(frozen=True)
class Call:
    """A command in a document.

    Attributes:
        line: the command as a reader types it.
        shown: the lines that follow it; `…` stands for what differs, a line of its own for any number of lines.
        code: the exit code that the document tells, else 0.
    """

    line: str
    shown: tuple[str, ...]
    code: int = 0


def text(name: str) -> str:
    """A document."""
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(name), re.MULTILINE | re.DOTALL)


def calls(name: str) -> list[Call]:
    """Every command in the document's `console` blocks, in order."""
    found = []
    for block in blocks(name, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = part.rstrip("\n").split("\n")
            codes = [match for told in shown if (match := _EXIT.fullmatch(told))]
            lines = tuple(told for told in shown if not _EXIT.fullmatch(told))
            found.append(Call(line, lines, int(codes[0][1]) if codes else 0))
    return found


def rows(name: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its own head."""
    part = text(name).partition(f"{heading}\n")[2]
    table = re.search(r"^\|.*?(?=\n\n|\Z)", part, re.MULTILINE | re.DOTALL)
    assert table, f"{name} has no table below {heading}"
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def fits(shown: tuple[str, ...], output: str) -> bool:
    """Whether the lines of a document stand in an output, below each other."""
    pattern = ""
    for line in shown:
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += re.escape(line).replace("…", r".*") + r"[ ]*\n"
    return re.search(rf"^{pattern}", f"{output.rstrip()}\n", re.MULTILINE) is not None
