"""The words after the program's name: which command, and which options with which values.

docopt reads the values. It accepts a shortened option for the whole one, and says of a mistake only that nothing
fits; so both are decided here first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rollback.config import usage_errors, usage_tree
from rollback.config.usage import Command, Option, Usage
from rollback.config.usage_errors import UsageError


class _Word(NamedTuple):
    """An option as it was typed.

    Attributes:
        name: up to the equals sign.
        equals: whether there is one.
        value: whether a value came with it, behind the equals sign or as the next word.
    """

    name: str
    equals: bool
    value: bool


class Words(NamedTuple):
    """The words of a command line, sorted out.

    Attributes:
        options: those that begin with a hyphen and are no value.
        others: the rest: the command, and words that belong to no option.
    """

    options: tuple[_Word, ...]
    others: tuple[str, ...]

    def has(self, option: Option) -> bool:
        """Whether an option is among them."""
        return any(word.name in {option.name, option.also} for word in self.options)

    def command(self, known: Usage) -> str:
        """The command; empty if there is none."""
        return next((word for word in self.others if word in known.commands), "")


def split(known: Usage, argv: Sequence[str]) -> Words:
    """Tell options, their values and other words apart.

    Args:
        known: what there is.
        argv: the words after the program's name.
    """
    options: list[_Word] = []
    others: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            others += rest
            break
        if not word.startswith(usage_errors.HYPHENS) or word == "-":
            others.append(word)
            continue
        name, equals, _ = word.partition("=")
        option = _option(known, name)
        follows = bool(rest) and not equals and not rest[0].startswith("--")
        # what follows an unknown option may be its value, and a password
        is_value = follows and (bool(option.value) if option else rest[0] not in known.commands)
        if is_value:
            rest.pop(0)
        options.append(_Word(name, bool(equals), bool(equals) or is_value))
    return Words(tuple(options), tuple(others))


def parse(known: Usage, argv: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command, and by name the value of each of its options.

    Raises:
        UsageError: the words make no command.
    """
    words = split(known, argv)
    name = words.command(known)
    if not name:
        raise usage_errors.no_command(known, words.others[0] if words.others else None)
    command = known.commands[name]
    for mistake in _mistakes(known, command, words):
        raise mistake
    from docopt import DocoptExit, docopt

    try:
        return name, dict(docopt(known.docopt(name), list(argv), default_help=False))
    except DocoptExit:  # its own text repeats options with their values, passwords included
        why = f"the usage is: rollback {command.short}"
        raise UsageError("these words do not make a command", why, name) from None


def _mistakes(known: Usage, command: Command, words: Words) -> Iterator[UsageError]:
    """Everything that is wrong, the most telling first."""
    for word in words.options:
        option = _option(known, word.name)
        if option is None:
            yield usage_errors.no_option(known, command, word.name)
        elif option.name not in command.options:
            yield usage_errors.foreign_option(known, command, option)
        elif option.value and not word.value:
            yield usage_errors.no_value(command, option)
        elif word.equals and not option.value:
            yield UsageError(f"{option.name} takes no value", f"write {option.name} alone", command.name)
    names = [word.name for word in words.options]
    for name in names:
        if names.count(name) > 1:
            yield UsageError(f"{name} is given twice", "an option can be given once", command.name)
    extra = list(words.others)
    extra.remove(command.name)
    places = command.places
    if extra[len(places) :]:
        yield usage_errors.stray_word(known, command, extra[len(places) :])
    tree = usage_tree.tree(command.form)
    given = {*names, *places[: len(extra)]}
    for one, other, choice in usage_tree.conflicts(tree, given):
        yield UsageError(f"{one} and {other} cannot be used together", f"use one of: {choice}", command.name)
    missing = usage_tree.missing(tree, given)
    if missing:
        yield usage_errors.missing_options(known, command, missing)


def _option(known: Usage, name: str) -> Option | None:
    return known.options.get(name) or next((one for one in known.options.values() if one.also == name), None)
