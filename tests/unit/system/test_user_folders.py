"""Where the user's own files are, also for a user without a home."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from rollback.errors import BadInput
from rollback.system import user_folders


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: HOME is unset and the user has no entry."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_only_the_state_is_an_error() -> None:
    assert user_folders.home() is None
    assert user_folders.config_folder() is None
    assert user_folders.cache_folder() is None
    with pytest.raises(BadInput, match="no folder for the state") as caught:
        user_folders.state_folder()

    assert f"user {os.getuid()}" in caught.value.why
    assert "XDG_STATE_HOME" in caught.value.hint
    assert "state_folder" in caught.value.hint


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_the_variables_name_the_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))

    assert user_folders.state_folder() == tmp_path / "STATE" / "rollback"
    assert user_folders.cache_folder() == tmp_path / "CACHE" / "rollback"
    assert user_folders.config_folder() == tmp_path / "CONFIG" / "rollback"


@pytest.mark.usefixtures("_homeless")
def test_a_folder_of_the_settings_comes_first(tmp_path: Path) -> None:
    assert user_folders.state_folder(tmp_path) == tmp_path
    assert user_folders.cache_folder(tmp_path) == tmp_path


@pytest.mark.usefixtures("_homeless")
def test_a_variable_that_depends_on_the_current_folder_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")

    with pytest.raises(BadInput):
        user_folders.state_folder()
