"""The folder in which `dcos` keeps its clusters and logins, and a private copy of it.

Two jobs that share one folder overwrite each other's token, and a login of dcos 0.6 that fails erases the one that
was there. So every login of ours gets a copy of its own, and the user's folder is only read.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from rollback.errors import TargetError

_PROGRAMS = "subcommands"  # plug-ins: many megabytes, never written by what we call


def source() -> Path:
    """The user's own folder; it need not exist."""
    return Path(os.environ.get("DCOS_DIR") or "~/.dcos").expanduser()


def private_copy(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Copy the folder to where only this user can look (mode 0700); plug-ins are linked.

    dcos 0.6 also takes a single file, `$DCOS_CONFIG`, and would write the token into it: it is copied, too.

    Raises:
        TargetError: it cannot be read, or there is no room.
    """
    copy = tempfile.TemporaryDirectory(prefix="rollback-dcos-")
    try:
        if folder.is_dir():
            _copy(folder, Path(copy.name))
        single = os.environ.get("DCOS_CONFIG")
        if single and Path(single).is_file() and not (folder / "clusters").exists():
            _copy_file(Path(single), Path(copy.name) / "dcos.toml")
    except OSError as error:
        copy.cleanup()
        why = f"{error.filename or folder}: {error.strerror or error}"
        raise TargetError(f"the folder {folder} of dcos cannot be copied", why=why) from error
    return copy


def address(folder: Path, cluster: str) -> str:
    """The address of the cluster that `dcos` would use; empty if that cannot be told.

    Args:
        folder: a folder of dcos.
        cluster: the id or name of the cluster that was asked for; empty for the attached one.
    """
    if os.environ.get("DCOS_URL"):
        return _without_user(os.environ["DCOS_URL"])
    files = sorted(folder.glob("clusters/*/dcos.toml")) or list(folder.glob("dcos.toml"))
    for file in files:
        text = _read(file)
        named = cluster in {file.parent.name, _member(text, "name")}
        if named if cluster else (len(files) == 1 or (file.parent / "attached").exists()):
            return _without_user(_member(text, "dcos_url"))
    return ""


def _copy(folder: Path, copy: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name == _PROGRAMS:
            (copy / entry.name).symlink_to(entry.resolve(), target_is_directory=True)
        elif entry.is_dir() and not entry.is_symlink():
            (copy / entry.name).mkdir(mode=0o700)
            _copy(entry, copy / entry.name)
        elif entry.is_file():  # sockets and pipes have no business there
            _copy_file(entry, copy / entry.name)


def _copy_file(file: Path, copy: Path) -> None:
    """Copy one file; dcos 0.6 refuses settings that others could read."""
    shutil.copyfile(file, copy)
    copy.chmod(0o600)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _member(text: str, name: str) -> str:
    """A text member of a TOML file; Python reads TOML only from 3.11 on."""
    found = re.search(rf"^\s*{name}\s*=\s*[\"'](.*?)[\"']", text, re.MULTILINE)
    return found[1] if found else ""


def _without_user(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url).rstrip("/")
