from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollback.output.run_history import run_text, runs_json, runs_text
from rollback.output.terminal import TerminalInfo
from tests.support.local_zone import local_zone
from tests.support.records import past

RUN = past("20261122-040512-prod-1a2b", at="2026-11-22T04:05:12Z", reason="checkout is down", incident="INC-7")
KILLED = past("20261121-030000-prod-3c4d", at="2026-11-21T03:00:00Z", verdict="", by="a" * 200)


@pytest.fixture
def berlin() -> Iterator[None]:
    """The local zone of this machine."""
    with local_zone("Europe/Berlin"):
        yield


def test_past_runs_are_listed_with_their_outcome() -> None:
    lines = runs_text([RUN, KILLED]).splitlines()

    assert lines[0].split() == ["time", "what", "environment", "as", "of", "by", "outcome", "reason", "run"]
    assert lines[1].split()[:2] == ["2026-11-22", "04:05"]
    assert lines[1].endswith("20261122-040512-prod-1a2b")
    assert " ".join(lines[1].split()[-9:-1]) == "prod 2026-11-20 sam DONE checkout is down; INC-7"
    assert "no outcome" in lines[2]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_id_and_reason_are_below_and_no_word_is_broken(width: int) -> None:
    why = "checkout is down since the release of the afternoon and nobody awake knows which version goes with which"
    undo = past("20261123-010000-prod-9f9f", at="2026-11-23T01:00:00Z", kind="undo", as_of=RUN.header.run)
    long = past("20261122-040512-prod-1a2b", at="2026-11-22T04:05:12Z", reason=why)

    lines = runs_text([undo, long], TerminalInfo(width=width)).splitlines()

    assert max(map(len, lines)) < width
    assert lines[1].split() == ["2026-11-23", "01:00", "UTC", "undo", "prod", "sam", "DONE"]
    assert lines[2].split("  ")[-2:] == ["20261123-010000-prod-9f9f", f"02:00 CET; undoes {RUN.header.run}"]
    assert " ".join(" ".join(lines[4:]).split()) == f"20261122-040512-prod-1a2b 05:05 CET; {why}"


def test_ids_stay_whole_on_the_narrowest_terminal() -> None:
    text = runs_text([RUN, KILLED], TerminalInfo(width=40))

    assert "20261122-040512-prod-1a2b" in text
    assert "20261121-030000-prod-3c4d" in text
    assert "a" * 100 not in text


def test_one_run_is_told_in_full() -> None:
    text = run_text(RUN)

    assert text.startswith("20261122-040512-prod-1a2b: run of prod to 2026-11-20\n")
    for told in ("checkout is down", "INC-7", "sam", "DONE: it ended as DONE"):
        assert told in text


def test_no_runs_are_not_an_error() -> None:
    assert runs_text([]) == "no runs yet\n"
    assert runs_json([]) == []
