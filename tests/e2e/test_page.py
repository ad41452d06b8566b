"""`--html`: the page is written beside the result, and tells what runs where that can be asked."""

from __future__ import annotations

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import REPOS

GET = ("get", f"--repo={REPOS}", "--env=prod", "--html=timeline.html")


def test_get_writes_the_page_with_what_runs_now(rollback: Command, sandbox: Sandbox) -> None:
    said = rollback(*GET)

    page = (rollback.folder / "timeline.html").read_text()
    assert said.code == 0, said.err
    assert f"rollback run --date={sandbox.story.good_day} --env=prod" in page
    assert f"What runs now: marathon at {sandbox.marathon_url}, queried at" in page
    assert (rollback.folder / "rollback.json").exists()


def test_a_target_that_cannot_be_asked_costs_a_line_and_not_the_page(rollback: Command) -> None:
    said = rollback(*GET, ROLLBACK_MARATHON_URL="http://127.0.0.1:9")

    assert said.code == 0
    assert "what runs now is not on the page" in said.err
    assert "What runs now" not in (rollback.folder / "timeline.html").read_text()


def test_history_writes_the_page_with_the_runs(offered: Command, sandbox: Sandbox) -> None:
    assert offered("run", f"--date={sandbox.story.good_day}", "--env=prod", "--reason=checkout <is> down").code == 0

    said = offered("history", "--html=runs.html")

    page = (offered.folder / "runs.html").read_text()
    assert said.code == 0
    assert "checkout &lt;is&gt; down" in page
    assert "checkout <is> down" not in page
    assert ">DONE</b>" in page
    assert "as runs left it" in page


def test_history_can_be_shown_without_a_rollback_json(offered: Command, sandbox: Sandbox) -> None:
    offered("run", f"--date={sandbox.story.good_day}", "--env=prod")
    (offered.folder / "rollback.json").unlink()

    said = offered("history", "--html=runs.html")

    assert said.code == 0
    assert f"run to {sandbox.story.good_day}" in (offered.folder / "runs.html").read_text()


def test_a_page_that_cannot_be_written_is_an_error_in_words(offered: Command) -> None:
    said = offered("history", "--html=/proc/none/timeline.html")

    assert said.code == 1
    assert "cannot be written" in said.err


def test_the_command_on_the_page_names_the_folder_and_never_a_secret(rollback: Command) -> None:
    said = rollback(
        *GET[:-1],
        "--html=page.html",
        "--dump=kept here",
        ROLLBACK_USER="oncall",
        ROLLBACK_PASSWORD="rehearsal",
        ROLLBACK_SLACK="https://hooks.slack.com/services/hook-secret",
    )

    page = (rollback.folder / "page.html").read_text()
    assert said.code == 0, said.err
    assert "--env=prod &#x27;--dump=kept here&#x27;" in page
    assert "rehearsal" not in page
    assert "hook-secret" not in page


def test_get_shows_what_a_date_would_select(rollback: Command, sandbox: Sandbox) -> None:
    said = rollback("get", f"--repo={REPOS}", "--env=prod", f"--date={sandbox.story.good_day}")

    assert said.code == 0
    assert f"As of {sandbox.story.good_day}:" in said.out
    assert "catalog  3.4.0-master   carried, released" in said.out


def test_a_date_that_is_not_offered_spoils_nothing(rollback: Command) -> None:
    said = rollback("get", f"--repo={REPOS}", "--env=prod", "--date=2001-01-01")

    assert said.code == 0
    assert "2001-01-01 is not a date of this history" in said.err
    assert (rollback.folder / "rollback.json").exists()
