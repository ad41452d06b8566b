from __future__ import annotations

from rollback.output.run_history import run_text, runs_json, runs_text
from rollback.output.terminal import TerminalInfo
from tests.support.records import past

RUN = past("20261122-040512-prod-1a2b", at="2026-11-22T04:05:12Z", reason="checkout is down", incident="INC-7")
KILLED = past("20261121-030000-prod-3c4d", at="2026-11-21T03:00:00Z", verdict="", by="a" * 200)


def test_past_runs_are_listed_with_their_outcome() -> None:
    lines = runs_text([RUN, KILLED]).splitlines()

    assert lines[1].split()[:5] == ["20261122-040512-prod-1a2b", "run", "2026-11-20", "sam", "DONE"]
    assert "no outcome (killed, or still running)" in lines[2]


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
