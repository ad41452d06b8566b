"""`--help`: an overview that fits one screen or two, and each command's own usage and options."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rollback.config.usage import Option, Usage

WIDEST = 80  # columns; longer lines are hard to read, and many terminals have no more
_NARROWEST = 40
_BELOW = 60  # on a terminal with fewer columns the description goes below the option


def overview(usage: Usage, columns: int = WIDEST) -> str:
    """The commands, the options that most of them have, and where the rest is.

    Args:
        usage: what there is.
        columns: of the terminal.
    """
    width = _width(columns)
    takers = {name: sum(name in command.options for command in usage.commands.values()) for name in usage.options}
    common = [o for o in usage.options.values() if 2 * takers[o.name] > len(usage.commands) or not takers[o.name]]
    blocks = [
        _wrapped(usage.summary, width),
        ["Usage:", *(line for command in usage.commands.values() for line in _form(command.short, width))],
        ["Commands:", *_entries([(c.name, c.text) for c in usage.commands.values()], width)],
        ["Common options:", *_described(common, width)],
        _wrapped(usage.exit_codes, width),
        _wrapped("`rollback <command> --help` shows all options of a command.", width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def of_command(usage: Usage, name: str, columns: int = WIDEST) -> str:
    """One command: its usage, what it does, and its options in their groups.

    Args:
        usage: what there is.
        name: the command.
        columns: of the terminal.
    """
    width = _width(columns)
    command = usage.commands[name]
    options = usage.of(name)
    blocks = [["Usage:", *_form(command.short, width)], _wrapped(command.text, width)]
    for group in dict.fromkeys(option.group for option in options):
        blocks.append([f"{group}:", *_described([o for o in options if o.group == group], width)])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _width(columns: int) -> int:
    return max(_NARROWEST, min(columns, WIDEST))


def _form(form: str, width: int) -> list[str]:
    """A usage form; no option is broken in two."""
    return _wrapped(f"  rollback {form}", width, indent=" " * 11)


def _described(options: Sequence[Option], width: int) -> list[str]:
    return _entries([(option.form, option.text) for option in options], width)


def _entries(entries: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Terms and what they mean, in two columns, or one below the other where there is little room."""
    edge = 4 if width < _BELOW else max(len(term) for term, _ in entries) + 4
    lines = []
    for term, text in entries:
        description = _wrapped(text, width - edge)
        if width < _BELOW:
            lines += [f"  {term}", *(f"    {line}" for line in description)]
        else:
            lines += [f"{f'  {term}':<{edge}}{description[0]}", *(f"{'':<{edge}}{line}" for line in description[1:])]
    return lines


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
