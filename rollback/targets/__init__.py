"""What runs the services: one module per kind of target, found by its file name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from rollback.errors import BadInput
from rollback.targets.base import Target, TargetOptions


def kinds() -> tuple[str, ...]:
    """The kinds of target there are: the modules of this folder that have a `connect`."""
    return tuple(sorted(name for name in _module_names() if hasattr(_import(name), "connect")))


def mistakes(options: TargetOptions) -> tuple[tuple[str, str], ...]:
    """What is wrong with a target's own section: pairs of a key and a sentence about it; none if all is well.

    Raises:
        BadInput: there is no such kind of target.
    """
    known = {"kind": str, **_module(options).SETTINGS}
    found = []
    for key, value in options.settings.items():
        if key not in known:
            found.append((key, f"there is no such key; there are {', '.join(known)}"))
        elif not isinstance(value, known[key]) or value == "":
            found.append((key, f"expected {_WANTED[known[key]]}, found {value!r:.40}"))
    return tuple(found)


def connect(options: TargetOptions) -> Target:
    """Make the target that `options.settings["kind"]` names (default: the target's own name); asks nothing yet.

    Raises:
        BadInput: there is no such kind, or its settings do not suffice.
    """
    target: Target = _module(options).connect(options)
    return target


_WANTED = {str: "a text", bool: "true or false", int: "a whole number"}


def _module(options: TargetOptions) -> Any:
    kind = str(options.settings.get("kind", options.name))
    if kind in _module_names():
        module = _import(kind)
        if hasattr(module, "connect"):
            return module
    raise BadInput(
        f"target {options.name!r}: there is no kind of target called {kind!r:.60}",
        hint=f"use one of: {', '.join(kinds())}",
    )


def _module_names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def _import(name: str) -> Any:
    return importlib.import_module(f"rollback.targets.{name}")
