"""The user's own folders: where state and cache are kept, and where settings and credentials may be.

A container often runs with a user that has no entry and without HOME. `os.path.expanduser` then gives a path that
begins with a literal `~`, relative to the current folder: a lock there would keep nobody out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from rollback.errors import BadInput

_NAME = "rollback"


def home() -> Path | None:
    """The user's home folder; None if it is not known."""
    return _known(lambda _: Path.home())


def config_folder() -> Path | None:
    """Where the user's settings may be; None if that is not known."""
    return _known(platformdirs.user_config_path)


def cache_folder(chosen: Path | None = None) -> Path | None:
    """Where facts about images are cached; None if that is not known, since nothing depends on it.

    Args:
        chosen: the folder that the settings name.
    """
    return chosen or _known(platformdirs.user_cache_path)


def state_folder(chosen: Path | None = None) -> Path:
    """Where locks and freezes of this machine are kept.

    Args:
        chosen: the folder that the settings name.

    Raises:
        BadInput: it is not known.
    """
    folder = chosen or _known(platformdirs.user_state_path)
    if folder is None:
        raise BadInput(
            "there is no folder for the state of environments",
            why=f"XDG_STATE_HOME is not set to a whole path, and the home folder of user {os.getuid()} is not known",
            hint="set XDG_STATE_HOME or HOME, or state_folder: in the settings",
        )
    return folder


def _known(find: Callable[[str], Path]) -> Path | None:
    """The folder, if it is known: where it is not, platformdirs gives a relative path or an error, by its version."""
    try:
        path = find(_NAME)
    except RuntimeError:
        return None
    return path if path.is_absolute() else None
