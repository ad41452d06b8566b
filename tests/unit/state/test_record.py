"""The record of a run: durable, whole or cut, read back as it was told."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback.core.apps import Change, Deployment
from rollback.core.command_lines import CommandLines
from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.errors import BadInput, RecordError
from rollback.output.incident_report import markdown
from rollback.output.run_history import run_text, runs_json, runs_text
from rollback.state import record, undo_choice
from rollback.state.journal import Journal
from rollback.state.record import Captured, Header
from tests.support.image_factory import app

A, B = app("/a", "r/a:2", deployments=("d0",), marks={"env": "f00"}), app("/b", "r/b:2")
HEADER = Header(
    run="20261122-040000-prod-aaaa",
    kind="run",
    env="prod",
    target="marathon at http://m",
    as_of="2026-11-20",
    by="jenkins",
    at="2026-11-22T04:00:00Z",
    on_failure="restore",
    reason='é \u2028 "quoted"\nline',
    steps=({"service": "a", "repo": "shop/a", "app": "/a", "before": "r/a:2", "after": "r/a:1"},),
)


def stamp() -> str:
    return "2026-11-22T04:00:01Z"


def started(folder: Path, run: str = HEADER.run, **members: Any) -> Journal:
    return Journal(folder, replace(HEADER, run=run, **members), [Captured(A, ready=True), Captured(B, False)], stamp)


def wrote(folder: Path, run: str = HEADER.run, **members: Any) -> Path:
    """A run that changed /a."""
    journal = started(folder, run, **members)
    change = Change(A, "r/a:1")
    journal.writing([change], restoring=False)
    journal.written([change], Deployment("d1", ("/a",), "v2"), "", taken=True)
    journal.judged(RolloutStatus(change, 0, state=RolloutState.UP, detail="2 of 2 ready"), restoring=False)
    journal.ended(verdict="DONE", summary="1 changed and up")
    journal.close()
    return journal.path


def test_what_was_told_is_read_back(tmp_path: Path) -> None:
    found = record.read(wrote(tmp_path))

    assert found.header == replace(HEADER, number=1)
    assert found.captured == {"/a": Captured(A, ready=True), "/b": Captured(B, ready=False)}
    assert found.sent == {"/a": frozenset({"r/a:1"})}
    assert found.deployments == {"d1"}
    assert found.outcome["verdict"] == "DONE"
    assert [line["event"] for line in found.lines] == [
        *("began", "captured", "captured", "writing", "written", "judged", "ended")
    ]


def test_every_line_is_on_the_disk_when_its_method_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_size)
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    journal = started(tmp_path)

    journal.writing([Change(A, "r/a:1")], restoring=False)

    assert synced[-1] == journal.path.stat().st_size
    assert journal.path.read_text().splitlines()[-1].startswith('{"event": "writing"')
    journal.close()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(wrote(tmp_path).stat().st_mode) == 0o600


def test_a_message_that_was_cut_within_a_character_is_kept(tmp_path: Path) -> None:
    journal = started(tmp_path, reason="caf\udce9")
    journal.judged(RolloutStatus(Change(A, "r/a:1"), 0, detail="exit \ud83d"), restoring=False)
    journal.close()

    found = record.read(journal.path)

    assert found.header.reason == "caf\udce9"
    assert found.lines[-1]["detail"] == "exit \ud83d"


def test_two_runs_never_share_a_file(tmp_path: Path) -> None:
    started(tmp_path).close()

    with pytest.raises(RecordError, match="cannot be written"):
        started(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(RecordError) as caught:
        started(tmp_path)

    assert "--dump" in caught.value.hint


def test_a_full_disk_leaves_whole_lines_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = started(tmp_path)
    write: Callable[[int, bytes], int] = os.write
    room = iter([7])

    def short(handle: int, data: bytes) -> int:
        size = next(room, None)
        if size is None:
            raise OSError(28, "No space left on device")
        return write(handle, data[:size])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(RecordError) as caught:
        journal.writing([Change(A, "r/a:1")], restoring=False)
    monkeypatch.setattr(os, "write", write)
    journal.ended(verdict="FAILED")
    journal.close()

    assert caught.value.why == "No space left on device"
    found = record.read(journal.path)
    assert found.sent == {}
    assert found.outcome["verdict"] == "FAILED"


def test_what_is_sent_without_a_record_counts_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancels, restores, runs = (started(tmp_path / name) for name in ("cancels", "restores", "runs"))
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "write", Mock(side_effect=full))

    with pytest.raises(RecordError):
        cancels.cancelling(Deployment("d1", ("/a",)))
    with pytest.raises(RecordError):
        restores.writing([Change(A, "r/a:1")], restoring=True)
    with pytest.raises(RecordError):  # this one is not sent then
        runs.writing([Change(A, "r/a:1")], restoring=False)
    for journal in (cancels, restores, runs):
        journal.close()

    assert (cancels.began_writing, restores.began_writing, runs.began_writing) == (True, True, False)


def test_a_record_cut_anywhere_tells_at_least_what_was_sent(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    whole = path.read_bytes()
    announced = whole.index(b'{"event": "written"')
    begun = whole.index(b"\n") + 1

    for size in range(begun, len(whole), 7):
        path.write_bytes(whole[:size])
        found = record.read(path)
        assert size < announced or found.sent == {"/a": frozenset({"r/a:1"})}
        assert not found.outcome


def test_a_write_whose_answer_is_not_in_the_record_is_unsure(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    lines = path.read_text().split("\n")
    path.write_text("\n".join(lines[:4]) + "\n")

    assert record.read(path).unsure == {"/a"}


def test_cancelling_counts_as_sending_what_was_before(tmp_path: Path) -> None:
    journal = started(tmp_path)
    journal.cancelling(Deployment("d1", ("/a",)))
    journal.close()

    assert record.read(journal.path).sent == {"/a": frozenset({"r/a:1", "r/a:2"})}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "not json\n{}\n",
        "[]\n",
        "{}\n",
        '{"event": "ended", "schema": 1}\n',
        '{"event": "began", "schema": 99}\n',
        '{"event": "began", "schema": 1, "steps": []}\n',
        '{"event": "began", "schema": 1, "steps": 5}\n',
        '"began"\n',
        "null\nnull\n",
    ],
)
def test_what_is_no_record_is_told_with_its_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)

    with pytest.raises(BadInput, match="is not the record of a run") as caught:
        record.read(path)

    assert str(path) in caught.value.what


def test_a_record_that_says_it_changed_what_it_did_not_capture_is_none(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    path.write_text("\n".join(line for line in path.read_text().split("\n") if '"captured"' not in line))

    with pytest.raises(BadInput, match="is not the record of a run") as caught:
        record.read(path)

    assert "/a" in caught.value.why


def test_a_garbled_line_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = wrote(tmp_path)
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:3], "garbage", *lines[3:]]))

    with pytest.raises(BadInput, match="is not the record of a run"):
        record.read(path)


def test_bytes_that_are_no_text_do_not_break_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xff\xfe\x00\n")

    with pytest.raises(BadInput):
        record.read(path)


def test_runs_are_found_newest_first(tmp_path: Path) -> None:
    for run in ("20261121-040000-prod-ffff", "20261122-040000-stage-0000", "20261122-030000-prod-bbbb"):
        wrote(tmp_path, run, env=run.split("-")[2])

    assert [path.stem[:15] for path in record.files(tmp_path)] == [
        *("20261122-030000", "20261122-040000", "20261121-040000")
    ]
    assert [record.read(path).header.number for path in record.files(tmp_path)] == [3, 2, 1]
    assert record.find(tmp_path, "20261121-040000-prod-ffff").header.run == "20261121-040000-prod-ffff"


def test_records_without_a_number_are_older_than_all_with_one(tmp_path: Path) -> None:
    older = wrote(tmp_path, "20991122-040000-prod-aaaa")
    older.write_text(older.read_text().replace('"number": 1', '"old": 1'))

    wrote(tmp_path, "20261122-040000-prod-bbbb")

    assert [path.stem[:8] for path in record.files(tmp_path)] == ["20261122", "20991122"]


def test_a_number_is_given_once_though_its_run_has_no_record_yet(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".number.7").touch()
    (tmp_path / "runs" / ".number.8").touch()

    numbers = [record.read(wrote(tmp_path, f"2026112{n}-040000-prod-aaaa")).header.number for n in range(3)]

    assert numbers == [9, 10, 11]


def test_runs_that_begin_together_get_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda n: wrote(tmp_path, f"20261122-0400{n:02}-prod-aaaa"), range(24)))

    assert sorted(record.number_of(path) for path in paths) == list(range(1, 25))


def test_a_run_that_was_killed_before_its_first_line_is_passed_over(tmp_path: Path) -> None:
    wrote(tmp_path, "20261121-040000-prod-aaaa")
    for number, text in enumerate(["", '{"event": "beg']):
        (tmp_path / "runs" / f"20261122-04000{number}-prod-aaaa.jsonl").write_text(text)

    assert len(record.files(tmp_path)) == 1


@pytest.mark.parametrize("run", ["20261122-040000-prod-dddd", "../../etc/passwd"])
def test_no_such_run_is_bad_input(tmp_path: Path, run: str) -> None:
    with pytest.raises(BadInput, match="there is no") as caught:
        record.find(tmp_path, run)

    assert (caught.value.why, caught.value.exit_code) == ("no runs yet", 2)
    assert "rollback history" in caught.value.hint


def test_the_newest_runs_are_named_where_one_is_not_there(tmp_path: Path) -> None:
    runs = [f"2026112{day}-040000-prod-ffff" for day in range(5)]
    for run in runs:
        wrote(tmp_path, run)

    with pytest.raises(BadInput) as caught:
        record.find(tmp_path, "20261120-040000-prod-fffe")

    assert caught.value.why == f"it has {', '.join(reversed(runs[2:]))} and 2 older ones"


def test_a_runs_name_sorts_by_time_and_cannot_leave_its_folder() -> None:
    name = record.new_run(datetime(2026, 11, 22, 4, 5, 12, tzinfo=timezone.utc), "../prod x")

    assert name.startswith("20261122-040512-.._prod_x-")
    assert "/" not in name


def test_the_lines_are_json_that_other_programs_read(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in wrote(tmp_path).read_text().splitlines()]

    assert all({"event", "when"} <= line.keys() for line in lines)


def _mutated(value: Any, draw: Callable[[Any], Any]) -> Any:
    """The value with one of its members, however deep, replaced or removed."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 3)) == 0:
            return {name: member for name, member in value.items() if name != key}
        return {**value, key: _mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _mutated(value[place], draw), *value[place + 1 :]]
    return draw(st.sampled_from([None, True, 0, 1e300, "", "text", [], [1], {}, {"a": 1}, [[]], [{}]]))


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_that_is_accepted_can_be_displayed_whatever_was_changed_in_it(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "runs" / f"{HEADER.run}.jsonl"
    whole = path if path.exists() else wrote(tmp_path)
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = _mutated(lines[place], data.draw)
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join(json.dumps(line) + "\n" for line in lines))

    try:
        found = record.read(broken)
    except BadInput:
        return

    json.dumps(runs_json([found]))
    assert run_text(found)
    assert runs_text([found])
    assert markdown(found)


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a":' * 70 + "1" + "}" * 70, "[]", "5", '"text"', "NaN", "{}"])
def test_a_line_of_any_form_is_bad_input(tmp_path: Path, line: str) -> None:
    path = wrote(tmp_path)
    path.write_text(f"{path.read_text()}{line}\n{line}\n")

    with pytest.raises(BadInput, match="not the record of a run"):
        record.read(path)


def test_a_record_that_cannot_be_read_is_named_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = wrote(tmp_path)
    folder = good.parent
    (folder / "20261123-000000-prod-bbbb.jsonl").write_text("[1]\n")
    os.mkfifo(folder / "20261123-000000-prod-cccc.jsonl")
    (folder / "20261123-000000-prod-dddd.jsonl").mkdir()
    (folder / "20261123-000000-prod-eeee.jsonl").symlink_to("nowhere")

    found = list(record.readable(tmp_path))

    assert [past.path for past in found] == [good]
    assert undo_choice.choose(record.readable(tmp_path), tmp_path, None).record.path == good
    for name in ("bbbb", "cccc", "dddd", "eeee"):
        assert f"{name}.jsonl is passed over: " in caplog.text
        with pytest.raises(BadInput):
            record.find(tmp_path, f"20261123-000000-prod-{name}")


def test_a_folder_of_records_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")

    with pytest.raises(BadInput, match="cannot be read"):
        record.files(tmp_path)
    assert record.begun(tmp_path, CommandLines()) == {}


def test_a_folder_that_may_not_be_listed_gives_no_run_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(tmp_path, "20261122-040000-prod-aaaa")

    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", denied)
        with pytest.raises(RecordError) as caught:
            wrote(tmp_path, "20261122-050000-prod-bbbb")

    assert "Permission denied" in caught.value.why
    assert [path.stem for path in record.files(tmp_path)] == ["20261122-040000-prod-aaaa"]
