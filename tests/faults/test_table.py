"""The table of faults in the documents names tests that are there, and all of those in this folder."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parent.parent / "docs" / "faults.md"


def below(folder: Path) -> set[str]:
    """The names of the tests below a folder."""
    return {
        name
        for file in folder.rglob("*.py")
        if file.name != Path(__file__).name
        for name in re.findall(r"^ *def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_the_table_of_faults_names_every_test_of_them_and_none_that_is_not_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", TABLE.read_text(encoding="utf-8")))

    assert below(HERE) - named == set()
    assert named - below(HERE.parent) == set()
