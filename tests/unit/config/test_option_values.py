"""What the user typed: lists, names, and secrets from wherever they may come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rollback.config import option_values
from rollback.errors import BadInput


def secret(**given: Any) -> str:
    environ = {"OURS": given.pop("variable")} if given.get("variable") else {}
    nowhere: dict[str, Any] = {"what": "the password", "flag": None, "file": None}
    whole: dict[str, Any] = {**nowhere, "variable": "OURS", "environ": environ, **given}
    return option_values.secret(**whole).reveal()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("from the file\n")
    return path


def test_repositories_lose_their_blanks_and_their_doubles() -> None:
    assert option_values.repos(" shop/billing, cart,shop/billing ,cart") == ("shop/billing", "cart")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        " , ",
        "a,,b",
        "a,",
        "Shop/Billing",
        "a:1",
        "r.example.com:5000/a",
        "a/../b",
        "a b",
        "-a",
        "é",
    ],
)
def test_what_is_no_list_of_repositories_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="--repo") as caught:
        option_values.repos(text)

    assert caught.value.exit_code == 2
    assert "--repo=shop/billing,shop/cart" in caught.value.hint


def test_a_very_long_name_makes_a_short_message() -> None:
    with pytest.raises(BadInput) as caught:
        option_values.repos("A" * 100_000)

    assert len(caught.value.what) < 200


@pytest.mark.parametrize("text", ["prod", "master", "pre-prod", "eu_1.x"])
def test_an_environments_name_is_what_a_tag_can_hold(text: str) -> None:
    assert option_values.environment_name(text) == text


@pytest.mark.parametrize("text", ["", " ", "prod ", "../prod", "prod/x", "{env}", "-prod", "prod\n", "*"])
def test_what_no_tag_can_hold_is_no_environment(text: str) -> None:
    with pytest.raises(BadInput, match="--env"):
        option_values.environment_name(text)


def test_names_may_be_none() -> None:
    assert option_values.names(None) == option_values.names("") == option_values.names(" , ") == frozenset()
    assert option_values.names("a, b,a") == {"a", "b"}


def test_a_secret_comes_from_the_first_place_that_has_it(file: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text("from the settings")
    everywhere: dict[str, Any] = {"file": file, "variable": "from the variable", "fallback": settings}

    assert secret(flag="given", **everywhere) == "given"
    assert secret(flag="-", stdin=lambda: "from stdin\r\n", **everywhere) == "from stdin"
    assert secret(**everywhere) == "from the file"
    assert secret(**{**everywhere, "file": None}) == "from the variable"
    assert secret(fallback=settings) == "from the settings"
    assert secret() == ""


def test_blanks_in_a_secret_that_is_given_are_kept() -> None:
    assert secret(flag=" a b ") == " a b "
    assert secret(flag="-", stdin=lambda: " a b \n") == " a b "


def test_nothing_on_standard_input_is_bad_input() -> None:
    with pytest.raises(BadInput, match="the password was to come from standard input"):
        secret(flag="-", stdin=lambda: "")


def test_an_empty_or_missing_or_unreadable_file_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xffhunter2")
    for name in ("empty", "missing", "binary", "."):
        with pytest.raises(BadInput, match="the password cannot be read") as caught:
            secret(file=tmp_path / name)
        assert "hunter2" not in f"{caught.value.what} {caught.value.why} {caught.value.hint}"
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_newline_at_the_end_of_a_variable_is_dropped(ending: str) -> None:
    assert secret(variable=f" pass word {ending}") == " pass word "


@pytest.mark.parametrize("text", ["a\nb", "a\n\n", "\na", "a\tb", "a\x00", "\x1b[31m", "a\x7f", "a\x85b"])
def test_other_control_characters_are_refused_by_the_variable_s_name(text: str) -> None:
    with pytest.raises(BadInput, match="OURS holds control characters") as caught:
        secret(variable=text)

    assert text not in f"{caught.value.what} {caught.value.why} {caught.value.hint}"


def test_a_file_and_a_flag_have_to_be_one_line_too(tmp_path: Path) -> None:
    file = tmp_path / "two"
    file.write_text("one\ntwo\n")

    with pytest.raises(BadInput, match=r"cannot be read from .*two"):
        secret(file=file)
    with pytest.raises(BadInput, match="the password holds control characters"):
        secret(flag="one\ntwo")


def test_a_folder_that_is_not_there_is_no_folder_without_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert option_values.folder_of_records(str(tmp_path)) == tmp_path
    for name, why in (("absent", "there is no such folder"), ("file", "it is not a folder")):
        with pytest.raises(BadInput) as caught:
            option_values.folder_of_records(str(tmp_path / name))
        assert caught.value.why == why
