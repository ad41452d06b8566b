"""The commands and options that there are, read out of the help text: the one place where they are described.

Help, usage errors, completion and the man page all read it here, and docopt reads the same lines. Whoever starts
the program waits for this module, so it loads little: named tuples, no dataclasses.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

GLOBAL = "-"  # the name under which the forms without a command are listed
_OPTION = re.compile(r"(--[a-z][a-z-]*)(?:=(<[a-z]+>))?")


class Option(NamedTuple):
    """An option.

    Attributes:
        name: with its hyphens.
        value: how its value is called, `<e>`; empty for a flag.
        text: what it does.
        group: the heading under which it is described.
        also: another name, such as `-h`; may be empty.
    """

    name: str
    value: str
    text: str
    group: str
    also: str = ""

    @property
    def form(self) -> str:
        """How it is written: `--env=<e>`, or `-h --help`."""
        written = f"{self.name}={self.value}" if self.value else self.name
        return f"{self.also} {written}".strip()

    @property
    def default(self) -> str:
        """Its default in docopt's form, `[default: 10]`; empty if docopt is to know none."""
        found = re.search(r"\[default: [^\]]*\]", self.text)
        return found[0] if found else ""


class Command(NamedTuple):
    """A command.

    Attributes:
        name: its name.
        text: what it does.
        form: its usage behind the program's name, on one line.
    """

    name: str
    text: str
    form: str

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options, in the order of its usage."""
        return tuple(dict.fromkeys(name for name, _ in _OPTION.findall(self.form)))

    @property
    def places(self) -> list[str]:
        """The words that it takes without an option, such as `<shell>`."""
        return re.findall(r"(?<!=)<[a-z]+>", self.form)

    @property
    def short(self) -> str:
        """Its usage, in which the options that may be left out behind the first required one are `[options]`."""
        optional = list(re.finditer(r"\s*\[--[^\[\]]*\]", self.form))
        required = (
            found.start()
            for found in re.finditer("--", self.form)
            if not any(one.start() < found.start() < one.end() for one in optional)
        )
        first = next(required, 0)
        words = self.form
        for one in reversed(optional):
            if one.start() > first:
                words = words[: one.start()] + words[one.end() :]
        return words if words == self.form else f"{words} [options]"


class Usage(NamedTuple):
    """Everything that the help text says.

    Attributes:
        summary: the first line.
        commands: by name.
        options: by name.
        exit_codes: the paragraph on exit codes, on one line.
    """

    summary: str
    commands: dict[str, Command]
    options: dict[str, Option]
    exit_codes: str

    def of(self, command: str) -> tuple[Option, ...]:
        """The options of a command, in the order in which they are described; `-h` is one of every command."""
        names = self.commands[command].options
        return tuple(option for option in self.options.values() if option.name in names or option.also)

    def docopt(self, command: str) -> str:
        """A command's usage and the defaults of its options, for docopt."""
        lines = [f"  {option.form}  {option.default}" for option in self.of(command)]
        return "\n".join(["Usage:", f"  rollback {self.commands[command].form}", "", "Options:", *lines, ""])


@functools.cache
def read(text: str) -> Usage:
    """Read the help text.

    Args:
        text: `Usage:` with a form per command, `Commands:`, the options under one heading or more, `Exit codes: …`.
    """
    summary, _, rest = text.strip().partition("\n")
    forms: dict[str, str] = {}
    texts: dict[str, str] = {}
    options: dict[str, Option] = {}
    exit_codes = ""
    for block in re.split(r"\n\n(?=\S)", rest.strip()):
        heading, _, body = block.partition(":\n")
        if heading == "Usage":
            for form in re.split(r"^  rollback ", body, flags=re.MULTILINE)[1:]:
                words = form.split()
                forms[GLOBAL if words[0].startswith("-") else words[0]] = " ".join(words)
        elif heading == "Commands":
            texts = dict(_entries(body))
        elif body and "\n" not in heading:
            for term, description in _entries(body):
                found = _OPTION.search(term)
                if found:
                    also = term[: found.start()].strip()
                    options[found[1]] = Option(found[1], found[2] or "", description, heading, also)
        else:
            exit_codes = " ".join(block.split())
    commands = {name: Command(name, description, forms[name]) for name, description in texts.items()}
    return Usage(summary, commands, options, exit_codes)


def _entries(body: str) -> Sequence[tuple[str, str]]:
    """Lines of a term, at least two blanks, and what it means; continued where a line is indented further."""
    found = []
    for entry in re.split(r"\n(?=  \S)", body.rstrip()):
        term, _, description = re.sub(r"(?<=\S) {2,}", "\0", entry.strip(), count=1).partition("\0")
        found.append((term, " ".join(description.split())))
    return found
