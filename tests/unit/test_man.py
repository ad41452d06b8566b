"""The man page says what `--help` says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from rollback import cli

HELP = cli.__doc__ or ""
BUILDER = Path(__file__).parent.parent.parent / "packaging" / "man.py"


@pytest.fixture(scope="module")
def page() -> str:
    spec = importlib.util.spec_from_file_location("man", BUILDER)
    assert spec
    assert spec.loader
    builder: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    text: str = builder.man(HELP, "1.2.3")
    return text


def shown(page: str, groff: str) -> str:
    """The page as a reader sees it, on one line."""
    done = subprocess.run(
        [groff, "-man", "-Tascii", "-P-c", "-ww", "-b", "-rLL=400n"],
        input=page,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""  # roff warns of what it does not understand
    return " ".join(re.sub(r".\x08", "", done.stdout).split())


def test_it_has_the_sections_that_a_reader_looks_for(page: str) -> None:
    assert re.findall(r"^\.SH (.+)$", page, re.MULTILINE) == [
        "NAME",
        "SYNOPSIS",
        "COMMANDS",
        "OPTIONS",
        "FILES",
        "ENVIRONMENT",
        "EXIT CODES",
        "SEE ALSO",
    ]


def test_every_line_of_the_help_is_in_it(page: str, part: Callable[[str], str]) -> None:
    text = shown(page, part("groff"))
    commands, _, described = HELP[HELP.index("Commands:\n") :].partition("\n\n")

    for body in (commands, described):
        for told in re.findall(r"\S {2,}(\S.*)$", body, re.MULTILINE):
            assert " ".join(told.replace("`", " ").split())[:60] in text.replace("`", " ").replace("  ", " ")
    for form in re.findall(r"^  rollback [a-z].*$", HELP, re.MULTILINE):
        assert " ".join(form.split()) in text


def test_every_exit_code_has_its_line(page: str) -> None:
    codes = re.findall(r"^\.B (\d+)$", page, re.MULTILINE)

    assert codes == ["0", "1", "2", "3", "4", "5", "130"]
