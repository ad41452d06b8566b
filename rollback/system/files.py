"""Files: written whole or not at all, read within bounds, and opened only if they are files."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from rollback.errors import BadInput, Failed

SMALL = 1 << 20  # bytes: settings, credentials, state
LARGE = 64 << 20  # bytes: a history, a plan, the record of a run

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file, or fail at once if it is anything but a regular file or a link to one.

    To open a named pipe waits for its other end, to open a device can do something, and neither has an end. So the
    kind is looked at before, and again once it is open.

    Args:
        path: the file.
        flags: as for `os.open`; it is never inherited by children.
        mode: its permissions, if it is made.

    Raises:
        OSError: it cannot be opened, or is not a regular file; `strerror` says why in words.
    """
    try:
        _require_regular(path, path.stat().st_mode)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    except ValueError as error:  # a null character in the name
        raise OSError(errno.EINVAL, "that is not a file's name", str(path)) from error
    handle = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY, mode)
    try:
        _require_regular(path, os.fstat(handle).st_mode)
    except OSError:
        os.close(handle)
        raise
    return handle


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


def require_regular(path: Path) -> None:
    """Make sure that somebody else who opens this path (a library, a program) gets a regular file.

    Raises:
        OSError: it is none; `strerror` says why in words.
    """
    os.close(open_regular(path))


def read_bytes(path: Path, *, most: int = LARGE) -> bytes:
    """Read a regular file as a whole.

    Args:
        path: the file.
        most: the number of bytes that it may have.

    Raises:
        OSError: it cannot be read, is not a regular file, or is too large; `strerror` says why in words.
    """
    return _read(path, most)[0]


def _read(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """The content, and what the file was when it was read."""
    handle = open_regular(path)
    try:
        content = b""
        if os.fstat(handle).st_size <= most:
            with os.fdopen(handle, "rb", closefd=False) as file:
                content = file.read(most + 1)  # files of the kernel have no size, and others may grow meanwhile
        about = os.fstat(handle)
        too_large = about.st_size > most or len(content) > most
    finally:
        os.close(handle)
    if too_large:
        size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
        raise OSError(errno.EFBIG, f"it is larger than {size}", str(path))
    return content, about


def read_text(path: Path, *, most: int = LARGE, errors: str = "strict") -> str:
    """Read a regular file of UTF-8 text as a whole, with a plain newline at the end of each line.

    Args:
        path: the file.
        most: the number of bytes that it may have.
        errors: what becomes of bytes that are not UTF-8, as for `bytes.decode`.

    Raises:
        OSError: it cannot be read, is not a regular file, is too large, or not UTF-8; `strerror` says why in words.
    """
    return _text(_read(path, most)[0], path, errors)


def read_owned_text(path: Path, *, most: int = LARGE) -> tuple[str, str]:
    """The same, and why the file is not trusted to name programs (see `distrust`); empty if it is.

    Both are of the same moment: whoever can replace the file cannot show one and have another one read.

    Raises:
        OSError: as `read_text`.
    """
    content, about = _read(path, most)
    return _text(content, path, "strict"), _distrust(about)


def _text(content: bytes, path: Path, errors: str) -> str:
    try:
        text = content.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, "it is not UTF-8 text", str(path)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def distrust(path: Path) -> str:
    """Why a file is not trusted to be run, or to name programs; empty if it is.

    It has to belong to this user or to root, and nobody else may write to it or replace it. In a folder with the
    sticky bit, such as /tmp, only the owner of a file can replace it.

    Args:
        path: the file; where it is a link, both the link's folder and the file that it leads to are looked at.

    Raises:
        OSError: it is not there, or cannot be looked at.
    """
    real = path.resolve(strict=True)
    if why := _distrust(real.stat()):
        return why
    for folder in dict.fromkeys((path.absolute().parent, real.parent)):
        about = folder.stat()
        if (why := _distrust(about)) and not (about.st_uid in _trusted_users() and about.st_mode & stat.S_ISVTX):
            return f"of its folder {folder}: {why}"
    return ""


def _distrust(about: os.stat_result) -> str:
    if about.st_uid not in _trusted_users():
        return f"it belongs to user {about.st_uid}, not to this user ({os.geteuid()}) or root"
    others = {stat.S_IWGRP: "its group", stat.S_IWOTH: "everybody"}
    who = [name for bit, name in others.items() if about.st_mode & bit]
    return f"{' and '.join(who)} can write to it (mode {stat.S_IMODE(about.st_mode):04o})" if who else ""


def _trusted_users() -> tuple[int, int]:
    return (os.geteuid(), 0)


def why(error: OSError) -> str:
    """The cause of a failure in words."""
    return error.strerror or str(error)


def expand_user(path: str | Path) -> Path:
    """A path with `~` replaced by the home folder.

    Raises:
        BadInput: there is no telling which one that is.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise BadInput(
            f"{path} cannot be used",
            why=f"the home folder is not known: HOME is not set, and user {os.getuid()} has no entry",
            hint="write the whole path, or set HOME",
        ) from error


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
        if path.exists():  # to replace a device or a pipe by a file would break it for everybody
            _require_regular(path, path.stat().st_mode)
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
