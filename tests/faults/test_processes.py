"""The installed command, signalled, killed, crowded, cut off from its terminal and its disk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.container_behavior import ContainerBehavior
from rollback.sandbox.launcher import Sandbox, serving
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.sandbox.scenario import fortnight
from rollback.state import record
from rollback.state.record import Record
from tests.e2e.command import INSTALLED, Command, Said
from tests.faults.scenario import PLANNED, REPOS

SPEED = 20.0
SLOW = ContainerBehavior(start_s=3 * SPEED)  # seconds of real time, times the speed
_PATIENCE_S = 60.0
_LIMITED = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); "


@dataclass(frozen=True)
class Shop:
    """A sandbox without mishaps of its own, and the command beside its history."""

    sandbox: Sandbox
    rollback: Command

    @property
    def folder(self) -> Path:
        return self.rollback.folder

    @property
    def words(self) -> tuple[str, ...]:
        """A run to the day before yesterday: billing, cart and web change, catalog is the same."""
        return ("run", f"--date={self.sandbox.story.good_day}", "--env=prod", "--json")

    def tags(self) -> dict[str, str]:
        with self.sandbox.fleet.lock:
            self.sandbox.fleet.advance()
            images = {a: self.sandbox.fleet.apps[a].definition["container"]["docker"]["image"] for a in PLANNED}
        return {app_id: image.partition("@")[0].rpartition(":")[2] for app_id, image in images.items()}

    def slow(self) -> None:
        """Let the images of that day take their time."""
        for image in ("billing:1.8.0-master", "cart:2.10.0-master", "web:5.3.0-master"):
            self.sandbox.behaviors.attach(image, SLOW)

    def quick(self) -> None:
        for image in ("billing:1.8.0-master", "cart:2.10.0-master", "web:5.3.0-master"):
            self.sandbox.behaviors.attach(image, ContainerBehavior())

    def writes(self) -> int:
        return sum(method not in ("GET", "HEAD") for method, _ in self.sandbox.front.seen)

    def newest(self) -> Record:
        return record.read(record.files(self.folder)[0])

    def wait_for(self, event: str, **members: Any) -> None:
        """Wait until the record of the newest run has such a line."""

        def there() -> bool:
            return any(
                line["event"] == event and members.items() <= line.items()
                for path in record.files(self.folder)[:1]
                for line in record.read(path).lines
            )

        eventually(there, f"a line {event!r} in the record")

    def at_rest(self) -> None:
        """Wait until no deployment runs any more."""

        def rests() -> bool:
            self.sandbox.fleet.advance()
            return not self.sandbox.fleet.deployments

        eventually(rests, "the end of all deployments")

    def undo(self) -> Said:
        self.quick()
        return self.rollback("undo", "--yes", "--json")


def eventually(fact: Callable[[], bool], what: str) -> None:
    """Wait for a fact.

    Raises:
        AssertionError: it has not come to be.
    """
    end = time.monotonic() + _PATIENCE_S
    while not fact():
        assert time.monotonic() < end, f"in vain waited for {what}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    """One sandbox and one `get` for the whole file."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(replace(fortnight(), behaviors={}), speed=SPEED) as sandbox:
        (folder / "rollback.yaml").write_text(
            json.dumps(
                {
                    "registry": {"url": sandbox.registry_url},
                    "target": "marathon",
                    "targets": {"marathon": {"kind": "marathon", "url": sandbox.marathon_url}},
                    "run": {"timeout_s": 20, "settle_s": 0.2, "poll_s": 0.05, "parallel": 1},
                }
            )
        )
        said = Command(folder)("get", f"--repo={REPOS}", "--env=prod", "--no-cache")
        assert said.code == 0, said.err
        yield sandbox, folder


@pytest.fixture
def shop(history: tuple[Sandbox, Path], tmp_path: Path) -> Iterator[Shop]:
    sandbox, source = history
    for name in ("rollback.yaml", "rollback.json"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    made = Shop(sandbox, Command(tmp_path))
    made.quick()
    before = {app_id: dict(sandbox.fleet.apps[app_id].definition) for app_id in PLANNED}
    yield made
    sandbox.faults.clear()
    for app_id, definition in before.items():  # a test that fails must not let others fail
        if sandbox.fleet.apps[app_id].definition != definition:
            sandbox.front.foreign(app_id, {"container": definition["container"]})
    made.at_rest()


@pytest.fixture
def start(shop: Shop) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        started.append(shop.rollback.start(*words))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait()


Start = Callable[..., "subprocess.Popen[str]"]


def as_before(shop: Shop, before: dict[str, str]) -> None:
    assert shop.tags() == before
    shop.at_rest()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_starts_no_new_write_and_closes_the_record(shop: Shop, start: Start, number: signal.Signals) -> None:
    before = shop.tags()
    shop.slow()
    running = start(*shop.words, "--on-failure=keep")  # one after the other
    shop.wait_for("written")

    running.send_signal(number)

    out, err = running.communicate(timeout=_PATIENCE_S)
    assert running.returncode == 130
    assert "no new write is started" in err
    told = json.loads(out)
    assert told["summary"].startswith("interrupted; ")
    assert [row["state"] for row in told["services"]] == ["unknown", "not reached", "same", "not reached"]
    assert shop.newest().outcome["exit_code"] == 130
    assert len(shop.newest().sent) == 1
    assert shop.undo().code == 0
    as_before(shop, before)


def test_a_second_signal_ends_at_once(shop: Shop, start: Start) -> None:
    before = shop.tags()
    shop.slow()
    running = start(*shop.words)
    shop.wait_for("written")
    shop.sandbox.faults.add(Fault(FaultKind.DELAY, seconds=4, method="GET", times=50))
    time.sleep(0.3)  # until it waits for such an answer
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)  # so soon after, it is the same wish
    time.sleep(0.7)
    assert running.poll() is None
    began = time.monotonic()

    running.send_signal(signal.SIGINT)

    _, err = running.communicate(timeout=_PATIENCE_S)
    assert running.returncode == 130
    assert time.monotonic() - began < 2
    run = shop.newest().header.run
    assert "ended at once; what was sent goes on at the target" in err
    assert f"next: rollback history --run={run}, then rollback undo --run={run}" in err
    shop.sandbox.faults.clear()
    assert shop.newest().outcome == {}
    assert shop.undo().code == 0
    as_before(shop, before)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("captured", ()),
        ("writing", ()),
        ("written", ()),
        ("judged", ("--on-failure=keep",)),
    ],
    ids=["recorded", "about to write", "written", "one is up"],
)
def test_kill_9_leaves_what_undo_and_run_put_right(
    shop: Shop, start: Start, event: str, words: Sequence[str]
) -> None:
    before = shop.tags()
    shop.slow()
    if event == "judged":
        shop.sandbox.behaviors.attach("billing:1.8.0-master", ContainerBehavior())
    running = start(*shop.words, *words)
    shop.wait_for(event)

    running.kill()

    running.communicate()
    assert shop.newest().outcome == {}
    changed = {app_id for app_id, tag in shop.tags().items() if tag != before[app_id]}
    assert changed <= set(shop.newest().sent)
    told = shop.undo()
    if shop.newest().sent:
        assert told.code == 0, told.err
    as_before(shop, before)
    again = shop.rollback(*shop.words)
    assert again.code == 0, again.err
    assert shop.undo().code == 0
    as_before(shop, before)


def test_two_runs_at_once_are_one_run_and_one_refusal(shop: Shop, start: Start) -> None:
    before = shop.tags()
    shop.slow()
    first = start(*shop.words, "--by=ann")
    shop.wait_for("writing")
    written = shop.writes()

    second = shop.rollback(*shop.words, "--by=bob")

    assert second.code == 3
    assert "by ann" in second.err
    assert shop.writes() <= written + 1  # the first one's own
    shop.quick()
    out, _ = first.communicate(timeout=_PATIENCE_S)
    assert json.loads(out)["verdict"] == "DONE"
    assert shop.undo().code == 0
    as_before(shop, before)


def test_nobody_reading_its_progress_does_not_end_a_run(shop: Shop, start: Start) -> None:
    before = shop.tags()
    shop.slow()
    running = start(*shop.words)
    shop.wait_for("written")
    assert running.stderr

    running.stderr.close()

    shop.quick()
    assert running.stdout
    out = running.stdout.read()
    assert running.wait(_PATIENCE_S) == 0, out
    assert json.loads(out)["verdict"] == "DONE"
    assert shop.newest().outcome["verdict"] == "DONE"
    assert shop.undo().code == 0
    as_before(shop, before)


@pytest.mark.parametrize("event", ["began", "captured", "writing", "written", "judged", "ended"])
def test_a_full_disk_stops_a_run_before_its_first_write_or_not_at_all(shop: Shop, event: str, tmp_path: Path) -> None:
    before = shop.tags()
    room = size_until(shop, event)
    limited = Command(
        shop.folder, (sys.executable, "-c", f"{_LIMITED}os.execv(sys.argv[2], sys.argv[2:])", str(room), INSTALLED)
    )
    written = shop.writes()

    said = limited(*shop.words)

    if event in ("began", "captured", "writing"):
        assert said.code == 1, said.err
        assert "cannot be written" in said.err
        assert "File too large" in said.err
        assert shop.writes() == written
        assert shop.rollback("history").code == 0
    else:
        assert said.code == 0, said.err
        assert "cannot be written" in said.err
        assert set(shop.newest().sent) == {app_id for app_id, tag in shop.tags().items() if tag != before[app_id]}
        assert shop.undo().code == 0
    as_before(shop, before)


_SIZES: dict[str, int] = {}


def size_until(shop: Shop, event: str) -> int:
    """Bytes of a record up to the middle of its first line of a kind, from a run on an unlimited disk."""
    if not _SIZES:
        assert shop.rollback(*shop.words).code == 0
        at = 0
        for line in record.files(shop.folder)[0].read_bytes().splitlines(keepends=True):
            _SIZES.setdefault(json.loads(line)["event"], at + len(line) // 2)
            at += len(line)
        assert shop.undo().code == 0
        for path in (shop.folder / "runs").iterdir():
            path.unlink()
        shop.at_rest()
    return _SIZES[event]


def test_a_crash_of_the_machine_between_two_bytes_leaves_a_record_that_can_be_read(shop: Shop) -> None:
    before = shop.tags()
    assert shop.rollback(*shop.words).code == 0
    path = record.files(shop.folder)[0]
    whole = path.read_bytes()
    sent = shop.newest().sent
    announced = next(
        at for at in range(len(whole)) if whole[:at].endswith(b"\n") and b'"event": "writing"' in whole[:at]
    )
    for cut in range(announced, len(whole), 97):
        path.write_bytes(whole[:cut])

        assert record.read(path).sent == sent, cut

    path.write_bytes(whole[: announced + 1])
    assert shop.undo().code == 0
    as_before(shop, before)
