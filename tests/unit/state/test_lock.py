"""One run per environment and target at a time; a dead holder's lock is free."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollback.errors import Failed, Refused
from rollback.state.lock import FileLock
from tests.support.local_zone import local_zone

HOLDER = {
    "run": "20261122-040000-prod-aaaa",
    "by": "ann",
    "host": "h1",
    "pid": "42",
    "since": "2026-11-22T04:00:00Z",
    "link": "",
}
CHILD = """
import sys
from pathlib import Path
from rollback.state.lock import FileLock
lock = FileLock(Path(sys.argv[1]), "prod", "m", {"run": "r9", "by": "bob", "host": "h", "pid": "1"})
print("held", flush=True)
sys.stdin.read()
"""


def lock(folder: Path, env: str = "prod", target: str = "m", *, steal: bool = False) -> FileLock:
    return FileLock(folder, env, target, HOLDER, steal=steal)


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    first = lock(tmp_path)

    with local_zone("Europe/Berlin"), pytest.raises(Refused) as caught:
        lock(tmp_path)

    assert caught.value.exit_code == 3
    assert "prod" in caught.value.what
    assert "by ann" in caught.value.why
    assert "since 2026-11-22 04:00 UTC (05:00 CET)" in caught.value.why
    first.release()


def test_released_it_can_be_taken_again(tmp_path: Path) -> None:
    lock(tmp_path).release()

    second = lock(tmp_path)

    assert not second.lost()
    second.release()
    second.release()


def test_other_environments_and_targets_have_locks_of_their_own(tmp_path: Path) -> None:
    held = [lock(tmp_path), lock(tmp_path, "stage"), lock(tmp_path, "prod", "n"), lock(tmp_path, "../prod", "m")]

    assert len(list(tmp_path.iterdir())) == 4
    assert not (tmp_path.parent / "prod").exists()
    for one in held:
        one.release()


def test_a_killed_holders_lock_is_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Refused) as caught:
            lock(tmp_path)
        holder.kill()
    assert "bob" in caught.value.why

    lock(tmp_path).release()


def test_a_holder_that_says_nothing_readable_holds_it_all_the_same(tmp_path: Path) -> None:
    first = lock(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"\xff{")

    with pytest.raises(Refused):
        lock(tmp_path)
    first.release()


def test_a_stolen_lock_is_known_to_be_lost(tmp_path: Path) -> None:
    first = lock(tmp_path)

    second = lock(tmp_path, steal=True)

    assert first.lost()
    assert not second.lost()
    first.release()
    with pytest.raises(Refused):
        lock(tmp_path)
    second.release()


def test_a_state_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    with pytest.raises(Failed) as caught:
        lock(tmp_path / "state")

    assert "XDG_STATE_HOME" in caught.value.hint
