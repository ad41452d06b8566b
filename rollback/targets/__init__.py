"""What runs the services: one module per kind of target, found by its file name."""

from __future__ import annotations

import importlib
import pkgutil

from rollback.errors import BadInput
from rollback.targets.base import Options, Target


def kinds() -> tuple[str, ...]:
    """The kinds of target there are: the modules of this folder that have a `connect`."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"))


def connect(options: Options) -> Target:
    """Make the target that `options.settings["kind"]` names (default: the target's own name); asks nothing yet.

    Raises:
        BadInput: there is no such kind, or its settings do not suffice.
    """
    kind = str(options.settings.get("kind", options.name))
    if kind not in kinds():
        raise BadInput(
            f"target {options.name!r}: there is no kind of target called {kind!r}",
            hint=f"use one of: {', '.join(kinds())}",
        )
    module = importlib.import_module(f"rollback.targets.{kind}")
    target: Target = module.connect(options)
    return target
