"""The cache: sealed, shared, bounded, and never a reason to fail."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback.registry.cache import FILE, Cache
from rollback.registry.manifest import Child, ConfigFacts, Facts, ImageFacts, IndexFacts, UnsupportedManifest

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
URL = "https://registry.example.com"


def reopened(folder: Path) -> Cache:
    return Cache(folder, URL)


@pytest.mark.parametrize(
    "facts",
    [
        ImageFacts(TWO, "2026-01-01T00:00:00Z"),
        IndexFacts((Child(TWO, "linux/amd64"), Child(ONE, "", nested=True)), "x"),
        UnsupportedManifest("a Helm chart"),
    ],
)
def test_what_is_kept_is_found_by_the_next_run(tmp_path: Path, facts: Facts) -> None:
    cache = Cache(tmp_path, URL)
    cache.keep(ONE, facts)
    cache.keep(TWO, ConfigFacts("2026-01-01T00:00:00Z", ("a", "b")))
    cache.keep_hint("shop/cart", "1-master", ONE)
    cache.close()

    again = reopened(tmp_path)

    assert again.facts(ONE) == facts
    assert again.config(TWO) == ConfigFacts("2026-01-01T00:00:00Z", ("a", "b"))
    assert again.hint("shop/cart", "1-master") == ONE
    assert again.facts(TWO) is None
    assert again.hint("shop/cart", "2-master") == ""
    again.close()


def test_hints_belong_to_their_registry(tmp_path: Path) -> None:
    cache = Cache(tmp_path, URL)
    cache.keep_hint("shop/cart", "1-master", ONE)
    cache.close()

    other = Cache(tmp_path, "https://another.example.com")

    assert other.hint("shop/cart", "1-master") == ""
    other.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    Cache(folder, URL).close()

    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_entry_that_was_changed_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path, URL)
    cache.keep(ONE, ConfigFacts("2026-01-01T00:00:00Z"))
    cache.close()
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("UPDATE entry SET text = replace(text, '2026', '2027')")
    file.close()

    again = reopened(tmp_path)

    assert again.config(ONE) is None
    assert "damaged" in caplog.text
    again.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 20, b"SQLite format 3\0xx"]
)
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(content)

    cache = Cache(tmp_path, URL)
    cache.keep(ONE, UnsupportedManifest("x"))
    cache.close()
    after = reopened(tmp_path)
    after.keep(ONE, UnsupportedManifest("x"))
    after.close()
    again = reopened(tmp_path)

    assert again.facts(ONE) == UnsupportedManifest("x")
    assert "damaged" in caplog.text
    again.close()


def test_a_file_that_is_deleted_meanwhile_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache(tmp_path, URL)
    cache.keep(ONE, UnsupportedManifest("x"))
    cache.save()
    (tmp_path / FILE).unlink()

    cache.keep(TWO, UnsupportedManifest("y"))
    cache.close()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    again = reopened(tmp_path)
    assert again.facts(ONE) is None
    again.close()


def test_a_folder_that_cannot_be_made_is_said_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")

    cache = Cache(tmp_path / "file" / "folder", URL)
    cache.keep(ONE, UnsupportedManifest("x"))
    cache.close()

    assert "is not used" in caplog.text


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    digests = [f"sha256:{number:064x}" for number in range(8)]
    for digest in digests[:4]:
        cache = Cache(tmp_path, URL, limit=4)
        cache.keep(digest, UnsupportedManifest("x"))
        cache.close()
    cache = Cache(tmp_path, URL, limit=4)
    cache.facts(digests[0])
    cache.keep(digests[4], UnsupportedManifest("x"))
    cache.close()

    again = reopened(tmp_path)

    assert [again.facts(digest) is not None for digest in digests[:5]] == [True, False, True, True, True]
    again.close()


def test_another_version_s_file_is_begun_anew(tmp_path: Path) -> None:
    cache = Cache(tmp_path, URL)
    cache.keep(ONE, UnsupportedManifest("x"))
    cache.close()
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()

    again = reopened(tmp_path)

    assert again.facts(ONE) is None
    again.close()


_RUN = """
import sys
from pathlib import Path
from rollback.registry.cache import Cache
from rollback.registry.manifest import UnsupportedManifest
for turn in range(20):
    cache = Cache(Path(sys.argv[1]), "https://registry.example.com")
    for number in range(20):
        cache.keep(f"sha256:{number + 100 * int(sys.argv[2]):064x}", UnsupportedManifest("x"))
    cache.close()
"""


def test_runs_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", _RUN, str(tmp_path)]
    runs = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE) for number in range(4)]
    said = [run.communicate(timeout=60)[1] for run in runs]

    cache = reopened(tmp_path)

    assert [run.returncode for run in runs] == [0, 0, 0, 0], said
    for run in range(4):
        for number in range(20):
            assert cache.facts(f"sha256:{number + 100 * run:064x}") == UnsupportedManifest("x")
    cache.close()


@pytest.mark.parametrize("name", [FILE, f"{FILE}-journal"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_file_that_is_none_is_named_and_not_waited_for(
    tmp_path: Path, name: str, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path / name)

    cache = Cache(tmp_path, URL)
    cache.keep_hint("shop/cart", "1-master", ONE)
    cache.close()

    assert f"{tmp_path / name} is not used" in caplog.text
    assert "not a regular file" in caplog.text
