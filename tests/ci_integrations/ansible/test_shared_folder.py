"""A dump folder that others can write to, such as /tmp: a private one in it is used, and nobody else's ever."""

from __future__ import annotations

import getpass
import os
import stat
from pathlib import Path

import pytest

from tests.ci_integrations.conftest import Playbook
from tests.ci_integrations.scenario import BROKEN, GOOD, REPOS, Scene


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder like /tmp."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def private(shared: Path) -> Path:
    """Where everything should be; it is not there yet."""
    return shared / f"rollback-{getpass.getuser()}-prod"


def test_a_private_folder_is_made_and_found_again_by_either_name(
    oldest: Playbook, scene: Scene, shared: Path, private: Path
) -> None:
    got = oldest("--tags", "get", repo=REPOS, dump_path=str(shared))
    copy = (shared / "rollback.json").read_bytes()
    (shared / "rollback.json").write_text("nothing of ours reads this")
    ran = oldest("--tags", "run", env="master", date=scene.good_day, dump_path=str(shared))
    there = scene.running()
    undone = oldest("--tags", "undo", dump_path=str(shared))

    assert [got.code, ran.code, undone.code] == [0, 0, 0], got.said + ran.said + undone.said
    assert got.said.count(f"Others can write to {shared}, so everything is kept in {private}") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert copy == (private / "rollback.json").read_bytes()
    assert stat.S_IMODE((shared / "rollback.json").stat().st_mode) == 0o644
    assert (there, scene.running()) == (GOOD, BROKEN)
    assert {path.name for path in shared.iterdir()} == {"rollback.json", private.name}


@pytest.mark.parametrize("kind", ["link", "file", "writable"])
def test_a_folder_of_that_name_that_may_be_another_users_is_refused(
    newest: Playbook, tmp_path: Path, shared: Path, private: Path, kind: str
) -> None:
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        private.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        private.touch()
    else:
        private.mkdir()
        private.chmod(0o777)

    played = newest("--tags", "get", repo=REPOS, dump_path=str(shared))

    assert played.code != 0
    assert f"{private} " in played.said.split("fatal: ")[1]
    assert "what is deployed" in played.said.split("fatal: ")[1]
    assert not (tmp_path / "elsewhere" / "rollback.json").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_that_is_another_users_is_refused(newest: Playbook, shared: Path, private: Path) -> None:
    private.mkdir(mode=0o700)
    os.chown(private, 4711, 4711)

    played = newest("--tags", "get", repo=REPOS, dump_path=str(shared))

    assert played.code != 0
    assert f"{private} is not this user's own folder" in played.said
    assert list(private.iterdir()) == []


def test_the_copy_replaces_nothing_that_is_not_ours(newest: Playbook, tmp_path: Path, shared: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    (shared / "rollback.json").symlink_to(victim)

    played = newest("--tags", "get", repo=REPOS, dump_path=str(shared))

    assert played.code == 0, played.said
    assert victim.read_text() == "keep me"
    assert (shared / "rollback.json").is_symlink()
    assert "rollback.json; no copy was made: " in played.said


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_no_copy_goes_into_a_folder_where_others_can_rename_it(newest: Playbook, shared: Path, private: Path) -> None:
    shared.chmod(0o777)
    os.chown(shared, 4711, 4711)

    played = newest("--tags", "get", repo=REPOS, dump_path=str(shared))

    assert played.code == 0, played.said
    assert [path.name for path in shared.iterdir()] == [private.name]
    assert f"rollback.json is {private}/rollback.json; no copy was made" in played.said
