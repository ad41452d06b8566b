"""What `check` answers before, during and after runs, and which run an undo takes back after several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from rollback.core.apps import Change
from rollback.core.rollout_status import RolloutStatus
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.state.journal import Journal
from tests.faults.scenario import CART, Scene, Told, scene


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def check(stage: Scene) -> Told:
    return stage.command("check", "--env=prod", "--json", f"--config={stage.folder / 'rollback.yaml'}")


def frozen_by(stage: Scene) -> str:
    """The run whose freeze counts; empty if there is none."""
    found = check(stage).document["freeze"]
    return str(found["run"]) if found else ""


@pytest.mark.parametrize("words", [(), ("--no-freeze",)])
def test_a_job_is_told_no_from_before_the_first_write_on(stage: Scene, words: tuple[str, ...]) -> None:
    asked: list[Told] = []

    class Announcing(Journal):
        """Asks when the first write is about to be sent."""

        def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
            super().writing(changes, restoring=restoring)
            asked.append(check(stage))
            assert not stage.writes()

    told = stage.run(*words, Journal=Announcing)

    (during,) = asked
    (unfinished,) = during.document["unfinished"]
    assert (told.code, during.code) == (0, 1)
    assert (unfinished["run"], unfinished["dump"]) == (told.document["run"], str(stage.folder))
    assert bool(during.document["freeze"]) is not bool(words)
    assert (check(stage).code, check(stage).document["unfinished"]) == (0 if words else 1, [])


def test_a_job_is_told_no_during_an_undo(stage: Scene) -> None:
    ran = stage.run("--no-freeze").document["run"]
    asked: list[Told] = []

    class Announcing(Journal):
        """Asks when the first write is about to be sent."""

        def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
            super().writing(changes, restoring=restoring)
            asked.append(check(stage))

    undone = stage.undo(Journal=Announcing)

    assert (undone.code, [told.code for told in asked]) == (0, [1])
    assert [one["run"] for one in asked[0].document["unfinished"]] == [undone.document["run"]] != [ran]
    assert check(stage).code == 0


def _crashes(stage: Scene) -> tuple[str, ...]:
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    return ()


def _refused(stage: Scene) -> tuple[str, ...]:
    stage.sandbox.faults.add(Fault(FaultKind.ANSWER, 422, method="PATCH", path="/v2/apps", times=9))
    return ()


def _kept(stage: Scene) -> tuple[str, ...]:
    return (*_crashes(stage), "--on-failure=keep")


ENDINGS: dict[str, tuple[Any, int]] = {"RESTORED": (_crashes, 5), "FAILED": (_refused, 1), "PARTLY": (_kept, 4)}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_freeze_that_was_there_before_counts_again_only_if_nothing_is_left_of_a_run(
    stage: Scene, ending: str
) -> None:
    newest = next(iter(json.loads((stage.folder / "rollback.json").read_text())["rollbacks"]))
    first = stage.run("--freeze=9h").document["run"]
    assert stage.command("run", f"--date={newest}", "--env=prod", "--no-freeze", *stage.common()).code == 0
    before = frozen_by(stage)
    prepare, code = ENDINGS[ending]

    told = stage.run(*prepare(stage))

    assert (told.code, before) == (code, first), told
    assert told.document["verdict"] == ending
    assert frozen_by(stage) == (told.document["run"] if ending == "PARTLY" else first)
    assert check(stage).document["unfinished"] == []


@pytest.mark.parametrize("ending", ["RESTORED", "FAILED"])
def test_a_plain_undo_names_what_it_passes_over_and_undoes_the_run_before_it(stage: Scene, ending: str) -> None:
    before = stage.tags()
    assert stage.run("--only=billing").code == 0
    prepare, code = ENDINGS[ending]
    failed = stage.run(*prepare(stage))
    stage.sandbox.faults.clear()
    stage.later()

    undone = stage.undo()

    assert (failed.code, undone.code) == (code, 0), undone
    assert f"passed over {failed.document['run']}: its writes were all refused or put back" in undone.err
    assert stage.tags() == before
    assert check(stage).code == 0


@pytest.mark.parametrize("killed", [False, True])
def test_after_an_undo_the_freeze_of_the_run_before_it_counts_again(stage: Scene, killed: bool) -> None:
    newest = next(iter(json.loads((stage.folder / "rollback.json").read_text())["rollbacks"]))
    first = stage.run("--freeze=9h").document["run"]

    class Killed(BaseException):
        """The program is gone."""

    class Cut(Journal):
        """Ends the program after the writes."""

        def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
            raise Killed

    words = ("run", f"--date={newest}", "--env=prod", *stage.common())
    with pytest.raises(Killed) if killed else nullcontext():
        stage.command(*words, **({"Journal": Cut} if killed else {}))
    stage.later()
    second = frozen_by(stage)

    undone = stage.undo(f"--run={second}")
    between = frozen_by(stage)
    lifted = stage.undo(f"--run={first}")

    assert second != first
    assert (undone.code, between) == (0, first), undone
    assert (lifted.code, check(stage).code) == (0, 0), lifted


def test_the_freeze_of_a_run_that_was_killed_before_its_first_write_goes_with_the_next_whole_run(
    stage: Scene,
) -> None:
    class Killed(BaseException):
        """The program is gone."""

    class Cut(Journal):
        """Ends the program before the first write."""

        def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
            raise Killed

    with pytest.raises(Killed):
        stage.run(Journal=Cut)
    cut_off = check(stage).code

    whole = stage.run("--no-freeze")

    assert (cut_off, whole.code, check(stage).code) == (1, 0, 0)
