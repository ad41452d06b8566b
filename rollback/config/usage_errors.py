"""What is wrong with the words of a command line, in three lines: what, what would be right, where to read on.

No value is ever repeated, since it may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rollback.config.usage import Command, Option, Usage

HYPHENS = ("-", "\N{EN DASH}", "\N{EM DASH}")  # text editors turn two hyphens into a dash
_SECRETS = (
    "pwd",
    "pass",
    "slack",
)  # how the names of options with secrets begin, and what is glued to them is secret
_WHOLE = ("pwd", "pwd-file", "pass", "passwd", "password", "slack")  # such names without anything glued to them
_OTHER_OPTIONS = {
    "password": "pwd",
    "passwd": "pwd",
    "pass": "pwd",
    "username": "user",
    "service": "only",
    "services": "only",
    "exclude": "skip",
    "force": "yes",
    "day": "date",
    "id": "run",
    "output": "json",
    "verbose": "debug",
    "webhook": "slack",
    "folder": "dump",
}  # how other programs call an option, and how we do
_OTHER_COMMANDS = {
    "revert": "undo",
    "restore": "run",
    "rollback": "run",
    "start": "run",
    "unfreeze": "thaw",
    "list": "history",
    "runs": "history",
    "status": "check",
    "fetch": "get",
    "demo": "sandbox",
    "setup": "init",
    "config": "init",
    "configure": "init",
}  # likewise

_DAY = "date"  # the option that a bare day is meant for


class UsageError(Exception):
    """The words make no command.

    Args:
        what: one sentence, what is wrong.
        why: what would be right.
        command: the command that is meant; empty if none is.
    """

    def __init__(self, what: str, why: str, command: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = f"rollback {command} --help" if command else "rollback --help"


def no_command(known: Usage, word: str | None) -> UsageError:
    """The error for words without a command.

    Args:
        known: what there is.
        word: the first word that is no option; None if there is none.
    """
    every = f"the commands are {listed(list(known.commands), 'and')}"
    if word is None:
        return UsageError("no command is given", every)
    what = f"there is no command {word!r}" if re.fullmatch(r"[a-z][a-z-]{0,19}", word) else "there is no such command"
    other = _OTHER_COMMANDS.get(word.lower(), "")
    if word.lower() == "help":
        return UsageError(what, "did you mean rollback --help?")
    near = ([other] if other else []) or _near(word.lower(), list(known.commands), 0.6)
    if not near:
        return UsageError(what, every)
    return UsageError(what, f"did you mean {listed([f'rollback {name}' for name in near], 'or')}?", near[0])


def no_option(known: Usage, command: Command, name: str) -> UsageError:
    """The error for an option that does not exist, or is not written out.

    Args:
        known: what there is.
        command: the command.
        name: as it was typed, up to an equals sign.
    """
    what = f"{command.name} has no option {_shown(name)}"
    bare = _bare(name)
    mine = [known.options[option] for option in command.options]
    same = [option for option in mine if _bare(option.name) == bare]
    if same:
        why = f"options begin with two hyphens: did you mean {same[0].form}?"
        return UsageError(what, why, command.name)
    longer = [option.form for option in mine if bare and _bare(option.name).startswith(bare)]
    if longer:
        why = f"options have to be written out: did you mean {listed(longer, 'or')}?"
        return UsageError(what, why, command.name)
    letters = re.match(r"[A-Za-z-]*", bare)
    near = _near(letters[0].lower() if letters else "", [_bare(option.name) for option in mine])
    near = [_OTHER_OPTIONS[bare]] if bare in _OTHER_OPTIONS else near
    meant = [option.form for option in mine if _bare(option.name) in near]
    meant = meant or [option.form for option in mine if bare.startswith(_bare(option.name))]
    why = f"did you mean {listed(meant, 'or')}?" if meant else "no option has a similar name"
    return UsageError(what, why, command.name)


def foreign_option(known: Usage, command: Command, option: Option) -> UsageError:
    """The error for an option of other commands."""
    takers = [other.name for other in known.commands.values() if option.name in other.options]
    why = f"it is an option of {listed(takers, 'and')}" if takers else f"write rollback {option.name}"
    return UsageError(f"{command.name} has no option {option.name}", why, command.name)


def no_value(command: Command, option: Option) -> UsageError:
    """The error for an option without its value."""
    return UsageError(f"{option.name} has no value", f"write {option.form}: {_first(option)}", command.name)


def stray_word(known: Usage, command: Command, words: Sequence[str]) -> UsageError:
    """The error for words that belong to no option.

    Args:
        known: what there is.
        command: the command.
        words: they, of which none is repeated but a command.
    """
    second = next((word for word in words if word in known.commands), "")
    if second:
        return UsageError(f"{command.name} and {second} are two commands", "give one of them", command.name)
    named = [f"--{word.partition('=')[0]}" for word in words if "=" in word]
    named += [f"--{_DAY}" for word in words if re.fullmatch(r"\d{4}-\d\d-\d\d", word)]
    meant = next((known.options[name].form for name in named if name in command.options), "")
    why = f"did you mean {meant}?" if meant else "write --name=value, and quotes around a value with blanks"
    return UsageError("a word belongs to no option", why, command.name)


def missing_options(known: Usage, command: Command, names: Sequence[str]) -> UsageError:
    """The error for what is required and not given."""
    what = f"{listed(names, 'and')} {'is' if len(names) == 1 else 'are'} missing"
    option = known.options.get(names[0]) if len(names) == 1 else None
    forms = [known.options[name].form for name in names if name in known.options]
    right = " ".join(forms) if forms else f"rollback {command.short}"
    why = f"write {right}: {_first(option)}" if option else f"write {right}"
    return UsageError(what, why, command.name)


def listed(words: Sequence[str], last: str) -> str:
    """`a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _bare(name: str) -> str:
    return name.lstrip("".join(HYPHENS))


def _shown(name: str) -> str:
    """A name without anything that may be a value: `--pwdhunter2` becomes `--pwd…`."""
    bare = _bare(name)
    hyphens = name[: len(name) - len(bare)]
    secret = next((start for start in _SECRETS if bare.startswith(start) and bare not in _WHOLE), "")
    letters = re.match(r"[A-Za-z-]*", bare)
    shown = secret or (letters[0] if letters else "")
    return f"{hyphens}{shown}{'' if shown == bare else '…'}"


def _near(word: str, choices: Sequence[str], cutoff: float = 0.7) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(word, choices, n=2, cutoff=cutoff)


def _first(option: Option) -> str:
    """The first clause of what an option does."""
    text = option.text.replace(option.default, "").strip() if option.default else option.text
    return re.split(r"(?<=[a-z)])[.:;] ", text)[0].rstrip(".")
