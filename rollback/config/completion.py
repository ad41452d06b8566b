"""Which words can come next on the command line: read from the help text, the settings and the last rollback.json.

One program answers for every shell; the scripts that call it are short. Nothing here may fail: a Tab that prints an
error is worse than one that finds nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback.config import usage

_FILES = {"--config", "--pwd-file", "--out", "--plan", "--html"}
_FOLDERS = {"--dump"}
_LISTS = {"--repo", "--only", "--skip", "--accept-moved", "--accept-owner"}
_CHOICES = {"--on-failure": ("restore", "keep", "stop"), "--basis": ("built", "deployed", "auto")}
SHELLS = ("bash", "fish", "zsh")


@dataclass(frozen=True)
class TargetWords:
    """What the targets know.

    Attributes:
        kinds: the kinds of target there are.
        owners: returns, for a target's name and its section, names of owners that its apps may have.
    """

    kinds: Sequence[str] = ()
    owners: Callable[[str, Mapping[str, Any]], Sequence[str]] = lambda _name, _section: ()


def answer(help_text: str, words: Sequence[str], known: TargetWords) -> str:
    """What a shell's script reads: one candidate per line.

    Args:
        help_text: the text that describes commands and options.
        words: the words after the program's name; the last one is being typed, and may be empty.
        known: what the targets know.
    """
    try:
        found = candidates(help_text, list(words[:-1]), words[-1] if words else "", known)
    except Exception:  # noqa: BLE001  (see above)
        found = []
    return "".join(f"{one}\n" for one in found)


def candidates(help_text: str, before: Sequence[str], current: str, known: TargetWords) -> list[str]:
    """The words that can replace `current`; an option that takes a value ends with `=`."""
    text = usage.read(help_text)
    command = next((word for word in before if word in text.commands), None)
    if command is None:
        offered = ["--help", "--version"] if current.startswith("-") else list(text.commands)
        return [word for word in offered if word.startswith(current)]
    name, equals, value = current.partition("=")
    if equals:
        return [f"{name}={one}" for one in _values(name, value, before, known)]
    if command == "completion":
        return [shell for shell in SHELLS if shell.startswith(current)]
    given = {word.partition("=")[0] for word in before}
    options = [text.options[name] for name in text.commands[command].options if name not in given]
    return [word for one in options if (word := f"{one.name}=" if one.value else one.name).startswith(current)]


def _values(name: str, typed: str, before: Sequence[str], known: TargetWords) -> list[str]:
    if name in _FILES | _FOLDERS:
        return _paths(typed, folders=name in _FOLDERS)
    offered = list(_offered(name, before, known))
    head = ""
    if name in _LISTS and "," in typed:
        head, _, typed = typed.rpartition(",")
        head += ","
    taken = set(head.split(","))
    return [f"{head}{one}" for one in offered if one.startswith(typed) and one not in taken]


def _offered(name: str, before: Sequence[str], known: TargetWords) -> Iterable[str]:
    sources: Mapping[str, Callable[[Sequence[str]], Iterable[str]]] = {
        "--date": lambda given: sorted(_history(given).get("rollbacks", {}), reverse=True),
        "--env": _environments,
        "--repo": lambda given: _history(given).get("all", []),
        "--only": _services,
        "--skip": _services,
        "--accept-moved": _services,
        "--accept-owner": lambda given: _owners(given, known),
        "--run": _runs,
        "--target": lambda given: sorted({*known.kinds, *_settings(given).targets}),
    }
    if name in _CHOICES:
        return _CHOICES[name]
    found = sources[name](before) if name in sources else ()
    return [one for one in found if isinstance(one, str) and re.fullmatch(r"[\w./:+-]+", one, re.ASCII)]


def _given(before: Sequence[str], name: str) -> str:
    return next((word.partition("=")[2] for word in before if word.startswith(f"{name}=")), "")


def _folder(before: Sequence[str]) -> Path:
    return Path(_given(before, "--dump") or ".").expanduser()


def _history(before: Sequence[str]) -> dict[str, Any]:
    from rollback.core import json_text
    from rollback.system import files

    try:
        found = json_text.loads(files.read_text(_folder(before) / "rollback.json"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _settings(before: Sequence[str]) -> Any:
    from rollback.config import settings
    from rollback.errors import RollbackError

    try:
        return settings.load(_given(before, "--config") or None, os.environ)
    except RollbackError:
        return settings.Settings()


def _environments(before: Sequence[str]) -> list[str]:
    history = _history(before)
    known = _settings(before).environments
    ours = [str(history[key]) for key in ("env", "tag_env") if history.get(key)]
    return list(dict.fromkeys([*ours, *known, *known.values()]))


def _services(before: Sequence[str]) -> list[str]:
    return [repo.rpartition("/")[2] for repo in _history(before).get("all", [])]


def _runs(before: Sequence[str]) -> list[str]:
    return sorted((path.stem for path in (_folder(before) / "runs").glob("*.jsonl")), reverse=True)


def _owners(before: Sequence[str], known: TargetWords) -> list[str]:
    config = _settings(before)
    name = _given(before, "--target") or config.target
    section = config.targets.get(name, {})
    return sorted({*known.owners(name, section), *section.get("accept_owners", ())})


def _paths(typed: str, *, folders: bool) -> list[str]:
    head, slash, start = typed.rpartition("/")
    place = Path(f"{head}{slash}" or ".").expanduser()
    found = []
    for path in sorted(place.iterdir()):
        if path.name.startswith(start) and (start or not path.name.startswith(".")):
            if path.is_dir():
                found.append(f"{head}{slash}{path.name}/")
            elif not folders:
                found.append(f"{head}{slash}{path.name}")
    return found


SCRIPTS = {
    "bash": """\
# rollback: completion for bash. Load it with:  source <(rollback completion bash)
_rollback() {
  local line=${COMP_LINE:0:COMP_POINT} candidate current=""
  local -a typed
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=("")
  ((${#typed[@]})) && current=${typed[-1]}
  # bash splits words at "=" and replaces only the part behind it
  local cut=""
  [[ $current == *=* && $COMP_WORDBREAKS == *=* ]] && cut=${current%%=*}=
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("${candidate#"$cut"}")
  done < <(rollback completion words "${typed[@]:1}" 2>/dev/null)
  [[ ${COMPREPLY[0]-} == *[=/] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _rollback rollback
""",
    "zsh": """\
#compdef rollback
# rollback: completion for zsh. Load it with:  source <(rollback completion zsh)
_rollback() {
  local -a found open whole
  found=("${(@f)$(rollback completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  open=(${(M)found:#*[=/]})
  whole=(${found:#*[=/]})
  whole=(${whole:#})
  (( $#open )) && compadd -S '' -- $open
  (( $#whole )) && compadd -- $whole
}
compdef _rollback rollback
""",
    "fish": """\
# rollback: completion for fish. Load it with:  rollback completion fish | source
function __rollback_words
    set -l typed (commandline -opc)
    rollback completion words $typed[2..] (commandline -ct) 2>/dev/null
end
complete -c rollback -e
complete -c rollback -f -a '(__rollback_words)'
""",
}
