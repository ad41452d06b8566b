"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback.errors import BadInput, Failed
from rollback.system import files
from rollback.system.files import write_whole


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rollback.json"

    write_whole(path, "one")
    write_whole(path, "two é\n")

    assert path.read_text(encoding="utf-8") == "two é\n"
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_permissions_can_be_narrower(tmp_path: Path) -> None:
    write_whole(tmp_path / "f", "x", mode=0o600)

    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


@pytest.mark.parametrize("step", ["fsync", "fchmod"])
def test_whatever_fails_the_old_file_stays_and_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "rollback.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(Failed) as caught:
        write_whole(path, "new")

    assert caught.value.why == "No space left on device"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_character_is_written_as_json_escapes_it(tmp_path: Path) -> None:
    text = json.dumps({"why": "cut \ud83d"}, ensure_ascii=False)

    write_whole(tmp_path / "f", text)

    assert json.loads((tmp_path / "f").read_text(encoding="utf-8")) == {"why": "cut \ud83d"}


@pytest.mark.parametrize("place", ["a-file/x/rollback.json", "a-file/rollback.json", "a-folder"])
def test_a_place_where_no_file_can_be_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("in the way")
    (tmp_path / "a-folder").mkdir()

    with pytest.raises(Failed, match="cannot be written") as caught:
        write_whole(tmp_path / place, "x")

    assert caught.value.exit_code == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-file", "a-folder"]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 << 30)  # without a single block on the disk


ODD: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a named pipe": _pipe,
    "a named pipe behind a link": _link_to_a_pipe,
    "a device": _device,
    "a socket": _socket,
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_a_file_is_refused_at_once_and_named(tmp_path: Path, kind: str) -> None:
    ODD[kind](tmp_path / "f")

    for open_it in (files.read_bytes, files.read_text, files.open_regular, files.require_regular):
        with pytest.raises(OSError, match="not a regular file") as caught:
            open_it(tmp_path / "f")

        assert caught.value.strerror == f"it is {kind.partition(' behind')[0]}, not a regular file"


@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_a_file_is_not_replaced_by_one(tmp_path: Path, kind: str) -> None:
    ODD[kind](tmp_path / "f")

    def found() -> tuple[int, int, int]:  # not the time of access: a look changes it
        status = (tmp_path / "f").lstat()
        return status.st_mode, status.st_ino, status.st_mtime_ns

    before = found()

    with pytest.raises(Failed):
        write_whole(tmp_path / "f", "x")

    assert found() == before


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    _large(tmp_path / "f")

    with pytest.raises(OSError, match="larger than 1 MiB"):
        files.read_bytes(tmp_path / "f", most=files.SMALL)


def test_a_file_of_the_kernel_without_a_size_is_read_up_to_the_limit() -> None:
    assert "Name:" in files.read_text(Path("/proc/self/status"))
    with pytest.raises(OSError, match="larger than 0 KiB"):
        files.read_bytes(Path("/proc/self/status"), most=10)


def test_a_link_to_a_file_is_read_like_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes("one é\r\ntwo\n".encode())
    (tmp_path / "link").symlink_to("f")

    assert files.read_text(tmp_path / "link") == "one é\ntwo\n"


def test_bytes_that_are_no_text_are_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff")

    with pytest.raises(OSError, match="it is not UTF-8 text"):
        files.read_text(tmp_path / "f")


def test_a_home_folder_that_nobody_knows_is_bad_input() -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        files.expand_user("~no-such-user/x")
