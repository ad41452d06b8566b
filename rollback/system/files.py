"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rollback.errors import Failed


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old one or the new one, also after a crash or on a full disk.

    Args:
        path: the file; its folder is made if it is not there.
        text: its content; what has no UTF-8 form, half a surrogate pair, is written as JSON escapes it.
        mode: its permissions.

    Raises:
        Failed: it cannot be written; a file that was there is untouched.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise Failed(
            f"{path} cannot be written",
            why=error.strerror or str(error),
            hint="choose another folder with --dump, or make room",
        ) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
