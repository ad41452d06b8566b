"""Text from outside can neither steer a terminal nor forge a line, whatever it is shown on."""

from __future__ import annotations

import html
import io
import json
import logging
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from rollback import cli
from rollback.commands import thaw
from rollback.core.apps import App, Change
from rollback.core.command_lines import CommandLines
from rollback.core.history import History
from rollback.core.image import Skipped
from rollback.core.image_selection import Match
from rollback.core.plan import Action, Environment, Plan, Step
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.errors import BadInput, Reason
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output import slack_messages
from rollback.output.error_text import error_text, reason_text
from rollback.output.incident_report import markdown
from rollback.output.progress import Handler, Progress
from rollback.output.run_history import run_text, runs_text
from rollback.output.terminal import TerminalInfo
from rollback.output.text_report import outcome_text, plan_text, refused_text
from rollback.output.timeline import chart
from rollback.output.timeline.page import Commands, page
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState, Freeze, Unfinished, Withdrawn
from rollback.state.record import Header, Record
from rollback.workflow import cluster_identity
from rollback.workflow.command_result import CommandResult
from tests.unit.state.test_freeze import NOW

PLAIN = "evil"
HOSTILE = (
    "evil\n\x1b[2J\x1b]0;title\x07DONE: all up\r\n\x9b31m\u202egnp.exe\u2066\u2028next\x00\u2029"
    "<script>alert(1)</script><!channel>[x](javascript:1)|cell|&#8238;```\ud83d\u200f"
)
BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def reason(text: str) -> Reason:
    return Reason(text, text.replace("\n", " "), text, text)


def plan(text: str) -> Plan:
    app = App(text, f"{text}:1", text, 1, checked=True)
    steps = (
        Step(text, text, Action.CHANGE, Match.EXACT, app, after=f"{text}:2", notes=(text,)),
        Step(text, text, Action.STAYS, Match.MISSING, app, notes=(text,)),
    )
    return Plan(Environment(text, text), text, text, steps, warnings=(text,))


def outcome(text: str) -> Outcome:
    rows = tuple(
        Row(text, text, text, text, text, state, text)
        for state in ("changed", "failed", "unknown", "restored", "stays")
    )
    return Outcome(Verdict.PARTLY, 4, text, rows, 1.0, text, text, 1, (text,))


def record(text: str) -> Record:
    members: dict[str, Any] = {field.name: text for field in fields(Header) if field.type == "str"}
    step = {"service": text, "repo": text, "app": text, "before": text, "after": text, "action": text}
    header = Header(**{**members, "at": "2026-11-22T04:00:00Z"}, steps=(step,))
    ended = {
        "event": "ended", "when": text, "verdict": text, "summary": text, "undo": text, "remains": [text],
        "services": [{"service": text, "state": text, "detail": text}],
    }  # fmt: skip
    lines = (
        {"event": "began", "when": text, "steps": []},
        {"event": "writing", "when": text, "images": {text: text}, "restoring": False},
        {"event": "written", "when": text, "apps": [text], "deployment": text, "problem": ""},
        {"event": "written", "when": text, "apps": [text], "deployment": text, "problem": text},
        {"event": "judged", "when": text, "app": text, "state": text, "detail": text},
        {"event": text, "when": text, "verdict": text},
        ended,
    )
    return Record(header, {}, {}, frozenset(), ended, lines, Path("x"))


def _objections(text: str) -> tuple[str, ...]:
    commands = CommandLines(config=text, target=text)
    return freeze.objections(state(text), "shop/a:1", NOW, env="prod", commands=commands)


def state(text: str) -> EnvironmentState:
    frozen = Freeze(text, text, text, "2026-11-22T04:00:00Z", "2099-11-22T04:00:00Z")
    cut_off = Unfinished(text, text, text, text, text)
    return EnvironmentState(frozen, (Withdrawn("shop/a:1", text, text, text, text),), (cut_off,))


def said(text: str) -> str:
    """What progress and warnings write to standard error."""
    stream = io.StringIO()
    progress = Progress(stream)
    progress.say(text)
    made = plan(text)
    progress.begin(made)
    app = made.steps[0].app
    assert app is not None
    progress.look(RolloutStatus(Change(app, f"{text}:2"), 0, state=RolloutState.FAILED, detail=text))
    log = logging.getLogger("rollback.hostile")
    log.propagate = False  # pytest would keep half a surrogate pair, which its workers cannot pass on
    log.addHandler(Handler(progress))
    log.warning("%s: %s", text, text)
    log.handlers.clear()
    return re.sub(r"^\S+Z ", "", stream.getvalue(), flags=re.MULTILINE)


class Kept:
    """A place that keeps a state."""

    def __init__(self, kept: EnvironmentState) -> None:
        self.kept = kept

    def load(self) -> EnvironmentState:
        return self.kept

    def exists(self) -> bool:
        return True

    def change(self, how: Callable[[EnvironmentState], EnvironmentState]) -> None:
        self.kept = how(self.kept)


def thawed(text: str) -> str:
    """What `thaw` prints to standard error and as its result."""
    options = dict.fromkeys(("--config", "--target", "--user", "--pwd", "--pwd-file"))
    stream, store = io.StringIO(), Kept(state(text))
    with patch.object(cluster_identity, "opened_state_store", lambda *_: nullcontext((store, ()))):
        result = thaw.main({**options, "--env": "prod", "--by": text, "--reason": text}, Progress(stream))
    assert (store.kept.freeze, store.kept.unfinished) == (None, ())
    return re.sub(r"^\S+Z ", "", stream.getvalue(), flags=re.MULTILINE) + result.text.removeprefix("DONE")


def markdown_text(text: str) -> str:
    return markdown(record(text))


TEXTS: dict[str, Callable[[str], str]] = {
    "plan": lambda text: plan_text(plan(text)),
    "plan on a terminal": lambda text: plan_text(plan(text), surface=TerminalInfo(width=100)),
    "report": lambda text: outcome_text(outcome(text)),
    "error": lambda text: error_text(text, "", text),
    "reason": lambda text: reason_text(reason(text)),
    "refusal": lambda text: refused_text([reason(text)]),
    "history": lambda text: runs_text([record(text)]),
    "history --run": lambda text: run_text(record(text)),
    "history --markdown and report.md": markdown_text,
    "check": lambda text: "".join(f"NO: prod: {why}\n" for why in _objections(text)),
    "thaw": thawed,
    "progress and warnings": said,
}


def harmless(shown: str) -> bool:
    return all(letter == "\n" or letter.isprintable() for letter in shown)


@pytest.mark.parametrize("door", TEXTS)
def test_text_from_outside_adds_no_line_and_steers_nothing(door: str) -> None:
    plain, hostile = TEXTS[door](PLAIN), TEXTS[door](HOSTILE)

    assert harmless(hostile)
    if "terminal" not in door:  # there a paragraph takes the lines that it needs
        assert len(hostile.splitlines()) == len(plain.splitlines())
    assert not any(line.startswith("DONE") for line in hostile.splitlines())


def test_markdown_is_not_made_by_text_from_outside() -> None:
    shown = markdown_text(HOSTILE).partition("\n## Undo\n\n    ")[0]  # what follows is one line of code

    assert "<script" not in shown
    assert "<!channel" not in shown
    assert "&#" not in shown
    assert not re.search(r"(?<!\\)\[x(?<!\\)\]", shown)
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in shown.splitlines() if line.startswith("|")]
    assert cells == [len(re.findall(r"\|", line)) for line in markdown_text(PLAIN).splitlines() if line[:1] == "|"]


def test_ids_times_and_addresses_stay_as_they_are_in_markdown() -> None:
    undo = replace(
        record(PLAIN).header, kind="undo", run="20261122-040512-prod-1a2b", as_of="20261122-031207-prod-3a17"
    )
    shown = markdown(replace(record(PLAIN), header=replace(undo, at="2026-11-22T04:05:12Z", target="127.0.0.1:8080")))

    assert ": undo of 20261122-031207-prod-3a17\n" in shown
    assert "- **Run:** 20261122-040512-prod-1a2b\n" in shown
    assert "- **Began:** 2026-11-22 04:05 UTC" in shown
    assert "- **Target:** 127.0.0.1:8080\n" in shown


@pytest.mark.parametrize("start", ["# a", "- a", "> a", "1. a", "+ a", "=== a", "12) a"])
def test_a_summary_does_not_begin_a_block_of_markdown(start: str) -> None:
    shown = markdown(replace(record(PLAIN), outcome={"verdict": "DONE", "summary": start}))

    assert start not in shown.splitlines()


MESSAGES: dict[str, Callable[[str], Any]] = {
    "started": lambda text: slack_messages.started(record(text).header, plan(text)),
    "ended": lambda text: slack_messages.ended(text, outcome(text), record(text).header),
    "refused": lambda text: slack_messages.refused(text, [reason(text)]),
    "plain": lambda text: slack_messages.plain(text, text.replace("\n", " ")),
}


@pytest.mark.parametrize("message", MESSAGES)
def test_slack_shows_no_line_and_no_mention_that_came_from_outside(message: str) -> None:
    plain, hostile = _texts(MESSAGES[message](PLAIN)), _texts(MESSAGES[message](HOSTILE))

    assert len(hostile) == len(plain)
    for ours, theirs in zip(plain, hostile, strict=True):
        assert harmless(theirs)
        assert theirs.count("\n") == ours.count("\n")
        assert theirs.count("```") == ours.count("```")
        assert "<" not in theirs
        assert ">" not in theirs


def _texts(message: Any) -> list[str]:
    blocks = [block["text"]["text"] for block in message["attachments"][0]["blocks"]]
    return [message["text"], *blocks]


def test_a_page_for_a_browser_holds_no_markup_and_no_mark_from_outside() -> None:
    past = replace(record(HOSTILE), outcome={"verdict": HOSTILE, "summary": HOSTILE})
    history = History((), (), (), env=HOSTILE, registry=HOSTILE, skipped=(Skipped(HOSTILE, HOSTILE, HOSTILE),))

    text = page(chart.build(history, [past]), Commands(f"rollback {HOSTILE} ", HOSTILE), HOSTILE)

    body = text[text.index("<body>") : text.rindex("<script>")]
    assert "alert(1)</script>" not in body
    assert not set(html.unescape(body)) & {*BIDIRECTIONAL, "\x1b", "\x9b", "\x00", "\u2028", "\u2029", "\x07"}
    data = json.loads(re.search(r'id="data">(.*?)</script>', body, re.DOTALL)[1])  # type: ignore[index]
    assert harmless("".join(data["command"]))


def test_a_result_as_json_keeps_the_data_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    whole = HOSTILE.replace("\ud83d", "")

    cli._print(CommandResult("", {"by": whole}), as_json=True)

    shown = capsys.readouterr().out
    assert json.loads(shown) == {"by": whole}
    assert harmless(shown)


def test_a_result_that_a_command_forgot_to_clean_is_harmless_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    cli._print(CommandResult(f"\x1b[32mDONE\x1b[0m {HOSTILE}\n"), as_json=False)

    shown = capsys.readouterr().out
    assert shown.startswith("\x1b[32mDONE\x1b[0m ")
    assert harmless(shown.replace("\x1b[32m", "").replace("\x1b[0m", ""))


def test_an_error_of_any_class_is_shown_in_lines_of_ours() -> None:
    error = BadInput(HOSTILE, why="one\ntwo\x1b[2J\nthree", hint=HOSTILE)

    lines = error_text(error.what, error.why, error.hint).splitlines()

    assert [line[:8] for line in lines[1:]] == ["  why:  ", "        ", "        ", "  next: "]
    assert harmless("\n".join(lines))
