"""The folder in which `dcos` keeps its clusters and logins, and a private copy of it.

Two jobs that share one folder overwrite each other's token, and a login of dcos 0.6 that fails erases the one that
was there. So every login of ours gets a copy of its own, and the user's folder is only read.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rollback.errors import TargetError
from rollback.system import files

log = logging.getLogger(__name__)

_PREFIX = "rollback-dcos-"
_OWNER = ".in-use"  # a file that the process of a private folder keeps locked
_FRESH_S = 5.0  # seconds for which a folder may not hold its lock yet, since it is only being made
_OLD_S = 86_400.0  # seconds after which a folder without a lock file, as version 0.1 made them, is left over
_PLUG_INS = "subcommands"


def source() -> Path:
    """The user's own folder; it need not exist.

    Raises:
        BadInput: it is in the home folder, and that is not known.
    """
    return files.expand_user(os.environ.get("DCOS_DIR") or "~/.dcos")


class PrivateFolder:
    """A temporary folder that others of this user know to be in use as long as this process lives.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX)
        self._lock = os.open(Path(self.name) / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @property
    def name(self) -> str:
        """Its path."""
        return self._folder.name

    def cleanup(self) -> None:
        """Remove it with all that is in it; harmless when called twice."""
        self._folder.cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def leftovers() -> tuple[Path, ...]:
    """Private folders, tokens included, of processes of this user that are gone, after `kill -9` for instance."""
    found = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it goes at this very moment
            about = folder.lstat()
            age_s = time.time() - about.st_mtime
            ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
            if ours and age_s > _FRESH_S and not _in_use(folder, age_s):
                found.append(folder)
    return tuple(sorted(found))


def remove_leftovers() -> tuple[Path, ...]:
    """Remove them; those that were removed."""
    found = leftovers()
    for folder in found:
        shutil.rmtree(folder, ignore_errors=True)
        log.warning("removed %s, which a process that was killed left behind", folder)
    return found


def _in_use(folder: Path, age_s: float) -> bool:
    try:
        handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return age_s <= _OLD_S
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def private_copy(folder: Path) -> PrivateFolder:
    """Copy the folder to where only this user can look (mode 0700); the programs of plug-ins are linked.

    dcos 0.7 and later rewrite `subcommands/<plug-in>/env/plugin.toml` when they load a plug-in first: its relative
    path becomes an absolute one below the folder in use. So the folders of plug-ins are real ones here, and only what
    is many megabytes and never written is linked (seen with dcos 1.2.0: a linked plug-in is passed over by it).

    dcos 0.6 also takes a single file, `$DCOS_CONFIG`, and would write the token into it: it is copied, too.

    Raises:
        TargetError: it cannot be read, or there is no room.
    """
    copy = PrivateFolder()
    try:
        if folder.is_dir():
            _copy(folder, Path(copy.name))
        single = os.environ.get("DCOS_CONFIG")
        if single and Path(single).is_file() and not (folder / "clusters").exists():
            _copy_file(Path(single), Path(copy.name) / "dcos.toml")
    except OSError as error:
        copy.cleanup()
        why = f"{error.filename or folder}: {error.strerror or error}"
        hint = f"make it readable for you, and see whether there is room in {tempfile.gettempdir()}"
        raise TargetError(f"the folder {folder} of dcos cannot be copied", why=why, hint=hint) from error
    return copy


def address(folder: Path, cluster: str) -> str:
    """The address of the cluster that `dcos` would use; empty if that is not known.

    Args:
        folder: a folder of dcos.
        cluster: the id or name of the requested cluster; empty for the attached one.
    """
    if os.environ.get("DCOS_URL"):
        return _without_user(os.environ["DCOS_URL"])
    found = sorted(folder.glob("clusters/*/dcos.toml")) or list(folder.glob("dcos.toml"))
    for file in found:
        text = _read(file)
        named = cluster in {file.parent.name, _member(text, "name")}
        if named if cluster else (len(found) == 1 or (file.parent / "attached").exists()):
            return _without_user(_member(text, "dcos_url"))
    return ""


def _copy(folder: Path, copy: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name == _PLUG_INS:
            _copy_plug_ins(entry, copy / entry.name)
        elif entry.is_dir() and not entry.is_symlink():
            (copy / entry.name).mkdir(mode=0o700)
            _copy(entry, copy / entry.name)
        elif entry.is_file():  # sockets and pipes have no business there
            _copy_file(entry, copy / entry.name)


def _copy_plug_ins(folder: Path, copy: Path) -> None:
    """Real folders and files down to a plug-in's `env`, whose folders (`bin`) are linked."""
    copy.mkdir(mode=0o700)
    for plug_in in folder.iterdir():
        if plug_in.is_symlink() or not plug_in.is_dir():
            continue
        (copy / plug_in.name).mkdir(mode=0o700)
        for entry in plug_in.iterdir():
            to = copy / plug_in.name / entry.name
            if entry.name == "env" and entry.is_dir():
                to.mkdir(mode=0o700)
                for part in entry.iterdir():
                    _copy_or_link(part, to / part.name)
            else:
                _copy_or_link(entry, to)


def _copy_or_link(entry: Path, copy: Path) -> None:
    if entry.is_dir():
        copy.symlink_to(entry.resolve(), target_is_directory=True)
    elif entry.is_file():
        _copy_file(entry, copy)


def _copy_file(file: Path, copy: Path) -> None:
    """Copy one file; dcos 0.6 refuses settings that others could read."""
    shutil.copyfile(file, copy)
    copy.chmod(0o600)


def _read(file: Path) -> str:
    try:
        return files.read_text(file, most=files.SMALL, errors="replace")
    except OSError:
        return ""


def _member(text: str, name: str) -> str:
    """A text member of a TOML file; Python reads TOML only from 3.11 on."""
    found = re.search(rf"^\s*{name}\s*=\s*[\"'](.*?)[\"']", text, re.MULTILINE)
    return found[1] if found else ""


def _without_user(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url).rstrip("/")
