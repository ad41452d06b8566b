from __future__ import annotations

import pytest

from rollback.output.terminal import Style, TerminalInfo
from tests.unit.output.terminal import Stream


def test_a_pipe_has_no_width_and_no_colour() -> None:
    surface = TerminalInfo.of(Stream(), {"LANG": "en_US.UTF-8", "TERM": "xterm"})

    assert surface.width is None
    assert surface.paint("text", Style.BAD) == "text"


def test_a_terminal_has_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    surface = TerminalInfo.of(Stream(terminal=True), {"LANG": "en_US.UTF-8", "TERM": "xterm"})

    assert surface.width == 80
    assert surface.paint("text", Style.BAD) == "\x1b[31mtext\x1b[0m"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {}])
def test_a_terminal_without_colour_is_left_alone(environ: dict[str, str]) -> None:
    assert not TerminalInfo.of(Stream(terminal=True), environ).colour


@pytest.mark.parametrize(
    ("environ", "unicode"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({}, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),  # Python itself sets the second one
        ({"LC_ALL": "C.UTF-8"}, True),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C", "PYTHONIOENCODING": "utf-8"}, True),
    ],
)
def test_the_locale_decides_which_characters_are_used(environ: dict[str, str], unicode: bool) -> None:
    assert TerminalInfo.of(Stream(), environ).unicode is unicode


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "no-such-encoding"])
def test_a_stream_that_cannot_carry_the_marks_gets_ascii(encoding: str) -> None:
    surface = TerminalInfo.of(Stream(encoding=encoding), {"LANG": "en_US.UTF-8"})

    marks = (surface.arrow, surface.released, surface.carried, surface.full, surface.empty, surface.fit("text", 3))
    assert "".join(marks).isascii()


def test_a_text_is_shortened_to_its_room_and_no_further() -> None:
    assert TerminalInfo().fit("billing", 7) == "billing"
    assert TerminalInfo().fit("billing", 5) == "bill…"
    assert TerminalInfo(unicode=False).fit("billing", 5) == "bi..."
    assert TerminalInfo().fit("billing", 0) == ""
