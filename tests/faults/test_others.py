"""Others at work: a deployment over ours, a hotfix before the undo, a second run, a service that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.core.rollout_status import RolloutState, RolloutStatus
from rollback.errors import Failed
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.state.journal import Journal
from rollback.state.lock import FileLock
from rollback.system.user_folders import state_folder
from rollback.workflow import run_lock
from tests.faults.scenario import BILLING, CART, CATALOG, WEB, Scene, Told, scene


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


OTHER_TAGS = {BILLING: "1.7.0-master", CART: "2.9.0-master", WEB: "5.2.0-master"}  # neither before nor after


def other_image(stage: Scene, app_id: str) -> dict[str, Any]:
    """A partial update to an image that the run knows nothing of."""
    container = dict(stage.sandbox.fleet.apps[app_id].definition["container"])
    repository = stage.images()[app_id].partition("@")[0].rpartition(":")[0]
    container["docker"] = {**container["docker"], "image": f"{repository}:{OTHER_TAGS[app_id]}"}
    return {"container": container}


def definition(stage: Scene, app_id: str) -> dict[str, Any]:
    stage.sandbox.fleet.advance()
    return dict(stage.sandbox.fleet.apps[app_id].definition)


@pytest.mark.parametrize("kind", ["another label", "another image"])
def test_a_foreign_deployment_over_ours_is_noticed_and_left_alone(stage: Scene, kind: str) -> None:
    before = stage.tags()
    change = {"labels": {"hotfix": "yes"}} if kind == "another label" else other_image(stage, BILLING)
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(start_s=8))
    stage.time.after(3, lambda: stage.sandbox.front.foreign(BILLING, change))

    told = stage.run()

    assert told.code == 4, told.out
    assert "somebody else changed it meanwhile" in told.document["summary"]
    assert told.rows["billing"]["state"] == "failed"
    stage.later()
    assert change.items() <= definition(stage, BILLING).items()
    assert {name: tag for name, tag in stage.tags().items() if name != "billing"} == {
        name: tag for name, tag in before.items() if name != "billing"
    }
    assert not [path for method, path in stage.writes() if "force" in path]


def test_a_foreign_deployment_during_the_way_back_is_left_alone(stage: Scene) -> None:
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    change = other_image(stage, WEB)
    cancelled = stage.sandbox.front.api.answer

    def answer(request: Any) -> Any:
        if request.method == "DELETE":
            stage.sandbox.front.foreign(WEB, change)
        return cancelled(request)

    stage.sandbox.front.api.answer = answer  # type: ignore[method-assign]

    told = stage.run()

    stage.later()
    assert told.code == 4, told.out
    assert definition(stage, WEB)["container"] == change["container"]
    assert told.states["web"] == "failed"


@pytest.mark.parametrize("kind", ["another image", "another label"])
def test_a_service_that_is_back_and_then_changed_by_others_is_not_called_restored(stage: Scene, kind: str) -> None:
    stage.sandbox.behaviors.attach(stage.target_image(CART), ContainerBehavior(ContainerOutcome.CRASHES))
    change = {"labels": {"hotfix": "yes"}} if kind == "another label" else other_image(stage, BILLING)

    class Meddled(Journal):
        """Somebody deploys over the first service as soon as it is back."""

        def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
            super().judged(watch, restoring=restoring)
            if restoring and watch.change.app.id == BILLING and watch.state is RolloutState.UP:
                stage.sandbox.front.foreign(BILLING, change)

    told = stage.run(Journal=Meddled)

    stage.later()
    assert told.code == 4, told.out
    assert told.document["verdict"] == "PARTLY"
    assert told.states["billing"] == "failed"
    assert "billing" in told.document["summary"] or "somebody else" in told.rows["billing"]["detail"]
    assert told.rows["billing"]["stands"] == stage.images()[BILLING]
    assert change.items() <= definition(stage, BILLING).items()


@pytest.mark.parametrize("outcome", [ContainerOutcome.RUNS, ContainerOutcome.CRASHES])
def test_what_a_run_does_not_write_is_shown_as_it_was_seen_last(stage: Scene, outcome: ContainerOutcome) -> None:
    change = other_image(stage, CART)
    stage.sandbox.behaviors.attach(stage.target_image(BILLING), ContainerBehavior(outcome, start_s=8))

    class Meddled(Journal):
        """Somebody deploys another service when this one is up, or up again."""

        def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
            super().judged(watch, restoring=restoring)
            if restoring or watch.state is RolloutState.UP:
                stage.sandbox.front.foreign(CART, change)

    told = stage.run("--only=billing", Journal=Meddled)

    words = f"cart: somebody else changed it meanwhile: it is to run {change['container']['docker']['image']} now"
    if outcome is ContainerOutcome.RUNS:
        assert (told.code, told.document["summary"]) == (0, f"1 changed and up, but {words}")
    else:
        assert told.code == 5, told.out
        assert "cart was changed by somebody else" in told.document["summary"]
    assert f"cart: {told.rows['cart']['detail']}" == words
    assert told.rows["cart"]["stands"] == change["container"]["docker"]["image"]
    assert stage.tags()["cart"] == OTHER_TAGS[CART]


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"MODE": "careful"}},
        {"labels": {"owner": "night shift"}},
        {"cpus": 2.0},
        {"image": True},
    ],
    ids=["env", "labels", "cpus", "image"],
)
def test_undo_after_a_hotfix_is_refused_by_name_until_it_is_accepted(stage: Scene, change: dict[str, Any]) -> None:
    before = stage.tags()
    assert stage.run().code == 0
    what = other_image(stage, CART) if "image" in change else change
    stage.sandbox.front.foreign(CART, what)
    stage.later()
    written = len(stage.writes())

    refused = stage.undo()

    assert refused.code == 3
    assert "cart: somebody has changed it since" in refused.err
    assert "--accept-moved=cart" in refused.err
    assert len(stage.writes()) == written

    accepted = stage.undo("--accept-moved=cart")

    assert accepted.code == 0, accepted.err
    assert stage.tags() == before
    if "image" not in change:
        assert what.items() <= definition(stage, CART).items()  # what is not the image's stays as it was changed


def test_an_undo_that_took_a_hotfix_out_can_be_undone(stage: Scene) -> None:
    assert stage.run().code == 0
    hotfix = {"container": {**definition(stage, CART)["container"], "volumes": []}}
    stage.sandbox.front.foreign(CART, hotfix)
    stage.later()
    first = stage.undo("--accept-moved=cart")
    assert first.code == 0
    assert definition(stage, CART)["container"]["volumes"]

    told = stage.undo(f"--run={first.document['run']}")

    assert told.code == 0, told.err
    assert definition(stage, CART)["container"] == hotfix["container"]


def test_scaling_is_nobodys_hotfix(stage: Scene) -> None:
    assert stage.run().code == 0
    stage.sandbox.front.foreign(WEB, {"instances": 5})
    stage.later()

    told = stage.undo()

    assert told.code == 0, told.err
    assert definition(stage, WEB)["instances"] == 5


def test_an_undo_can_be_undone_and_that_too(stage: Scene) -> None:
    before = stage.tags()
    run = stage.run().document["run"]
    after = stage.tags()

    for expected in (before, after, before):
        told = stage.undo(f"--run={run}")
        run = told.document["run"]
        assert told.code == 0, told.err
        assert stage.tags() == expected
        assert all(stage.healthy().values())


def test_undo_brings_back_the_whole_container_and_not_just_its_tag(stage: Scene) -> None:
    before = {app_id: definition(stage, app_id) for app_id in (BILLING, CART, CATALOG, WEB)}
    assert stage.run().code == 0

    assert stage.undo().code == 0

    assert {app_id: definition(stage, app_id) for app_id in before} == before


def test_undo_of_a_service_that_is_gone_is_refused_by_name(stage: Scene) -> None:
    assert stage.run().code == 0
    stage.sandbox.front.api.hidden.add(CATALOG)

    told = stage.undo()

    assert told.code == 3
    assert "catalog: the target no longer shows" in told.err


def test_a_locked_service_is_refused_before_the_first_write(stage: Scene) -> None:
    stage.sandbox.behaviors.attach(f"web:{OTHER_TAGS[WEB]}", ContainerBehavior(start_s=600))
    held = stage.sandbox.front.foreign(WEB, other_image(stage, WEB))

    told = stage.run()

    assert told.code == 3
    assert f"deployment {held} runs" in told.err
    assert f"(curl -s -X DELETE {stage.sandbox.service_url}/v2/deployments/{held})" in told.err
    assert stage.writes() == []


@pytest.mark.parametrize("kept_by", ["0.2", "0.1"])
def test_a_second_run_at_once_is_refused_and_says_who_runs(stage: Scene, kept_by: str) -> None:
    identity = f"marathon {stage.sandbox.front.api.framework_id}"
    key = identity if kept_by == "0.2" else f"marathon at {stage.sandbox.service_url}"
    lock = FileLock(state_folder(), "prod", key, {"run": "the-first", "by": "ann"})

    told = stage.run()

    assert told.code == 3
    assert "by ann" in told.err
    assert stage.writes() == []
    lock.release()
    assert stage.run().code == 0


@pytest.mark.parametrize("service", ["", "/service/marathon"])
def test_one_cluster_has_one_lock_one_freeze_and_one_history_by_whatever_address(stage: Scene, service: str) -> None:
    config = stage.folder / "rollback.yaml"
    usual = config.read_text()
    other = stage.sandbox.service_url.replace("127.0.0.1", "localhost").removesuffix("/service/marathon") + service
    again: list[Told] = []

    def other_way(*words: str) -> Told:
        config.write_text(usual.replace(stage.sandbox.service_url, other))
        try:
            return stage.command(*words, f"--config={config}")
        finally:
            config.write_text(usual)

    def meanwhile(*parts: Any) -> Journal:
        again.append(other_way("run", f"--date={stage.day}", "--env=prod", *stage.options))
        return Journal(*parts)

    unknown = other_way("check", "--env=prod")
    ran = stage.run(Journal=meanwhile)
    checked = [stage.command("check", "--env=prod", f"--config={config}"), other_way("check", "--env=prod")]
    undone = other_way("undo", "--yes", *stage.options)

    if service:  # without it the sandbox's Marathon is queried directly, which needs no login
        assert (unknown.code, "log in once, or give --user" in unknown.err) == (2, True)
    assert (ran.code, again[0].code) == (0, 3)
    assert "is being rolled back by somebody else" in again[0].err
    assert [told.code for told in checked] == [1, 1]
    assert (undone.code, stage.command("check", "--env=prod", f"--config={config}").code) == (0, 0)


def test_a_run_that_was_cut_off_stays_unfinished_until_all_that_it_changed_is_right(stage: Scene) -> None:
    class Killed(BaseException):
        """The program is gone."""

    class Cut(Journal):
        """Ends the program after the writes."""

        def judged(self, watch: RolloutStatus, *, restoring: bool) -> None:
            raise Killed

    def checked() -> int:
        return stage.command("check", "--env=prod", f"--config={stage.folder / 'rollback.yaml'}").code

    with pytest.raises(Killed):
        stage.run("--no-freeze", Journal=Cut)
    stage.later()
    cut_off = checked()
    narrowed = stage.run("--no-freeze", "--only=billing")
    still = checked()
    whole = stage.run("--no-freeze")

    assert (cut_off, narrowed.code, still, whole.code, checked()) == (1, 0, 1, 0, 0)


def test_what_changes_between_plan_and_lock_is_noticed(stage: Scene) -> None:
    begin = run_lock.locked

    def meddled(*args: Any) -> Any:
        stage.sandbox.front.foreign(BILLING)
        return begin(*args)

    told = stage.run(locked=meddled)

    assert told.code == 3
    assert "billing" in told.err
    assert "has changed since the plan was shown" in told.err
    assert stage.writes() == []


def test_a_run_whose_state_cannot_be_kept_has_failed_and_was_not_cut_off(stage: Scene) -> None:
    def refuse(*_: object) -> None:
        raise Failed("the state cannot be written", why="No space left on device")

    told = stage.run(begin=refuse)

    assert (told.code, stage.writes()) == (1, [])
    assert "No space left on device" in told.err
    assert stage.newest().outcome["summary"].startswith("nothing was changed: the state cannot be written")


def test_a_mistake_of_ours_in_the_middle_is_no_failure_without_changes(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stage.tags()

    def broken(*_: object) -> None:
        raise RuntimeError("a screen that cannot be drawn")

    monkeypatch.setattr("rollback.output.progress.Progress.look", broken)
    told = stage.run()
    monkeypatch.undo()

    assert told.code == 4
    assert "rollback undo --run=" in told.err
    stage.later()
    assert stage.undo().code == 0
    assert stage.tags() == before


def test_services_that_are_the_same_are_not_touched(stage: Scene) -> None:
    assert stage.run().code == 0
    versions = {app_id: state.version for app_id, state in stage.sandbox.fleet.apps.items()}

    told = stage.run()

    assert told.code == 0
    assert told.document["verdict"] == "NOTHING TO DO"
    assert {app_id: state.version for app_id, state in stage.sandbox.fleet.apps.items()} == versions
