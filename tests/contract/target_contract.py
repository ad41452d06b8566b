"""What every target promises. Each implementation subclasses this in a small file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest

from rollback.core.apps import App, Change, Deployment, Status, with_image
from rollback.core.timestamps import Instant
from rollback.errors import AppLocked, LoginRefused, NoAnswer, RollbackError, TargetError
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind
from rollback.secret import Secret
from rollback.targets.base import ChangeChecks, ImageMemory, Remembering, Target, TargetOptions, UnmanagedApps
from rollback.workflow import cluster_identity
from tests.contract.stage import BILLING, CART, CLEANER, NOW, PASSWORD, USER, WEB, Stage

OLD = "registry:5000/shop/billing:1.9.0-master"
FOREIGN = {"labels": {"team": "somebody-else"}, "instances": 3}


class TargetContract:
    """The behaviours.

    A subclass has a fixture `options` for a target that is pointed at the stage, with its user and password.
    """

    operator_program = ""  # what an operator types first
    too_slow_s = 0.5  # seconds that a call may take in the test of slow answers; long enough for one that is not slow

    def make(self, options: TargetOptions) -> Target:
        raise AssertionError("a subclass connects its target here")

    @pytest.fixture
    def target(self, options: TargetOptions) -> Iterator[Target]:
        made = self.make(options)
        made.login()
        yield made
        made.close()

    def test_all_apps_are_read(self, target: Target) -> None:
        apps = {app.id: app for app in target.apps("prod")}

        assert {app.id: app.image for app in apps.values()} == {
            BILLING: "registry:5000/shop/billing:1.9.0-master",
            CART: "registry:5000/shop/cart:2.4.0-master",
            WEB: "registry:5000/shop/web:5.0.0-master",
            CLEANER: "",
        }
        assert (apps[BILLING].instances, apps[BILLING].checked, apps[BILLING].deployments) == (2, True, ())
        assert (apps[CART].instances, apps[CART].checked) == (1, False)
        assert all(app.version for app in apps.values())

    def test_what_puts_an_app_back_is_read_whole(self, target: Target, stage: Stage) -> None:
        needed = ("container", "resourceLimits", "executorResources")

        for app in target.apps("prod"):
            stored = stage.definition(app.id)
            assert app.definition == {name: stored[name] for name in needed if name in stored}

    def test_another_change_is_noticed_without_carrying_what_may_be_secret(
        self, target: Target, stage: Stage
    ) -> None:
        before = by_id(target, BILLING)
        stage.front.foreign(BILLING, {"env": {"DB_PASSWORD": "0ther"}})

        after = by_id(target, BILLING)

        assert {name for name in after.marks if after.marks[name] != before.marks.get(name)} == {"env"}
        assert "s3cret" not in json.dumps([dict(before.definition), dict(before.marks)])

    def test_a_definition_can_be_stored_as_json_and_used_again(self, target: Target, stage: Stage) -> None:
        app = by_id(target, BILLING)
        stored = replace(app, definition=json.loads(json.dumps(app.definition)))

        target.update([Change(stored, "registry:5000/shop/billing:1.8.0-master")])

        assert stage.image(BILLING) == "registry:5000/shop/billing:1.8.0-master"

    def test_an_app_that_the_user_may_not_see_is_not_there(self, target: Target, stage: Stage) -> None:
        stage.front.api.hidden.add(BILLING)

        assert BILLING not in {app.id for app in target.apps("prod")}
        assert set(target.status([BILLING, CART])) == {CART}

    @pytest.mark.parametrize("app_id", [BILLING, CART, WEB])
    def test_an_update_changes_the_image_and_nothing_else(self, target: Target, stage: Stage, app_id: str) -> None:
        expected = stage.definition(app_id)
        expected["container"]["docker"]["image"] += "@sha256:" + "0" * 64
        image = expected["container"]["docker"]["image"]

        deployment = target.update([Change(by_id(target, app_id), image)])

        assert stage.definition(app_id) == expected
        assert deployment.apps == (app_id,)
        assert deployment.id in stage.fleet.deployments
        assert deployment.version in {"", stage.fleet.apps[app_id].version}

    def test_an_update_changes_no_other_app(self, target: Target, stage: Stage) -> None:
        before = {app_id: stage.fleet.apps[app_id].version for app_id in (CART, WEB, CLEANER)}

        target.update([change(target, BILLING, "1.8.0-master")])

        assert {app_id: stage.fleet.apps[app_id].version for app_id in before} == before

    def test_a_batch_is_one_deployment(self, target: Target, stage: Stage) -> None:
        changes = [change(target, app_id, "1.0.0-master") for app_id in (BILLING, CART, WEB)]
        batch = changes[: target.batch or None]

        deployment = target.update(batch)

        assert deployment.apps == tuple(one.app.id for one in batch)
        assert [stage.image(one.app.id) for one in batch] == [one.image for one in batch]
        assert list(stage.fleet.deployments) == [deployment.id]

    def test_an_unknown_app_is_never_created(self, target: Target, stage: Stage) -> None:
        app = by_id(target, BILLING)
        typo = Change(replace(app, id="/ds/prod/shop/biling"), "registry:5000/shop/billing:1.8.0-master")
        batch = [typo, change(target, CART, "2.3.0-master")][: target.batch or None]

        with pytest.raises(TargetError, match="biling") as caught:
            target.update(batch)

        assert not isinstance(caught.value, NoAnswer)
        assert "/ds/prod/shop/biling" not in stage.fleet.apps
        assert stage.image(CART) == "registry:5000/shop/cart:2.4.0-master"

    def test_a_locked_app_is_refused_and_nothing_is_taken(self, target: Target, stage: Stage) -> None:
        batch = [change(target, app_id, "1.0.0-master") for app_id in (BILLING, CART)][: target.batch or None]
        lock = stage.front.foreign(BILLING)
        before = stage.definition(BILLING), stage.definition(CART)

        with pytest.raises(AppLocked) as caught:
            target.update(batch)

        assert lock in caught.value.why
        assert (stage.definition(BILLING), stage.definition(CART)) == before
        assert list(stage.fleet.deployments) == [lock]

    def test_what_marathon_finds_invalid_was_not_taken(self, target: Target, stage: Stage) -> None:
        app = by_id(target, BILLING)
        broken = json.loads(json.dumps(app.definition))
        broken["container"]["portMappings"] = "none"

        with pytest.raises(TargetError) as caught:
            target.update([Change(replace(app, definition=broken), "registry:5000/shop/billing:1.8.0-master")])

        assert not isinstance(caught.value, NoAnswer)
        assert "portMappings" in caught.value.why

    def test_running_deployments_are_told(self, target: Target, stage: Stage) -> None:
        lock = stage.front.foreign(BILLING)

        (deployment,) = target.deployments()

        assert (deployment.id, deployment.apps) == (lock, (BILLING,))
        assert by_id(target, BILLING).deployments == (lock,)

    def test_no_deployments_are_told_where_there_are_none(self, target: Target) -> None:
        assert target.deployments() == ()

    def test_a_deployment_can_be_followed_until_it_is_up(self, target: Target, stage: Stage) -> None:
        wanted = change(target, BILLING, "1.8.0-master")
        deployment = target.update([wanted])
        at_first = look(target, BILLING)
        stage.later()

        at_last = look(target, BILLING)

        assert (at_first.image, at_first.deployments, at_first.ready) == (wanted.image, (deployment.id,), 0)
        assert at_first.stale == 2
        assert at_last == Status(
            *(BILLING, wanted.image, at_first.version, 2, (), 2, 2, 0),
            fingerprint=wanted.fingerprint,
            live=at_last.healthy,
            healthy=at_last.live,
        )
        assert len(at_last.live) == 2
        assert deployment.version in {"", at_last.version}
        assert at_last.version != wanted.app.version

    def test_a_crash_loop_shows_one_failure_after_the_other(self, target: Target, stage: Stage) -> None:
        deployment = target.update([change(target, BILLING, "crash")])
        seen = []
        for _ in range(6):
            stage.later(1)
            seen.append(look(target, BILLING))

        failures = {one.failure.key: one.failure.message for one in seen if one.failure}
        assert len(failures) >= 2
        assert all(failures.values())
        assert any(one.waiting.startswith("back-off") for one in seen)
        assert {(one.ready, one.stale, one.deployments) for one in seen} == {(0, 2, (deployment.id,))}

    def test_a_failure_of_the_version_before_is_history(self, target: Target, stage: Stage) -> None:
        app = by_id(target, BILLING)
        target.cancel(target.update([Change(app, "registry:5000/shop/billing:crash")]))
        stage.later(20)

        assert look(target, BILLING).failure is None

    def test_a_sick_container_is_started_and_not_ready(self, target: Target, stage: Stage) -> None:
        target.update([change(target, BILLING, "sick")])
        stage.later(5)

        sick = look(target, BILLING)

        assert sick.started > 0
        assert sick.ready == 0
        assert sick.deployments
        assert sick.waiting.startswith("health check: ")

    def test_an_app_without_room_waits_for_offers(self, target: Target, stage: Stage) -> None:
        target.update([change(target, CART, "huge")])
        stage.later(5)

        stuck = look(target, CART)

        assert stuck.unplaced.startswith("no offers")
        assert (stuck.ready, stuck.started, stuck.stale) == (0, 0, 1)

    def test_a_container_that_dies_after_its_start_is_noticed(self, target: Target, stage: Stage) -> None:
        target.update([change(target, CART, "dies")])
        seen = []
        for _ in range(9):
            stage.later(1)
            seen.append(look(target, CART))

        assert stage.fleet.deployments == {}
        assert len({one.failure.key for one in seen if one.failure}) >= 2

    def test_an_instance_on_a_lost_agent_is_mentioned_before_a_change(self, target: Target, stage: Stage) -> None:
        stage.fleet.apps[BILLING].tasks[0].lose()

        remarks = cast(ChangeChecks, target).check_changes(
            [change(target, app_id, "1.8.0-master") for app_id in (BILLING, CART)]
        )

        assert [(one.app, one.what, one.blocks) for one in remarks] == [
            (BILLING, "1 instance on a lost agent (TASK_UNREACHABLE)", False)
        ]

    def test_nothing_is_asked_for_no_app(self, target: Target, stage: Stage) -> None:
        before = len(stage.front.seen)

        assert target.status([]) == {}
        assert len(stage.front.seen) == before

    def test_an_app_that_is_gone_is_absent(self, target: Target, stage: Stage) -> None:
        stage.fleet.put({WEB: None}, force=True)
        stage.later()

        assert set(target.status([WEB, CART, "/ds/prod/shop/car"])) == {CART}

    def test_a_cancelled_deployment_brings_the_apps_back(self, target: Target, stage: Stage) -> None:
        before = stage.definition(BILLING)
        bad = target.update([change(target, BILLING, "crash")])
        stage.later(5)

        back = target.cancel(bad)
        stage.later()

        assert back is not None
        assert back.id != bad.id
        assert back.apps == (BILLING,)
        assert stage.definition(BILLING) == before
        restored = look(target, BILLING)
        assert (restored.ready, restored.stale, restored.deployments) == (2, 0, ())
        assert back.version in {"", restored.version}

    def test_a_deployment_that_is_over_cannot_be_cancelled(self, target: Target) -> None:
        assert target.cancel(Deployment("7d0f6ac1-2f0e-4a05-8b0e-35ae0f0d2c11", (BILLING,))) is None

    def test_a_stopped_deployment_leaves_the_app_as_it_is_and_free(self, target: Target, stage: Stage) -> None:
        deployment = target.update([change(target, BILLING, "crash")])
        stage.later(5)

        target.stop(deployment)
        target.stop(deployment)

        assert stage.image(BILLING) == "registry:5000/shop/billing:crash"
        assert target.deployments() == ()

    def test_an_undo_keeps_what_others_changed_meanwhile(self, target: Target, stage: Stage) -> None:
        captured = by_id(target, BILLING)
        container = stage.definition(BILLING)["container"]
        target.update([Change(captured, "registry:5000/shop/billing:1.8.0-master")])
        stage.later()
        stage.front.foreign(BILLING, FOREIGN)
        stage.later()

        target.update([Change(captured, captured.image)])

        after = stage.definition(BILLING)
        assert after["container"] == container
        assert (after["labels"], after["instances"]) == (FOREIGN["labels"], 3)

    @pytest.mark.parametrize(
        "fault",
        [Fault(FaultKind.DROP), *(Fault(FaultKind.ANSWER_AFTER, status) for status in (502, 503, 504))],
        ids=["reset", "502", "503", "504"],
    )
    def test_a_write_whose_answer_is_lost_says_so(self, target: Target, stage: Stage, fault: Fault) -> None:
        wanted = change(target, BILLING, "1.8.0-master")
        stage.front.faults.add(fault)

        with pytest.raises(NoAnswer):
            target.update([wanted])

        assert stage.image(BILLING) == wanted.image
        assert look(target, BILLING).image == wanted.image

    def test_a_write_whose_answer_takes_too_long_says_so(self, options: TargetOptions, stage: Stage) -> None:
        target = self.make(replace(options, timeout_s=self.too_slow_s))
        target.login()
        wanted = change(target, BILLING, "1.8.0-master")
        stage.front.faults.add(Fault(FaultKind.DELAY, seconds=self.too_slow_s + 1))

        with pytest.raises(NoAnswer):
            target.update([wanted])

        target.close()

    def test_a_cancellation_whose_answer_is_lost_says_so(self, target: Target, stage: Stage) -> None:
        bad = target.update([change(target, BILLING, "crash")])
        stage.front.faults.add(Fault(FaultKind.DROP))

        with pytest.raises(NoAnswer):
            target.cancel(bad)

    @pytest.mark.parametrize(("user", "password"), [(USER, "wrong horse"), ("nobody", PASSWORD)])
    def test_a_wrong_login_is_refused_without_repeating_the_password(
        self, options: TargetOptions, user: str, password: str
    ) -> None:
        target = self.make(replace(options, user=user, password=Secret(password)))

        with pytest.raises(LoginRefused) as caught:
            target.login()

        assert user in caught.value.what
        assert password not in told(caught.value)
        target.close()

    def test_a_login_that_runs_out_is_renewed(self, target: Target, stage: Stage) -> None:
        wanted = change(target, BILLING, "1.8.0-master")
        stage.logins.expire_all()
        seen = {app.id for app in target.apps("prod")}
        stage.logins.expire_all()
        target.update([wanted])
        stage.logins.expire_all()

        assert BILLING in seen
        assert look(target, BILLING).image == wanted.image

    def test_several_threads_share_a_renewed_login(self, target: Target, stage: Stage) -> None:
        changes = [change(target, app_id, "1.0.0-master") for app_id in (BILLING, CART, WEB)]
        batches = [changes] if target.batch == 0 else [[one] for one in changes]
        stage.logins.expire_all()
        stage.front.seen.clear()

        with ThreadPoolExecutor(4) as pool:
            reading = pool.submit(target.deployments)
            deployments = list(pool.map(target.update, batches))
            reading.result()

        assert len(stage.fleet.deployments) == len({one.id for one in deployments}) == len(batches)
        assert len([path for method, path in stage.front.seen if path.endswith("/auth/login")]) == 1

    def test_a_password_that_is_refused_meanwhile_is_not_tried_at_every_look(
        self, target: Target, stage: Stage
    ) -> None:
        stage.logins.expire_all()
        stage.logins._users.clear()
        stage.front.seen.clear()

        for _ in range(3):
            with pytest.raises(LoginRefused):
                target.status([BILLING])

        assert len([path for method, path in stage.front.seen if path.endswith("/auth/login")]) == 1

    def test_without_a_login_the_next_step_is_named(self, options: TargetOptions) -> None:
        target = self.make(replace(options, user="", password=Secret()))

        with pytest.raises(TargetError) as caught:
            begin(target)

        assert "--user" in caught.value.hint
        target.close()

    def test_a_cluster_that_is_down_is_a_clear_error(self, dead_options: TargetOptions) -> None:
        target = self.make(dead_options)

        with pytest.raises(TargetError) as caught:
            target.login()

        assert not isinstance(caught.value, (LoginRefused, NoAnswer))
        assert PASSWORD not in told(caught.value)
        target.close()

    def test_the_name_tells_where_it_is(self, target: Target, stage: Stage) -> None:
        assert stage.url in target.name
        assert PASSWORD not in target.name

    def test_the_addresses_are_known_before_the_login_and_hold_the_name_after_it(self, target: Target) -> None:
        before = target.addresses
        target.login()

        assert before
        assert {*before, target.name} == set(target.addresses)

    def test_what_an_operator_types_is_a_command_of_this_kind_of_target(self, target: Target) -> None:
        typed = target.operator
        commands = (typed.show(BILLING), typed.list_deployments(), typed.roll_back("d1"), typed.end("d1"))

        assert {command.split()[0] for command in commands} == {self.operator_program}

    def test_the_identity_is_the_clusters_and_not_the_addresss(self, target: Target, stage: Stage) -> None:
        target.login()

        assert target.identity() == target.identity() == f"marathon {stage.framework_id}"

    def test_a_marker_is_made_once_and_runs_nothing(self, target: Target, stage: Stage) -> None:
        markers = cluster_identity.markers(target)

        made = [markers.place("/ds/prod/rollback-lock", {"run": "1"}), markers.place("/ds/prod/rollback-lock", {})]

        assert made == [True, False]
        assert markers.labels("/ds/prod/rollback-lock") == {"run": "1"}
        assert stage.definition("/ds/prod/rollback-lock")["instances"] == 0

    def test_a_marker_gets_other_labels_and_goes_again(self, target: Target) -> None:
        markers = cluster_identity.markers(target)
        markers.place("/ds/prod/rollback-freeze", {"by": "alice"})
        markers.relabel("/ds/prod/rollback-freeze", {"by": "bob", "until": "tomorrow"})
        relabelled = markers.labels("/ds/prod/rollback-freeze")

        markers.remove("/ds/prod/rollback-freeze")
        markers.remove("/ds/prod/rollback-freeze")

        assert relabelled == {"by": "bob", "until": "tomorrow"}
        assert markers.labels("/ds/prod/rollback-freeze") is None

    def test_what_changed_since_a_time_is_told_without_values(self, target: Target, stage: Stage) -> None:
        before = Instant.parse(stage.fleet.apps[BILLING].version)
        stage.later(60)
        stage.front.foreign(BILLING, {"env": {"DB_PASSWORD": "0ther", "NEW": "1"}, "mem": 4096})

        told = cast(Remembering, target).drift(BILLING, before)

        assert "env DB_PASSWORD has another value" in told
        assert "env NEW is new" in told
        assert any(line.startswith("mem was ") and line.endswith("is 4096") for line in told)
        assert "0ther" not in " ".join(told)

    def test_nothing_is_told_of_a_past_that_is_forgotten(self, target: Target) -> None:
        assert cast(Remembering, target).drift(BILLING, Instant.parse("1999-01-01T00:00:00Z")) == ()

    def test_what_an_app_was_configured_with_is_remembered(self, target: Target, stage: Stage) -> None:
        memory = cast(ImageMemory, target)
        stage.later(3600)
        container = with_image(stage.definition(BILLING)["container"], OLD, "r/b:2")
        stage.front.foreign(BILLING, {"container": container})
        stage.later(60)
        target.apps("prod")

        found = memory.image_history([BILLING, CART], 10)
        then = memory.image_at(BILLING, Instant.parse(NOW.isoformat()))

        assert [[part.image for part in one.containers] for one in found[BILLING]] == [[OLD], ["r/b:2"]]
        assert [one.until for one in found[BILLING]] == [found[BILLING][1].since, None]
        assert len(found[CART]) == 1
        assert then is not None
        assert (then.containers, then.since, then.until) == (
            found[BILLING][0].containers,
            found[BILLING][0].since,
            found[BILLING][1].since,
        )
        assert memory.image_at(BILLING, Instant.parse("1999-01-01T00:00:00Z")) is None

    def test_pods_are_named_as_what_is_never_changed(self, target: Target, stage: Stage) -> None:
        stage.front.api.pods.append(
            {
                "id": "/ds/prod/shop/pod",
                "containers": [
                    {"name": "main", "image": {"kind": "DOCKER", "id": "registry:5000/shop/billing:1"}},
                    {"name": "bare", "exec": {"command": {"shell": "sleep 60"}}},
                ],
            }
        )

        (pod,) = cast(UnmanagedApps, target).unmanaged().apps

        assert (pod.id, pod.unmanaged) == ("/ds/prod/shop/pod", "pods are not supported")
        assert [(part.name, part.image) for part in pod.containers] == [("main", "registry:5000/shop/billing:1")]

    def test_closing_twice_is_harmless(self, target: Target) -> None:
        target.close()
        target.close()


def begin(target: Target) -> None:
    """The first steps of every command."""
    target.login()
    target.apps("prod")


def by_id(target: Target, app_id: str) -> App:
    """An app as the target reads it."""
    return next(app for app in target.apps("prod") if app.id == app_id)


def change(target: Target, app_id: str, tag: str) -> Change:
    """That app, with another tag."""
    app = by_id(target, app_id)
    return Change(app, f"{app.image.rpartition(':')[0]}:{tag}")


def look(target: Target, app_id: str) -> Status:
    """One look at one app."""
    return target.status([app_id])[app_id]


def told(error: RollbackError) -> str:
    """Everything that an error could show."""
    return f"{error.what} {error.why} {error.hint} {error!r} {error.__cause__!r}"
