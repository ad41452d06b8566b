"""What runs the services: one module per kind of target, found by its file name."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, cast

from rollback.errors import AppLocked, BadInput, NoAnswer, TargetError
from rollback.system import files
from rollback.targets.base import UNREADABLE, Target, TargetKind, TargetOptions

_WANTED = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list of texts",
    tuple: "a text or a list of texts",
}


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of target there are: the modules of this folder that define `connect`."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if _is_kind(module.name)))


def kind(name: str, section: Mapping[str, Any]) -> TargetKind:
    """What is known of a target's kind.

    Args:
        name: the target's name in the settings, which is its kind unless its section says otherwise.
        section: its section; may be empty.

    Raises:
        BadInput: there is no such kind.
    """
    found: TargetKind = _module(name, section).KIND
    return found


def complete(name: str, section: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A target's section with what the environment variables of its kind set.

    Raises:
        BadInput: there is no such kind.
    """
    set_there = {
        key: environ[variable] for key, variable in kind(name, section).variables.items() if environ.get(variable)
    }
    return {**section, **set_there}


def mistakes(options: TargetOptions, app_id: str = "") -> tuple[tuple[str, str], ...]:
    """What is wrong with a target's own section: pairs of a key and a sentence about it; none if nothing is.

    Args:
        options: with the section.
        app_id: the pattern of app ids that is in use; empty for the kind's default.

    Raises:
        BadInput: there is no such kind of target.
    """
    its = kind(options.name, options.settings)
    known: dict[str, type] = {"kind": str, "app_id": str, **its.settings}
    found = []
    for key, value in options.settings.items():
        if key not in known:
            found.append((key, f"there is no such key; there are {', '.join(known)}"))
        elif not _fits(value, known[key]):
            found.append((key, f"expected {_WANTED[known[key]]}, found {value!r:.40}"))
    if not found:
        found += its.check(app_id or its.app_id, options.settings)
        found += _distrusted(options, its.programs)
    return tuple(found)


def _distrusted(options: TargetOptions, programs: Mapping[str, bool]) -> Iterator[tuple[str, str]]:
    """The keys that name a program which somebody else could exchange for one of theirs."""
    for key, by_name in programs.items():
        named = str(options.settings.get(key) or "")
        if named and options.distrust:
            yield key, f"this file may not name programs: {options.distrust}"
        elif named and (os.sep in named or not by_name):
            path = options.folder / files.expand_user(named)
            with contextlib.suppress(OSError):  # that it is not there is said where it is used
                if why := files.distrust(path):
                    yield key, f"{path} is not used: {why}"


def connect(options: TargetOptions) -> Target:
    """Make the target that `options.settings["kind"]` names (default: the target's own name); sends no request yet.

    Raises:
        BadInput: there is no such kind, or its settings do not suffice.
    """
    return cast(Target, _GuardedTarget(_module(options.name, options.settings).connect(options)))


_WRITES = frozenset({"update", "cancel", "stop", "place", "relabel", "remove"})
_ODD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _GuardedTarget:
    """A target whose odd answers are errors of the target, and whose errors say which one it is.

    What a server or a program sends can be of any form: nested without end, a number where a list belongs, a number
    that no integer holds. An adapter that stumbles over it must not end a run in the middle, so the target counts as
    not reachable at that moment; a write counts as sent and not answered.
    Every error names the target's address, if that is known.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._target, name)
        return _guarded(member, name) if callable(member) else member


def _guarded(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(*args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except TargetError as error:
            _name_address(error, method.__self__)  # type: ignore[attr-defined]
            raise
        except _ODD as error:
            error_kind = NoAnswer if name in _WRITES else TargetError
            raise error_kind(
                f"the answer of {method.__self__.name} cannot be used",  # type: ignore[attr-defined]
                why=f"{type(error).__name__}: {error}"[:300],
                hint=UNREADABLE,
            ) from error

    return guarded


def _name_address(error: TargetError, target: Target) -> None:
    """Let an error of a target say whose it is, unless it does; an app that is locked is not the address's fault."""
    if isinstance(error, AppLocked):
        return
    hosts = re.findall(r"https?://([^/\s,]+)", target.name)
    if hosts and not any(host in f"{error.what} {error.why}" for host in hosts):
        error.why = f"{error.why} ({target.name})" if error.why else target.name


def _fits(value: Any, wanted: type) -> bool:
    if wanted is tuple and isinstance(value, str):
        return value != ""
    if wanted in {list, tuple}:
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)
    if wanted in {int, float} and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if wanted is float else wanted) and value != ""


def _is_kind(name: str) -> bool:
    """Whether a module of this folder defines a target; read as text, since importing one takes time."""
    spec = importlib.util.find_spec(f"{__name__}.{name}")
    if spec is None or spec.loader is None:
        return False
    source = spec.loader.get_source(spec.name) if hasattr(spec.loader, "get_source") else None
    return bool(source and "\ndef connect(" in source)


def _module(name: str, section: Mapping[str, Any]) -> Any:
    wanted = str(section.get("kind", name))
    if wanted not in kinds():
        if "kind" not in section:
            raise BadInput(f"there is no target called {name!r:.60}", hint=f"use one of: {', '.join(kinds())}")
        raise BadInput(
            f"target {name!r}: there is no kind of target called {wanted!r:.60}",
            hint=f"use one of: {', '.join(kinds())}",
        )
    return importlib.import_module(f"rollback.targets.{wanted}")
