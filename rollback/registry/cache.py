"""What was learned, kept from run to run in one file of the user's cache folder.

Only facts are kept, never documents: an image's config can hold passwords in its environment. Each entry is
sealed with the SHA-256 of its key and its content, and one whose seal is broken is no entry. Any number of
runs may share the file, and it may be deleted at any time.

What is known is not requested again, so an image whose config has been deleted from the registry since then is
still found; whether an image can be pulled is checked again before it is used (`Registry.complete`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rollback.core import json_text
from rollback.registry.manifest import Child, ConfigFacts, Facts, ImageFacts, IndexFacts, UnsupportedManifest
from rollback.system import files

FILE = "registry.sqlite3"
LIMIT = 200_000  # entries; an image takes three of some 300 bytes in all, so this is about 20 MB
_VERSION = 3  # of the file's form; another one's file is started again, empty,
_LONGEST = 1 << 16  # characters of an entry; an index of a hundred platforms takes a tenth of it
_BATCH = 2_000  # new entries after which they are written down
_WAIT_S = 5.0  # seconds to wait for another run that writes
_SCHEMA = "CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, text TEXT, seal BLOB, used INTEGER) WITHOUT ROWID"
_log = logging.getLogger(__name__)
Value = TypeVar("Value")


class Cache:
    """The memory of one registry, in the file that all registries share.

    A file that cannot be used is a reason for a warning, never for a failure.
    """

    def __init__(self, folder: Path, registry: str, *, limit: int = LIMIT) -> None:
        """Open the file, or begin it.

        Args:
            folder: where it is, or will be; made for this user alone.
            registry: its URL, which the hints about tags belong to.
            limit: how many entries are kept; those that were not used for longest go first.
        """
        self._path = folder / FILE
        self._registry = registry
        self._limit = limit
        self._lock = threading.Lock()
        self._new: dict[str, str] = {}
        self._used: set[str] = set()
        self._file: sqlite3.Connection | None = None
        self._file = self._guarded(self._open)

    def facts(self, digest: str) -> Facts | None:
        """What is known of a manifest."""
        return self._get(f"m {digest}", _read_facts)

    def config(self, digest: str) -> ConfigFacts | None:
        """What is known of an image's config."""
        return self._get(f"c {digest}", _read_config)

    def hint(self, repo: str, tag: str) -> str:
        """The digest that a tag named when it was last seen; empty if it never was."""
        return self._get(self._name(repo, tag), _read_hint) or ""

    def keep(self, digest: str, found: Facts | ConfigFacts) -> None:
        """Remember what a verified manifest or config said."""
        letter = "c" if isinstance(found, ConfigFacts) else "m"
        self._put(f"{letter} {digest}", _write(found))

    def keep_hint(self, repo: str, tag: str, digest: str) -> None:
        """Remember what a tag names."""
        self._put(self._name(repo, tag), [digest])

    def save(self) -> None:
        """Write down what is new, and forget what is too much."""
        with self._lock:
            self._guarded(self._write_down)

    def close(self) -> None:
        """Save, and let go of the file."""
        self.save()
        with self._lock:
            if self._file:
                self._file.close()
            self._file = None

    def _name(self, repo: str, tag: str) -> str:
        return f"t {self._registry} {repo}:{tag}"

    def _get(self, key: str, read: Callable[[Any], Value]) -> Value | None:
        with self._lock:
            text = self._new.get(key)
            if text is None:
                text = self._guarded(lambda: self._look_up(key))
                if text is not None:
                    self._used.add(key)
        if text is None:
            return None
        try:
            return read(json_text.loads(text))
        except (ValueError, TypeError, KeyError, IndexError):
            _log.debug("the cache's entry %s has a form that is not known", key)
            return None

    def _put(self, key: str, content: list[Any]) -> None:
        with self._lock:
            self._new[key] = json.dumps(content, separators=(",", ":"))
            if len(self._new) >= _BATCH:
                self._guarded(self._write_down)

    def _look_up(self, key: str) -> str | None:
        if self._file is None:
            return None
        query = "SELECT text, seal FROM entry WHERE key = ? AND length(text) <= ?"
        row = self._file.execute(query, (key, _LONGEST)).fetchone()
        if row is None:
            return None
        text, seal = row
        if not isinstance(text, str) or seal != _seal(key, text):
            _log.warning("the cache's entry %s is damaged and is not used", key)
            return None
        return text

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # SQLite would make the file readable for all; its journal takes over the file's permissions.
        os.close(files.open_regular(self._path, os.O_RDWR | os.O_CREAT))
        journal = self._path.with_name(f"{FILE}-journal")  # which SQLite opens by itself
        if journal.exists():
            files.require_regular(journal)
        file = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None)
        try:
            if file.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
                file.execute("DROP TABLE IF EXISTS entry")
            file.execute(_SCHEMA)
            file.execute(f"PRAGMA user_version = {_VERSION}")
            file.execute("PRAGMA synchronous = OFF")  # a damaged file is started again, empty,
        except BaseException:
            file.close()
            raise
        return file

    def _write_down(self) -> None:
        if self._file is None or not (self._new or self._used):
            self._new.clear()
            return
        rows = [(key, text, _seal(key, text)) for key, text in self._new.items()]
        file = self._file
        file.execute("BEGIN IMMEDIATE")
        try:
            now = file.execute("SELECT coalesce(max(used), 0) + 1 FROM entry").fetchone()[0]
            file.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", [(*row, now) for row in rows])
            file.executemany("UPDATE entry SET used = ? WHERE key = ?", [(now, key) for key in self._used])
            surplus = file.execute("SELECT count(*) FROM entry").fetchone()[0] - self._limit
            if surplus > 0:
                file.execute(
                    "DELETE FROM entry WHERE key IN (SELECT key FROM entry ORDER BY used, key LIMIT ?)", (surplus,)
                )
            file.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                file.execute("ROLLBACK")
            raise
        self._new.clear()
        self._used.clear()

    def _guarded(self, act: Callable[[], Value]) -> Value | None:
        """Do something with the file; if that fails go on without it, and without what is broken of it."""
        try:
            return act()
        except sqlite3.OperationalError as error:  # locked for too long, or the disk is full
            _log.warning("the cache %s is not used: %s", self._path, error)
        except sqlite3.DatabaseError as error:
            _log.warning("the cache %s is damaged and starts again empty: %s", self._path, error)
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the cache %s is not used: %s", error.filename or self._path, error.strerror)
        if self._file:
            self._file.close()
        self._file = None
        return None


def _seal(key: str, text: str) -> bytes:
    return hashlib.sha256(f"{key}\0{text}".encode()).digest()


def _write(found: Facts | ConfigFacts) -> list[Any]:
    if isinstance(found, ConfigFacts):
        return [found.created, list(found.labels), found.history]
    if isinstance(found, ImageFacts):
        return ["image", found.config, found.created, found.doubtful]
    if isinstance(found, IndexFacts):
        return ["index", found.created, [[one.digest, one.platform, one.nested] for one in found.children]]
    return ["stranger", found.reason]


def _read_facts(content: Any) -> Facts:
    kind = content[0]
    if kind == "image":
        return ImageFacts(str(content[1]), str(content[2]), bool(content[3]))
    if kind == "index":
        children = tuple(Child(str(digest), str(platform), bool(nested)) for digest, platform, nested in content[2])
        return IndexFacts(children, str(content[1]))
    if kind == "stranger":
        return UnsupportedManifest(str(content[1]))
    raise ValueError(kind)


def _read_config(content: Any) -> ConfigFacts:
    return ConfigFacts(str(content[0]), tuple(str(label) for label in content[1]), str(content[2]))


def _read_hint(content: Any) -> str:
    return str(content[0])
