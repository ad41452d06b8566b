"""A signal while the program waits for an answer that does not come: it is obeyed, and what it says is true."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rollback import cli
from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.launcher import Sandbox, serving
from rollback.sandbox.scenario import fortnight
from rollback.state import record
from tests.faults.scenario import PLANNED, REPOS, Told

LOCK, FREEZE = "/v2/apps/ds/prod/rollback-lock", "/v2/apps/ds/prod/rollback-freeze"
# A signal is obeyed within a second. On a busy machine that takes longer; every limit of ours is longer still.
_HELD_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Silence:
    """What gives no answer until the test is over, and what signals the program once it waits for it.

    Attributes:
        waited_too_long: whether the program was still there when the answer came all the same.
    """

    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    waited_too_long: bool = False

    def keep(self) -> None:
        """Say nothing for a long time; from now on the program has a signal to obey."""
        self.reached.set()
        os.kill(os.getpid(), signal.SIGTERM)
        self.waited_too_long = not self.over.wait(_HELD_S)


@dataclass(frozen=True)
class Place:
    """A fleet that keeps locks and freezes on the target, and the command beside its history."""

    sandbox: Sandbox
    folder: Path

    def command(self, *words: str, silence: Silence | None = None) -> Told:
        """One command in this process, which is signalled when it reaches the silence."""
        out, err = io.StringIO(), io.StringIO()
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = cli.main([*words, f"--config={self.folder / 'rollback.yaml'}"])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if silence:
                silence.over.set()
        if silence:
            assert silence.reached.is_set(), err.getvalue()
            assert not silence.waited_too_long, err.getvalue()
        return Told(code, out.getvalue(), err.getvalue())

    def run(self, *words: str, silence: Silence | None = None, day: str = "") -> Told:
        date = f"--date={day or self.sandbox.story.good_day}"
        return self.command("run", date, "--env=prod", "--json", f"--dump={self.folder}", *words, silence=silence)

    def undo(self, *words: str) -> Told:
        return self.command("undo", "--yes", "--json", f"--dump={self.folder}", *words)

    def check(self) -> Told:
        return self.command("check", "--env=prod")

    def tags(self) -> list[str]:
        with self.sandbox.fleet.lock:
            self.sandbox.fleet.advance()
            return [self.sandbox.fleet.apps[a].definition["container"]["docker"]["image"] for a in PLANNED]

    @contextmanager
    def silent(self, wants: Callable[[Request, bool], bool]) -> Iterator[Silence]:
        """Let one request go without an answer and without effect.

        Args:
            wants: which; is given the request, and whether the fleet was written before.
        """
        api, silence, written = self.sandbox.front.api, Silence(), threading.Event()
        answer = api.answer

        def answered(request: Request) -> Response:
            if not silence.reached.is_set() and wants(request, written.is_set()):
                silence.keep()
                return Response(503)
            if (request.method, request.path) == ("PATCH", "/v2/apps"):
                written.set()
            return answer(request)

        api.answer = answered  # type: ignore[method-assign]
        try:
            yield silence
        finally:
            silence.over.set()
            api.answer = answer  # type: ignore[method-assign]


def newest(place: Place) -> str:
    """The id of the newest run."""
    return record.files(place.folder)[0].stem


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One sandbox and one `get` for the whole file."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(replace(fortnight(), behaviors={}), speed=20) as sandbox:
        config = {
            "registry": {"url": sandbox.registry_url},
            "target": "marathon",
            "targets": {"marathon": {"kind": "marathon", "url": sandbox.marathon_url}},
            "run": {"timeout_s": 20, "settle_s": 0.2, "poll_s": 0.05},
            "shared_state": "target",
        }
        (folder / "rollback.yaml").write_text(json.dumps(config))
        place = Place(sandbox, folder)
        got = place.command("get", f"--repo={REPOS}", "--env=prod", "--no-cache", f"--dump={folder}")
        assert got.code == 0, got.err
        yield place


@pytest.fixture
def place(served: Place, tmp_path: Path) -> Iterator[Place]:
    for name in ("rollback.yaml", "rollback.json"):
        (tmp_path / name).write_bytes((served.folder / name).read_bytes())
    made = Place(served.sandbox, tmp_path)
    before = made.tags()
    yield made
    # Whatever the signal has left, the command that it names puts right.
    if record.files(tmp_path):
        done = made.undo("--steal-lock", f"--run={newest(made)}")
        assert done.code == 0, done
    assert made.tags() == before
    assert made.check().code == 0
    assert LOCK.removeprefix("/v2/apps") not in served.sandbox.fleet.apps


def test_while_the_lock_is_set_nothing_is_changed_and_what_may_be_left_is_said(place: Place) -> None:
    before = place.tags()

    with place.silent(lambda request, _: request.method == "POST" and "rollback-lock" in str(request.body)) as held:
        told = place.run(silence=held)

    assert told.code == 130
    assert "interrupted; nothing was changed" in told.err
    assert "the lock /ds/prod/rollback-lock may be left on the target" in told.err
    assert (place.tags(), record.files(place.folder)) == (before, ())


def test_while_nothing_is_to_be_done_the_same_is_said_of_the_lock(place: Place) -> None:
    day = next(iter(json.loads((place.folder / "rollback.json").read_text())["rollbacks"]))

    with place.silent(lambda request, _: request.method == "POST" and "rollback-lock" in str(request.body)) as held:
        told = place.run(silence=held, day=day)

    assert (told.code, "interrupted; nothing was changed" in told.err) == (130, True), told
    assert "the lock /ds/prod/rollback-lock may be left on the target" in told.err


def test_while_the_state_is_written_nothing_is_changed_and_what_may_be_left_is_said(place: Place) -> None:
    before = place.tags()

    with place.silent(lambda request, _: request.method == "POST" and "rollback-freeze" in str(request.body)) as held:
        told = place.run(silence=held)

    run = newest(place)
    assert (told.code, told.document["summary"]) == (130, "interrupted; nothing was changed")
    assert f"if `rollback check` names it: rollback undo --run={run}" in told.err
    assert set(told.states.values()) == {"not reached", "same"}
    assert place.tags() == before
    assert record.read(record.files(place.folder)[0]).outcome["exit_code"] == 130


@pytest.mark.parametrize(
    ("waits_for", "wants"),
    [
        ("what did not go back is not known", lambda request, written: written and "/versions" in request.path),
        (
            "`rollback check` may keep saying no for prod",
            lambda request, written: written and "freeze" in request.path,
        ),
        ("may be left on the target", lambda request, _: (request.method, request.path) == ("DELETE", LOCK)),
    ],
    ids=["remains", "state", "lock"],
)
def test_after_the_last_write_the_report_is_that_of_the_fleet_and_names_what_was_left(
    place: Place, waits_for: str, wants: Callable[[Request, bool], bool]
) -> None:
    with place.silent(wants) as held:
        told = place.run(silence=held)

    assert (told.code, told.document["verdict"]) == (0, "DONE"), told.err
    assert waits_for in told.err
    assert "nothing was changed" not in told.err
    assert all(row["stands"] == row["after"] for row in told.rows.values() if row["state"] == "changed")
    assert place.check().code == 1
    assert record.read(record.files(place.folder)[0]).outcome["verdict"] == "DONE"


@contextmanager
def chat(silent_at: int) -> Iterator[tuple[str, Silence]]:
    """A webhook that takes every message but one, which gets no answer."""
    silence, messages = Silence(), []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(self.rfile.read(int(self.headers["Content-Length"])))
            if len(messages) == silent_at:
                silence.keep()
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/services/T/B/hush", silence
        silence.over.set()
        server.shutdown()


def test_while_the_first_message_is_sent_nothing_is_changed(place: Place) -> None:
    before = place.tags()

    with chat(1) as (url, silence):
        told = place.run(f"--slack={url}", silence=silence)

    assert (told.code, told.document["summary"]) == (130, "interrupted; nothing was changed"), told.err
    assert "interrupted: the Slack message may not have been sent" in told.err
    assert place.tags() == before


def test_while_the_last_message_is_sent_the_report_is_that_of_the_fleet(place: Place) -> None:
    with chat(2) as (url, silence):
        told = place.run(f"--slack={url}", silence=silence)

    assert (told.code, told.document["verdict"]) == (0, "DONE"), told.err
    assert "interrupted: the Slack message may not have been sent" in told.err
    assert "hush" not in told.err


def test_a_thaw_does_not_say_that_nothing_was_changed_once_it_was_sent(place: Place) -> None:
    assert place.run().code == 0

    with place.silent(lambda request, _: request.method in {"PATCH", "DELETE"} and request.path == FREEZE) as held:
        told = place.command("thaw", "--env=prod", silence=held)

    assert (told.code, "nothing was changed" in told.err) == (130, False), told.err
    assert "interrupted: whether prod is still frozen is not known" in told.err
    assert f"next: rollback check --env=prod --config={place.folder / 'rollback.yaml'}" in told.err
