"""The faults that matter most, through the real `dcos` program: it is slow, so they are few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rollback.core.apps import Change
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.state.journal import Journal
from tests.contract.program import set_up
from tests.faults.scenario import BILLING, CART, CATALOG, PLANNED, Scene, scene


@pytest.fixture
def stage(forked_dcos: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A scene in which a look is rare and the settling short, since every look costs seconds."""
    monkeypatch.setenv("PATH", f"{Path(forked_dcos).parent}:/usr/bin:/bin")
    monkeypatch.setenv("DCOS_DIR", str(tmp_path / "dot-dcos"))
    folder = tmp_path / "here"
    folder.mkdir()
    with scene(folder, target="dcos", poll_s=5, settle_s=5, timeout_s=60) as made:
        set_up(tmp_path / "dot-dcos", made.sandbox.dcos_url, token="run-out")
        yield made


def puts(stage: Scene) -> list[str]:
    return sorted(path.partition("/v2/apps/")[2] for method, path in stage.writes() if method == "PUT")


def test_a_crash_loop_puts_everything_back(stage: Scene) -> None:
    before = stage.tags()
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))

    told = stage.run()

    assert told.code == 5, told.err
    assert "cart: it fails again and again: Command exited with status 1" in told.document["summary"]
    assert stage.tags() == before
    assert all(stage.healthy().values())


def test_a_lost_answer_and_a_login_that_runs_out_are_lived_through(stage: Scene) -> None:
    before = stage.tags()
    logins = stage.sandbox.front.logins
    assert logins
    stage.sandbox.faults.add(Fault(FaultKind.DROP, path=f"/v2/apps/{BILLING}"))
    stage.sandbox.faults.add(Fault(FaultKind.DROP, path=f"/v2/apps{BILLING}"))
    stage.time.after(1, logins.expire_all)

    told = stage.run()

    stage.sandbox.faults.clear()
    assert told.code == 0, told.err
    assert len(puts(stage)) == len(set(puts(stage))) == len(PLANNED)  # none of them twice
    assert stage.undo().code == 0
    assert stage.tags() == before


def test_a_kill_between_write_and_answer_is_undone(stage: Scene) -> None:
    class Gone(BaseException):
        """The program is no more."""

    before = stage.tags()

    class Killed(Journal):
        def written(self, *_: object, taken: bool) -> None:
            raise Gone

    with pytest.raises(Gone):
        stage.run("--only=billing,catalog", Journal=Killed)
    assert {app_id for app_id, tag in stage.tags().items() if tag != before[app_id]} == {"billing", "catalog"}
    assert set(stage.newest().sent) == {BILLING, CATALOG}

    told = stage.undo()

    assert told.code == 0, told.err
    assert stage.tags() == before


def test_a_service_that_somebody_else_deploys_just_before_the_write_stands_as_it_was_seen_last(stage: Scene) -> None:
    hotfix = stage.images()[CART].replace(stage.tags()["cart"], "2.99.0-master")

    class Overtaken(Journal):
        """Between the last look and the write, another deployment begins, and holds its app."""

        def writing(self, changes: Sequence[Change], *, restoring: bool) -> None:
            super().writing(changes, restoring=restoring)
            container = stage.sandbox.fleet.apps[CART].definition["container"]
            docker = {**container["docker"], "image": hotfix}
            stage.sandbox.front.foreign(CART, {"container": {**container, "docker": docker}})

    told = stage.run("--only=cart", Journal=Overtaken)

    assert (told.code, told.states["cart"]) == (1, "not taken"), told.err
    assert "Changes blocked: deployment already in progress for app" in told.rows["cart"]["detail"]
    assert "somebody else changed it meanwhile" in told.rows["cart"]["detail"]
    assert told.rows["cart"]["stands"] == hotfix == stage.images()[CART]
