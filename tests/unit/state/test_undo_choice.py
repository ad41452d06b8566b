"""An undo picks the newest run that left something changed, and says which ones it passed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from rollback.errors import BadInput
from rollback.state import undo_choice
from rollback.state.record import Record
from tests.support.records import past

FOLDER = Path("dump")
AT = "2026-11-22T04:00:00Z"
NOW = datetime(2026, 11, 22, 4, 0, 0, tzinfo=timezone.utc)


def run(name: str, *states: str, verdict: str = "DONE", **members: Any) -> Record:
    """A run that announced a write to one app per state."""
    apps = [f"/{name}/{number}" for number in range(len(states))]
    made = past(name, at=AT, verdict=verdict, **members)
    services = [{"app": app, "state": state} for app, state in zip(apps, states, strict=True)]
    outcome = {**made.outcome, "services": services} if verdict else {}
    return replace(made, sent=dict.fromkeys(apps, frozenset({"r/a:1"})), outcome=outcome)


def killed(*lines: dict[str, Any], kind: str = "run") -> Record:
    made = past("killed", at=AT, verdict="", kind=kind)
    return replace(made, sent={"/a": frozenset({"r/a:1"})}, lines=tuple({"when": AT, **line} for line in lines))


WRITING = {"event": "writing", "images": {"/a": "r/a:1"}, "restoring": False}
TAKEN = {"event": "written", "apps": ["/a"], "deployment": "d1", "problem": "", "taken": True}
REFUSED = {**TAKEN, "deployment": "", "problem": "409", "taken": False}
NO_ANSWER = {**TAKEN, "deployment": "", "problem": "no answer"}
BACK = {"event": "judged", "app": "/a", "state": "up", "restoring": True}


@pytest.mark.parametrize(
    "newer",
    [
        run("b", "not taken", verdict="FAILED"),
        run("b", "restored", "not taken", verdict="RESTORED"),
        replace(killed(WRITING, REFUSED)),
    ],
)
def test_a_run_whose_writes_were_all_refused_or_put_back_is_passed_over(newer: Record) -> None:
    choice = undo_choice.choose([newer, run("a", "changed")], FOLDER, None)

    assert choice.record.header.run == "a"
    assert [record.header.run for record in choice.passed_over] == [newer.header.run]


@pytest.mark.parametrize("state", ["changed", "failed", "unknown"])
def test_one_service_that_is_not_as_before_is_enough(state: str) -> None:
    chosen = undo_choice.choose([run("b", "restored", state, verdict="PARTLY"), run("a", "changed")], FOLDER, None)

    assert chosen.record.header.run == "b"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((WRITING,), True),
        ((WRITING, TAKEN), True),
        ((WRITING, NO_ANSWER), True),
        ((WRITING, REFUSED), False),
        ((WRITING, TAKEN, {**WRITING, "restoring": True}, TAKEN, BACK), False),
        ((WRITING, TAKEN, {**WRITING, "restoring": True}, TAKEN), True),
        ((WRITING, TAKEN, BACK, {**WRITING, "restoring": True}), True),
    ],
)
def test_a_run_without_an_outcome_is_judged_by_its_lines(lines: tuple[dict[str, Any], ...], left: bool) -> None:
    assert bool(undo_choice.left_changed(killed(*lines))) is left


def test_what_an_undo_brought_back_it_has_changed() -> None:
    assert undo_choice.left_changed(killed(WRITING, TAKEN, BACK, kind="undo")) == {"/a"}


def test_several_environments_need_a_name() -> None:
    records = [run("b", "changed", env="stage"), run("a", "changed")]

    with pytest.raises(BadInput, match="several environments") as caught:
        undo_choice.choose(records, FOLDER, None)

    assert "prod: newest a; stage: newest b" in caught.value.why
    assert undo_choice.choose(records, FOLDER, "prod").record.header.run == "a"


def test_where_no_run_left_anything_it_is_the_newest_one_of_which_there_is_nothing_to_undo() -> None:
    records = [run("b", "restored", verdict="RESTORED"), run("a", "not taken", verdict="FAILED")]

    choice = undo_choice.choose(records, FOLDER, None)

    assert (choice.record.header.run, undo_choice.left_changed(choice.record)) == ("b", frozenset())
    with pytest.raises(BadInput, match="there is no run to undo"):
        undo_choice.choose([], FOLDER, None)


@pytest.mark.parametrize(
    ("lines", "age_s", "left"),
    [
        ((WRITING,), 5, {"/a": 15}),
        ((WRITING,), 21, {}),
        ((WRITING,), -3600, {"/a": 20}),
        ((WRITING, NO_ANSWER), 5, {"/a": 15}),
        ((WRITING, TAKEN), 5, {}),
        ((WRITING, REFUSED), 5, {}),
        (({**WRITING, "when": "garbage"},), 5, {"/a": 20}),
    ],
)
def test_a_write_without_an_answer_may_still_arrive(
    lines: tuple[dict[str, Any], ...], age_s: float, left: dict[str, float]
) -> None:
    assert undo_choice.unanswered(killed(*lines), NOW + timedelta(seconds=age_s), 20) == left
