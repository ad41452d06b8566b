"""What the user at a terminal of 80 by 24 sees, with and without colour and in plain ASCII."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import REPOS

COLOUR = re.compile(r"\x1b\[[\d;]*m")
CONTROL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


def lines(shown: str) -> list[str]:
    """The text on each line, without what only moves the cursor or colours."""
    return re.split(r"[\r\n]+", CONTROL.sub("", shown))


@pytest.fixture
def utf8(offered: Command) -> Command:
    return replace(offered, variables={"LC_ALL": "C.UTF-8"})


def test_a_run_shows_a_line_per_service_that_moves(utf8: Command, sandbox: Sandbox) -> None:
    with utf8.on_terminal("run", f"--date={sandbox.story.good_day}", "--env=prod", "--yes") as terminal:
        code = terminal.end()

    told = lines(terminal.shown)
    assert code == 0
    for service in ("billing", "cart", "web"):
        moving = [
            line for line in told if re.match(rf"  {service} +[\d.]+ +→ [\d.]+ .*\d of \d ready.* \d+ s$", line)
        ]
        assert moving, terminal.shown
    assert any(re.match(r"  \d of 3 up, \d under way; \d+ s", line) for line in told)
    assert all(len(line) <= 80 for line in told)
    assert terminal.shown.index("DONE") > terminal.shown.rindex("under way")  # nothing of it is left below the report


def test_get_fits_the_terminal_and_drops_the_oldest_dates(utf8: Command) -> None:
    with utf8.on_terminal("get", f"--repo={REPOS}", "--env=prod") as terminal:
        assert terminal.end() == 0

    told = lines(terminal.shown)
    assert all(len(line) <= 80 for line in told)
    assert any("●1.9.0" in line for line in told)
    assert any("2 older dates further left" in line for line in told)


def test_no_color_is_honoured_everywhere(utf8: Command, sandbox: Sandbox) -> None:
    plain = replace(utf8, variables={**utf8.variables, "NO_COLOR": "1"})

    for words in (
        ("get", f"--repo={REPOS}", "--env=prod", f"--date={sandbox.story.good_day}"),
        ("plan", f"--date={sandbox.story.good_day}", "--env=prod"),
        ("run", f"--date={sandbox.story.good_day}", "--env=prod", "--yes"),
        ("doctor",),
    ):
        with plain.on_terminal(*words) as terminal:
            assert terminal.end() == 0, terminal.shown
        assert not [code for code in COLOUR.findall(terminal.shown) if re.search(r"\d", code.replace("[0m", ""))]


def test_in_the_c_locale_only_ascii_is_shown(offered: Command, sandbox: Sandbox) -> None:
    plain = replace(offered, variables={"LC_ALL": "C"})

    for words in (
        ("get", f"--repo={REPOS}", "--env=prod"),
        ("run", f"--date={sandbox.story.good_day}", "--env=prod", "--yes"),
        ("history",),
    ):
        with plain.on_terminal(*words) as terminal:
            assert terminal.end() == 0, terminal.shown
        assert terminal.shown.isascii(), terminal.shown


def test_a_dumb_terminal_gets_plain_lines(utf8: Command, sandbox: Sandbox) -> None:
    dumb = replace(utf8, variables={**utf8.variables, "TERM": "dumb"})

    with dumb.on_terminal("run", f"--date={sandbox.story.good_day}", "--env=prod", "--yes") as terminal:
        assert terminal.end() == 0

    assert "\x1b" not in terminal.shown
    assert "/ds/prod/shop/billing" in terminal.shown
