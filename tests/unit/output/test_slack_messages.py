from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rollback.errors import Reason
from rollback.execution.outcome import Outcome, Row, Verdict
from rollback.output import slack_client, slack_messages
from rollback.secret import Secret
from rollback.state.record import Header
from tests.support.image_factory import HOST
from tests.support.local_zone import local_zone
from tests.unit.output.test_progress import planned

HEADER = Header(
    run="20261122-040512-prod-1a2b",
    kind="run",
    env="prod",
    target="marathon at https://dcos.example.com",
    as_of="2026-11-20",
    by="sam",
    at="2026-11-22T04:05:12Z",
    on_failure="restore",
    reason="checkout is down",
    incident="INC-7",
    link="https://jenkins.example.com/job/7",
)


def outcome(
    services: int, verdict: Verdict = Verdict.DONE, detail: str = "2 of 2 ready", state: str = "changed"
) -> Outcome:
    rows = tuple(
        Row(f"service-{n:03}", f"/a/{n}", f"{HOST}/s:1.9.{n}-master", f"{HOST}/s:1.8.{n}-master", "", state, detail)
        for n in range(services)
    )
    return Outcome(
        verdict, 0, f"{services} changed and up", rows, 83, HEADER.run, f"rollback undo --run={HEADER.run}"
    )


def texts(message: slack_messages.Message) -> list[str]:
    return [block["text"]["text"] for block in message["attachments"][0]["blocks"]]


def test_the_start_tells_who_why_and_from_where_to_where() -> None:
    message = slack_messages.started(HEADER, planned(3))

    text = "\n".join(texts(message))
    assert message["text"] == "Started: run of prod to 2026-11-20, by sam"
    for told in ("checkout is down", "INC-7", "https://jenkins.example.com/job/7", "9.9.9-master", "3 to change"):
        assert told in text
    assert text.count("→") == 3


@pytest.mark.parametrize(
    ("as_of", "shown"),
    [("2026-11-20", ""), ("2026-11-20T14:30:00-05:00", "As of: 2026-11-20 19:30 UTC (20:30 CET)\n")],
)
def test_times_are_shown_in_utc_and_beside_it_in_local_time(as_of: str, shown: str) -> None:
    header = replace(HEADER, as_of=as_of)

    with local_zone("Europe/Berlin"):
        both = [slack_messages.started(header, planned(1)), slack_messages.ended("run", outcome(1), header)]

    for message in both:
        about = texts(message)[1]
        assert f"{shown}Began: 2026-11-22 04:05 UTC (05:05 CET)\n" in about
        assert about.count("As of: ") == bool(shown)


@pytest.mark.parametrize(
    ("verdict", "colour"),
    [
        ("DONE", "#2a8a4a"),
        ("NOTHING TO DO", "#2a8a4a"),
        ("RESTORED", "#c98a00"),
        ("PARTLY", "#c0392b"),
        ("FAILED", "#c0392b"),
    ],
)
def test_the_first_line_of_the_end_is_the_verdict_and_decides_the_colour(verdict: str, colour: str) -> None:
    message = slack_messages.ended("run of prod to 2026-11-20", outcome(2, Verdict(verdict)), HEADER)

    assert message["text"] == f"{verdict}: run of prod to 2026-11-20 after 83 s"
    assert message["attachments"][0]["color"] == colour
    assert texts(message)[0] == f"*{message['text']}*"


@pytest.mark.parametrize("found", [{"but": "web is down (0 of 2 ready)", "down": True}, {"down": True}])
@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.NOTHING])
def test_what_is_down_is_never_green(verdict: Verdict, found: dict[str, Any]) -> None:
    ended = replace(outcome(2, verdict), **found)

    message = slack_messages.ended("run of prod to 2026-11-20", ended, HEADER)

    assert message["attachments"][0]["color"] == "#c98a00"
    assert found.get("but", "") in message["text"]


def test_the_end_names_what_differs_worst_first_and_then_the_undo_command() -> None:
    rows = (
        Row("web", "/a/w", f"{HOST}/w:2", f"{HOST}/w:1", "", "same"),
        Row("cart", "/a/c", f"{HOST}/c:2", f"{HOST}/c:1", "", "changed", "2 of 2 ready"),
        Row("billing", "/a/b", f"{HOST}/b:2", f"{HOST}/b:1", "", "failed", "crashes"),
    )
    told = Outcome(Verdict.PARTLY, 4, "manual intervention is needed", rows, 3, "r", "rollback undo --run=r")

    parts = texts(slack_messages.ended("run", told, HEADER))

    assert "web" not in parts[2]
    assert parts[2].index("billing") < parts[2].index("cart")
    assert parts[-1] == "Undo: `rollback undo --run=r`"


@pytest.mark.parametrize(
    ("services", "detail"), [(1, ""), (200, "2 of 2 ready"), (200, "x" * 5000), (2000, "y" * 90)]
)
def test_a_message_keeps_within_the_limits_of_slack(services: int, detail: str) -> None:
    for message in (
        slack_messages.ended("run of prod", outcome(services, Verdict.PARTLY, detail, "failed"), HEADER),
        slack_messages.plain("title " * 200, "line\n" * 5000),
    ):
        blocks = message["attachments"][0]["blocks"]
        assert len(blocks) <= 50
        assert all(0 < len(block["text"]["text"]) <= 3000 for block in blocks)
        assert len(message["text"]) <= 4000


def test_all_of_200_services_are_named() -> None:
    text = "\n".join(texts(slack_messages.ended("run of prod", outcome(200), HEADER)))

    assert all(f"service-{number:03}" in text for number in range(200))


def test_what_does_not_fit_is_counted() -> None:
    text = "\n".join(texts(slack_messages.ended("run of prod", outcome(2000, detail="y" * 90), HEADER)))

    shown = text.count("service-")
    assert f"and {2000 - shown} more: see the record of the run" in text


def test_markup_in_names_and_reasons_is_only_text() -> None:
    header = Header(**{**vars(HEADER), "reason": "<!channel> & ```", "by": "<@U1>"})

    text = json.dumps(slack_messages.ended("run", outcome(1, detail="``` <!here>"), header))

    assert "<!" not in text
    assert "<@" not in text
    assert text.count("```") == 2  # our own fence alone


# The wire ----------------------------------------------------------------------------------------------------------


@dataclass
class Slack:
    """Answers what it is told to, and keeps what it hears."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def slackd() -> Iterator[Slack]:
    state = Slack()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            code, headers, body = state.answers.pop(0) if state.answers else (200, {}, "ok")
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0/secret-part"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What the program has warned of; by a handler of its own, wherever the command has left the logger."""
    told: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    ear = Ear(logging.WARNING)
    logger = logging.getLogger("rollback.output.slack_client")
    logger.addHandler(ear)
    yield told
    logger.removeHandler(ear)


def test_a_message_is_posted_once(slackd: Slack) -> None:
    assert slack_client.ended(Secret(slackd.url), "run of prod", outcome(1), HEADER)

    assert [message["text"] for message in slackd.heard] == ["DONE: run of prod after 83 s"]


def test_429_is_waited_for_and_tried_again(slackd: Slack) -> None:
    slackd.answers = [(429, {"Retry-After": "1"}, "rate_limited")]
    waited: list[float] = []

    assert slack_client.post(Secret(slackd.url), {"text": "x"}, sleep=waited.append)

    assert waited == [1.0]
    assert len(slackd.heard) == 2


@pytest.mark.parametrize("wanted", ["60", "9999999"])
def test_a_long_wait_is_not_waited_for(slackd: Slack, wanted: str, warnings: list[str]) -> None:
    slackd.answers = [(429, {"Retry-After": wanted}, "rate_limited")]
    waited: list[float] = []

    assert not slack_client.post(Secret(slackd.url), {"text": "x"}, sleep=waited.append)

    assert waited == []
    assert warnings == ["the Slack message was not sent (it answered 429 rate_limited)"]


def test_it_gives_up_after_a_few_times(slackd: Slack) -> None:
    slackd.answers = [(503, {}, "")] * 10

    assert not slack_client.post(Secret(slackd.url), {"text": "x"}, sleep=lambda _: None)

    assert len(slackd.heard) == 3


def test_a_refusal_is_not_tried_again(slackd: Slack) -> None:
    slackd.answers = [(400, {}, "invalid_blocks")]

    assert not slack_client.post(Secret(slackd.url), {"text": "x"}, sleep=lambda _: None)

    assert len(slackd.heard) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/services/secret-part", "no address/secret-part", "ftp://x/secret-part"]
)
def test_a_dead_slack_costs_one_warning_that_keeps_the_secret(url: str, warnings: list[str]) -> None:

    assert not slack_client.send(Secret(url), "title", "body")

    assert len(warnings) == 1
    assert "secret-part" not in warnings[0]


def test_without_a_webhook_nothing_happens() -> None:
    assert not slack_client.send(Secret(), "title", "body")


def test_a_refusal_is_told_with_every_reason(slackd: Slack) -> None:
    reasons = [Reason("cart: 2 apps fit", "found: /a, /b", "name the app"), Reason("web: the image is gone")]

    assert slack_client.refused(Secret(slackd.url), "run of prod to 2026-11-20", reasons)

    (message,) = slackd.heard
    text = "\n".join(texts(message))
    assert message["text"] == "REFUSED: run of prod to 2026-11-20: nothing was changed"
    assert all(told in text for told in ("cart: 2 apps fit", "/a, /b", "name the app", "the image is gone"))
