"""Writes the man page `dist/rollback.1` out of the text that `--help` shows, so that the two cannot differ.

python packaging/man.py [file]
man dist/rollback.1
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's own text, whatever is installed

from rollback import __version__, cli  # noqa: E402
from rollback.config import usage  # noqa: E402

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
        help_text: the text that describes commands and options.
        version: of the program.
    """
    known = usage.read(help_text)
    lines = [
        f'.TH ROLLBACK 1 "" "rollback {version}" "User Commands"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"rollback \\- {_text(known.summary[0].lower() + known.summary[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
    ]
    for command in known.commands.values():
        lines += [".HP", f"\\fBrollback {command.name}\\fR {_text(command.form.partition(' ')[2])}".rstrip()]
    lines += [".SH COMMANDS", *_pairs([(command.name, command.text) for command in known.commands.values()])]
    lines.append(".SH OPTIONS")
    for group in dict.fromkeys(option.group for option in known.options.values()):
        described = [(option.form, option.text) for option in known.options.values() if option.group == group]
        lines += [f".SS {_text(group)}", *_pairs(described)]
    lines += [".SH FILES", *_pairs(FILES), ".SH ENVIRONMENT", *_pairs(ENVIRONMENT)]
    head, _, codes = known.exit_codes.partition(": ")
    lines += [f".SH {head.upper()}"]
    for code in codes.rstrip(".").split("; "):
        number, _, told = code.partition(" ")
        lines += [".TP", f".B {number}", _text(f"{told[0].upper()}{told[1:]}.")]
    lines += [".SH SEE ALSO", ".BR dcos (1),", ".BR jq (1)"]
    return "\n".join(lines) + "\n"


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [line for term, told in pairs for line in (".TP", f"\\fB{_text(term)}\\fR", _text(told))]


def _text(text: str) -> str:
    """Text as roff wants it: backslashes and hyphens escaped, no control character at the start of a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped[:1] in {".", "'"} else escaped


def main() -> None:
    """Write the page."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "rollback.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(man(cli.__doc__ or "", __version__), encoding="utf-8")
    sys.stderr.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
