"""What automation is told after a rollback."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from rollback.core.command_lines import CommandLines
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState, Freeze, Unfinished, Withdrawn

NOW = datetime(2026, 11, 22, 4, tzinfo=timezone.utc)
BAD = "registry.example.com/shop/billing:1.9.0-master"
D1, D2 = (f"sha256:{digit * 64}" for digit in "12")


def taken_out(image: str, run: str = "r1") -> Withdrawn:
    return Withdrawn(image, "alice", "2026-11-22T04:00:00Z", "it answers 503", run)


def frozen(run: str = "r1", seconds: float = 3600) -> Freeze:
    return freeze.make("alice", "it answers 503", run, NOW, seconds)


def test_a_frozen_environment_objects_until_the_freeze_runs_out() -> None:
    state = EnvironmentState(frozen())

    assert freeze.objections(state, "", NOW + timedelta(minutes=59))
    assert not freeze.objections(state, "", NOW + timedelta(minutes=61))


def test_the_objection_names_who_why_until_when_and_the_run() -> None:
    state = EnvironmentState(frozen())

    told = freeze.objections(state, "", NOW, env="prod", commands=CommandLines(config="our.yaml"))

    frozen_by = "frozen until 2026-11-22 05:00 UTC by alice because it answers 503 (run r1)"
    assert told == (f"{frozen_by}; `rollback thaw --env=prod --config=our.yaml` lifts it",)
    assert freeze.objections(state, "", NOW) == (frozen_by,)


@pytest.mark.parametrize(
    ("withdrawn", "asked", "objects"),
    [
        (BAD, BAD, True),
        (BAD, "127.0.0.1:5000/shop/billing:1.9.0-master", True),  # registries have several names
        (BAD, "shop/billing:1.9.0-master", True),
        (BAD, "registry.example.com/shop/billing:1.9.1-master", False),
        (BAD, "registry.example.com/shop/superbilling:1.9.0-master", False),
        (f"{BAD}@{D1}", f"{BAD}@{D1}", True),
        (f"{BAD}@{D1}", f"{BAD}@{D2}", False),  # built again under the same tag: another image
        (f"{BAD}@{D1}", f"registry.example.com/shop/billing:other@{D1}", True),  # tagged again: the same image
        (f"{BAD}@{D1}", BAD, True),
        (BAD, "", False),
    ],
)
def test_an_image_that_was_rolled_back_is_known_again(withdrawn: str, asked: str, objects: bool) -> None:
    assert bool(freeze.objections(EnvironmentState(None, (taken_out(withdrawn),)), asked, NOW)) is objects


def test_a_run_freezes_and_remembers() -> None:
    state = freeze.after_run(EnvironmentState(), [taken_out(BAD)], frozen(), ["shop/billing:1.8.0-master"])

    assert state == EnvironmentState(frozen(), (taken_out(BAD),))


def test_a_run_without_a_freeze_leaves_an_earlier_one() -> None:
    assert freeze.after_run(EnvironmentState(frozen("r0")), [], None, []).freeze == frozen("r0")


def test_an_image_that_is_brought_back_is_wanted_again() -> None:
    state = EnvironmentState(None, (taken_out(BAD), taken_out("a/b:1")))

    assert freeze.after_run(state, [], None, [BAD]).withdrawn == (taken_out("a/b:1"),)


def test_an_image_that_is_taken_out_twice_is_remembered_once_with_the_last_run() -> None:
    state = freeze.after_run(EnvironmentState(None, (taken_out(BAD, "r1"),)), [taken_out(BAD, "r2")], None, [])

    assert state.withdrawn == (taken_out(BAD, "r2"),)


def test_an_undo_lifts_the_freeze_of_its_run_and_no_other() -> None:
    assert freeze.after_undo(EnvironmentState(frozen("r1")), "r1", [], []).freeze is None
    assert freeze.after_undo(EnvironmentState(frozen("r2")), "r1", [], []).freeze == frozen("r2")


def test_a_thaw_forgets_the_freeze_and_not_the_images() -> None:
    assert freeze.thawed(EnvironmentState(frozen(), (taken_out(BAD),))) == EnvironmentState(None, (taken_out(BAD),))


def test_what_is_remembered_does_not_grow_for_ever() -> None:
    state = freeze.after_run(EnvironmentState(), [taken_out(f"a/b:{number}") for number in range(1000)], None, [])

    assert len(state.withdrawn) == 200
    assert state.withdrawn[0].image == "a/b:0"


def test_a_state_is_read_back_as_written() -> None:
    state = EnvironmentState(frozen(), (taken_out(BAD),))

    assert freeze.loads(freeze.dumps(state)) == state
    assert freeze.loads(freeze.dumps(EnvironmentState())) == EnvironmentState()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"freeze": {"by": 1}, "withdrawn": []}', '{"freeze": 1, "withdrawn": 2}']
)
def test_what_is_no_state_is_an_error_and_not_a_free_environment(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        freeze.loads(text)


CUT = Unfinished("r2", "bob", "host", "/srv/rollback", "2026-11-22T04:00:00Z")


def test_a_run_without_an_outcome_is_an_objection_with_its_folder_and_what_to_do() -> None:
    commands = CommandLines(dump="elsewhere", config="our.yaml", target="eu")

    (told,) = freeze.objections(freeze.begun(EnvironmentState(), CUT, None), "", NOW, env="prod", commands=commands)

    for words in (
        "r2 by bob has not ended",
        "rollback undo --run=r2 --dump=/srv/rollback --config=our.yaml --target=eu",
        "rollback thaw --env=prod --config=our.yaml --target=eu",
    ):
        assert words in told


def test_an_outcome_a_thaw_and_a_restore_each_end_it() -> None:
    state = freeze.begun(EnvironmentState(frozen()), CUT, None)

    for after in (
        freeze.ended(freeze.after_run(state, (), None, ()), {"r2"}),
        freeze.after_undo(state, "r2", (), ()),
        freeze.thawed(state),
        freeze.reverted(state, "r2", None),
    ):
        assert after.unfinished == ()


def test_a_run_that_was_cut_off_stays_unfinished_whatever_follows_it() -> None:
    later = Unfinished("r3", "ann", "host", "/srv/rollback", "2026-11-22T05:00:00Z")
    state = freeze.begun(freeze.begun(EnvironmentState(), CUT, None), later, None)

    kept = [
        state,
        freeze.reverted(state, "r3", None),
        freeze.ended(freeze.after_run(state, (), None, ()), {"r3"}),
        freeze.merged([EnvironmentState(), state]),
    ]

    assert [one.run for one in state.unfinished] == ["r3", "r2"]
    assert all(CUT in one.unfinished and freeze.objections(one, "", NOW) for one in kept)
    assert freeze.loads(freeze.dumps(state)) == state


def test_a_run_that_leaves_nothing_brings_the_freeze_before_it_back() -> None:
    ours = freeze.make("bob", "", "r2", NOW, 3600)
    state = freeze.begun(EnvironmentState(frozen()), CUT, ours)

    assert freeze.reverted(state, "r2", frozen()).freeze == frozen()
    assert freeze.reverted(freeze.after_run(state, (), None, ()), "another", None).freeze == ours


def test_the_freeze_that_a_run_replaced_counts_again_after_its_undo() -> None:
    first, second = frozen("r1"), freeze.make("bob", "", "r2", NOW, 60)
    replaced = freeze.begun(EnvironmentState(first), CUT, second)

    assert (replaced.freeze, replaced.former) == (second, (first,))
    assert freeze.loads(freeze.dumps(replaced)) == replaced
    assert freeze.after_undo(replaced, "r2", (), ()) == EnvironmentState(first)
    assert freeze.after_undo(replaced, "r1", (), ()) == EnvironmentState(second, unfinished=(CUT,))
    assert freeze.reverted(replaced, "r2", first) == EnvironmentState(first)
    assert freeze.thawed(replaced) == EnvironmentState()
    assert [freeze.is_frozen_by(replaced, run) for run in ("r1", "r2", "r3")] == [True, True, False]


def test_a_state_of_version_0_1_is_read() -> None:
    assert freeze.loads('{"freeze": null, "withdrawn": []}') == EnvironmentState()
    state = freeze.begun(EnvironmentState(frozen()), CUT, None)
    assert freeze.loads(freeze.dumps(state)) == state
