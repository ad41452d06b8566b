"""Writes the man page `dist/rollback.1` out of the text of `--help`, so that the two cannot differ.

python packaging/man.py [file]
man dist/rollback.1
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FILES = (
    ("./rollback.yaml", "The settings; else rollback/rollback.yaml in the user's configuration folder."),
    ("rollback.json", "The history that get writes and plan and run read, in the folder that --dump names."),
    ("runs/", "Beside it: the record of each run, which undo and history read."),
)
ENVIRONMENT = (
    ("ROLLBACK_CONFIG", "The settings file."),
    ("ROLLBACK_REGISTRY, ROLLBACK_TARGET, ROLLBACK_MARATHON_URL", "Before what the settings say."),
    ("ROLLBACK_USER, ROLLBACK_PASSWORD", "The login on the target."),
    ("ROLLBACK_REGISTRY_USER, ROLLBACK_REGISTRY_PASSWORD", "The login at the registry."),
    ("ROLLBACK_SLACK", "The webhook."),
    ("NO_COLOR", "If set, nothing is coloured."),
)


def man(help_text: str, version: str) -> str:
    """The page in roff's man macros (man(7)).

    Args:
        help_text: what `--help` prints.
        version: of the program.
    """
    summary, sections, end = _parts(help_text)
    lines = [
        f'.TH ROLLBACK 1 "" "rollback {version}" "User Commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"rollback \\- {_text(summary[0].lower() + summary[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
    ]
    for form in re.split(r"\n(?=  rollback )", sections["Usage"]):
        words = " ".join(form.split()).split(" ", 2)
        rest = f" {_text(words[2])}" if len(words) > 2 else ""
        lines += [".HP", f"\\fB{words[0]} {_text(words[1])}\\fR{rest}"]
    lines += [".SH COMMANDS", *_list(sections["Commands"])]
    lines += [".SH OPTIONS", *_list(sections["Options"])]
    lines += [".SH FILES", *_pairs(FILES), ".SH ENVIRONMENT", *_pairs(ENVIRONMENT)]
    head, _, codes = " ".join(end.split()).partition(": ")
    lines += [f".SH {head.upper()}"]
    for code in codes.rstrip(".").split("; "):
        number, _, told = code.partition(" ")
        lines += [".TP", f".B {number}", _text(f"{told[0].upper()}{told[1:]}.")]
    lines += [".SH SEE ALSO", ".BR dcos (1),", ".BR jq (1)"]
    return "\n".join(lines) + "\n"


def _parts(help_text: str) -> tuple[str, dict[str, str], str]:
    """The first line, the sections by their headings, and the paragraph at the end."""
    summary, _, rest = help_text.strip().partition("\n")
    sections: dict[str, str] = {}
    end = ""
    for block in re.split(r"\n\n(?=\S)", rest.strip()):
        heading, _, body = block.partition(":\n")
        if body and "\n" not in heading:
            sections[heading] = body
        else:
            end = block
    return summary, sections, end


def _list(body: str) -> list[str]:
    """Lines of a term, at least two blanks, and what it means; continued where a line is indented further."""
    lines = []
    for entry in re.split(r"\n(?=  \S)", body.rstrip()):
        term, _, told = " ".join(re.sub(r"(?<=\S) {2,}", "\0", entry.strip()).split("\n")).partition("\0")
        lines += [".TP", f"\\fB{_text(term)}\\fR", _text(" ".join(told.replace("\0", " ").split()))]
    return lines


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for term, told in pairs for line in (".TP", f"\\fB{_text(term)}\\fR", _text(told))]


def _text(text: str) -> str:
    """Text as roff wants it: backslashes and hyphens escaped, no control character at the start of a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def main() -> None:
    """Write the page."""
    sys.path.insert(0, str(ROOT))
    from rollback import __version__, cli

    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "rollback.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(man(cli.__doc__ or "", __version__), encoding="utf-8")
    sys.stderr.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
