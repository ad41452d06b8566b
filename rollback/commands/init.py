"""`rollback init`: write a settings file from three answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rollback import targets
from rollback.config import option_values, settings, settings_template
from rollback.errors import BadInput
from rollback.output.progress import Progress
from rollback.system import files
from rollback.targets.base import TargetOptions
from rollback.workflow import context, prompt
from rollback.workflow.command_result import CommandResult
from rollback.workflow.prompt import Value


def main(options: dict[str, Any], progress: Progress) -> CommandResult:
    """Ask for the registry, the repositories and the target, as far as no option says so, and write the file."""
    path = files.expand_user(options["--config"] or settings.FILE)
    if os.path.lexists(path):
        raise BadInput(f"{path} is there already", hint="edit it, or write another one with --config=<file>")
    given = option_values.pairs(options["--set"], "--set")
    registry = _value(options, "--registry", "Address of the Docker registry?", option_values.address)
    repos = _value(options, "--repo", "Repositories, separated by commas?", option_values.repos)
    kinds = ", ".join(targets.kinds())
    kind = _value(options, "--target", f"What runs the services ({kinds})?", _kind)
    section = _section(kind, given)
    its = targets.kind(kind, {})
    text = settings_template.render(registry, repos, kind, section, app_id=its.app_id, example=its.example)
    _check(text, path, kind)
    files.write_whole(path, text)
    progress.say(f"wrote {path}")
    commands = context.command_lines(config=options["--config"])
    return CommandResult(f"{text}\nNext: {commands.doctor()}, then {commands.get('', '<e>')}\n")


def _value(options: Mapping[str, Any], name: str, question: str, read: Callable[[str], Value]) -> Value:
    if options[name]:
        return read(options[name])
    if not prompt.on_terminal():
        raise BadInput(
            f"{name} is missing",
            why="there is no terminal to ask on",
            hint="rollback init --registry=<url> --repo=<r> --target=<name>",
        )
    return prompt.value(question, read)


def _kind(text: str) -> str:
    if text not in targets.kinds():
        raise BadInput(f"there is no kind of target {text!r:.60}", hint=f"use one of: {', '.join(targets.kinds())}")
    return text


def _section(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """The keys of the target's section: those that were given, and those without a default."""
    section = dict(given)
    for key, question in targets.kind(kind, {}).questions.items():
        if key not in section:
            if not prompt.on_terminal():
                raise BadInput(
                    f"the target {kind} needs {key}",
                    why="there is no terminal to ask on",
                    hint=f"give --set={key}=<value>",
                )
            section[key] = prompt.value(f"{question}?", _some)
    return section


def _some(text: str) -> str:
    if not text:
        raise BadInput("an answer is needed")
    return text


def _check(text: str, path: Path, kind: str) -> None:
    """Read the text as every command will.

    Raises:
        BadInput: a value cannot be used.
    """
    config = settings.parse(text, path)
    chosen = TargetOptions(kind, config.target_section(), environments=frozenset(config.environments))
    wrong = targets.mistakes(chosen)
    if wrong:
        key, what = wrong[0]
        raise BadInput(f"--set: {key}: {what}", hint=f"there are {', '.join(targets.kind(kind, {}).settings)}")
    targets.connect(chosen).close()
