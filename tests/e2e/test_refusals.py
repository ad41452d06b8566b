"""A refused run has a report, too: its first line is the verdict, and `--json` has the reasons."""

from __future__ import annotations

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import settings, written


def test_the_first_line_of_the_report_is_refused(offered: Command, sandbox: Sandbox) -> None:
    settings(offered.folder, sandbox, "apps: {billing: /nowhere, cart: /nowhere/too}\n")

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod")

    assert said.code == 3
    assert said.out == "REFUSED: 2 reasons against it, nothing was changed\n"
    assert said.err.count("  next: ") == 2
    assert written(sandbox) == []


def test_json_has_the_verdict_and_every_reason(offered: Command) -> None:
    said = offered("run", "--date=2001-01-01", "--env=prod", "--json")

    assert said.code == 3
    assert said.json()["verdict"] == "REFUSED"
    assert said.json()["exit_code"] == 3
    assert "2001-01-01 is not a date of this history" in said.json()["reasons"][0]["what"]


def test_slack_is_told_of_a_refusal(offered: Command, sandbox: Sandbox, slack: tuple[str, list[str]]) -> None:
    url, posted = slack
    settings(offered.folder, sandbox, "apps: {billing: /nowhere}\n")

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod", ROLLBACK_SLACK=url)

    assert said.code == 3
    assert len(posted) == 1
    assert "REFUSED: run of prod" in posted[0]
