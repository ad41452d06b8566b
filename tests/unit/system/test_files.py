"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from rollback.errors import Failed
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
