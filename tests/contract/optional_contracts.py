"""What some targets promise beside what all do: one class for each optional part of the port.

A target's test inherits the classes of what its target has; a promise of `TargetContract` is that none is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import pytest

from rollback.core.apps import Deployment
from rollback.core.timestamps import Instant
from rollback.errors import AppLocked, LoginRefused, NoAnswer, TargetError
from rollback.secret import Secret
from rollback.targets import capabilities, connect
from rollback.targets.base import Target, TargetKind, TargetOptions
from rollback.workflow import cluster_identity
from tests.contract.stage import (
    SECRET_NAME,
    DeploymentStage,
    DigestStage,
    Fate,
    LoginStage,
    LostAnswer,
    MemoryStage,
    Stage,
    UnmanagedStage,
    image,
)
from tests.contract.steps import by_id, change, changes, everything, look

_OVER = Deployment("7d0f6ac1-2f0e-4a05-8b0e-35ae0f0d2c11", ("/ds/prod/shop/billing",))
_LONG_AGO = Instant.parse("1999-01-01T00:00:00Z")


class DeploymentContract:
    """`Target.has_deployments`: a write makes a deployment that holds its apps until it ends."""

    def test_an_update_makes_one_deployment(self, target: Target, stage: DeploymentStage) -> None:
        ids = [stage.put(name) for name in ("billing", "cart", "web")]

        deployment = target.update(changes(target, ids, "1.0.0")[: target.batch or None])

        assert stage.running_deployments() == [deployment.id]

    def test_a_locked_app_is_refused_and_nothing_is_written(self, target: Target, stage: DeploymentStage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        batch = changes(target, [billing, cart], "1.0.0")[: target.batch or None]
        lock = stage.hold(billing)
        before = stage.configuration(billing), stage.configuration(cart)

        with pytest.raises(AppLocked) as caught:
            target.update(batch)

        assert lock in caught.value.why
        assert (stage.configuration(billing), stage.configuration(cart)) == before
        assert stage.running_deployments() == [lock]

    def test_deployments_that_run_are_seen_at_the_apps_too(self, target: Target, stage: DeploymentStage) -> None:
        billing = stage.put("billing")
        lock = stage.hold(billing)

        (deployment,) = target.deployments()

        assert (deployment.id, deployment.apps) == (lock, (billing,))
        assert by_id(target, billing).deployments == (lock,)

    @pytest.mark.parametrize("fate", [Fate.CRASHES, Fate.NEVER_READY])
    def test_what_does_not_come_up_is_held_by_its_deployment(
        self, target: Target, stage: DeploymentStage, fate: Fate
    ) -> None:
        billing = stage.put("billing")
        stage.fail(image("billing", "1.8.0"), fate)
        deployment = target.update([change(target, billing, "1.8.0")])
        stage.later(5)

        assert look(target, billing).deployments == (deployment.id,)

    def test_a_cancelled_deployment_brings_the_apps_back(self, target: Target, stage: DeploymentStage) -> None:
        billing = stage.put("billing", instances=2)
        before = stage.configuration(billing)
        stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
        bad = target.update([change(target, billing, "1.8.0")])
        stage.later(5)

        back = target.cancel(bad)
        stage.settle()

        assert back is not None
        assert back.id != bad.id
        assert back.apps == (billing,)
        assert stage.configuration(billing) == before
        restored = look(target, billing)
        assert (restored.ready, restored.stale, restored.deployments) == (2, 0, ())
        assert back.version in {"", restored.version}

    def test_a_deployment_that_is_over_cannot_be_cancelled(self, target: Target) -> None:
        assert target.cancel(_OVER) is None

    def test_a_stopped_deployment_leaves_the_app_as_it_is_and_free(
        self, target: Target, stage: DeploymentStage
    ) -> None:
        billing = stage.put("billing")
        stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
        deployment = target.update([change(target, billing, "1.8.0")])
        stage.later(5)

        target.stop(deployment)
        target.stop(deployment)

        assert stage.image(billing) == image("billing", "1.8.0")
        assert target.deployments() == ()

    def test_a_cancellation_whose_answer_is_lost_says_so(self, target: Target, stage: DeploymentStage) -> None:
        billing = stage.put("billing")
        stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
        bad = target.update([change(target, billing, "1.8.0")])
        stage.lose_answer(LostAnswer.RESET)

        with pytest.raises(NoAnswer):
            target.cancel(bad)


class LoginContract:
    """`TargetKind.has_login`: it takes a user and a password."""

    @pytest.mark.parametrize(("user", "password"), [("", "wrong horse"), ("nobody", "")])
    def test_a_wrong_login_is_refused_without_repeating_the_password(
        self, options: TargetOptions, user: str, password: str
    ) -> None:
        wrong = replace(
            options, user=user or options.user, password=Secret(password) if password else options.password
        )
        target = connect(wrong)

        with pytest.raises(LoginRefused) as caught:
            target.login()

        assert wrong.user in caught.value.what
        assert wrong.password.reveal() not in everything(caught.value)
        target.close()

    def test_a_login_that_runs_out_is_renewed(self, target: Target, stage: LoginStage) -> None:
        billing = stage.put("billing")
        wanted = change(target, billing, "1.8.0")
        stage.expire_logins()
        seen = {app.id for app in target.apps("prod")}
        stage.expire_logins()
        target.update([wanted])
        stage.expire_logins()

        assert seen == {billing}
        assert look(target, billing).image == wanted.image

    def test_several_threads_share_a_renewed_login(self, target: Target, stage: LoginStage) -> None:
        every = changes(target, [stage.put(name) for name in ("billing", "cart", "web")], "1.0.0")
        batches = [every] if target.batch == 0 else [[one] for one in every]
        stage.expire_logins()
        before = stage.count_logins()

        with ThreadPoolExecutor(4) as pool:
            reading = pool.submit(target.deployments)
            deployments = list(pool.map(target.update, batches))
            reading.result()

        assert len({one.id for one in deployments}) == len(batches)
        assert [stage.image(one.app.id) for one in every] == [one.image for one in every]
        assert stage.count_logins() == before + 1

    def test_a_password_that_is_refused_meanwhile_is_not_tried_at_every_look(
        self, target: Target, stage: LoginStage
    ) -> None:
        billing = stage.put("billing")
        stage.expire_logins()
        stage.forget_users()
        before = stage.count_logins()

        for _ in range(3):
            with pytest.raises(LoginRefused):
                target.status([billing])

        assert stage.count_logins() == before + 1

    def test_without_a_login_the_next_step_is_named(self, options: TargetOptions) -> None:
        target = connect(replace(options, user="", password=Secret()))

        def begin() -> None:
            target.login()
            target.apps("prod")

        with pytest.raises(TargetError) as caught:
            begin()

        assert "--user" in caught.value.hint
        target.close()


class MarkerContract:
    """`Markers`: facts can be kept on the target."""

    def test_a_marker_is_made_once_and_runs_nothing(self, target: Target, stage: Stage) -> None:
        billing, markers = stage.put("billing"), cluster_identity.markers(target)
        lock = markers.marker_ids("rollback-lock", "prod")[0]

        made = [markers.place(lock, {"run": "1"}), markers.place(lock, {})]

        assert made == [True, False]
        assert markers.labels(lock) == {"run": "1"}
        assert {app.instances for app in target.apps("prod") if app.id != billing} <= {0}

    def test_of_several_at_once_one_makes_the_marker(self, target: Target, stage: Stage) -> None:
        stage.put("billing")
        markers = cluster_identity.markers(target)
        lock = markers.marker_ids("rollback-lock", "prod")[0]

        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda run: markers.place(lock, {"run": run}), "1234"))

        assert sorted(made) == [False, False, False, True]
        assert markers.labels(lock) == {"run": "1234"[made.index(True)]}

    def test_a_marker_gets_other_labels_and_goes_again(self, target: Target, stage: Stage) -> None:
        stage.put("billing")
        markers = cluster_identity.markers(target)
        freeze = markers.marker_ids("rollback-freeze", "prod")[0]
        markers.place(freeze, {"by": "alice"})
        markers.relabel(freeze, {"by": "bob", "until": "tomorrow"})
        relabelled = markers.labels(freeze)

        removed = [markers.remove(freeze, only_if) for only_if in ({"by": "alice"}, {"by": "bob"}, {})]

        assert relabelled == {"by": "bob", "until": "tomorrow"}
        assert removed == [False, True, False]
        assert markers.labels(freeze) is None

    def test_lock_and_freeze_have_markers_of_their_own(self, target: Target, stage: Stage) -> None:
        stage.put("billing")
        markers = cluster_identity.markers(target)
        freeze, lock = (
            markers.marker_ids("rollback-freeze", "prod")[0],
            markers.marker_ids("rollback-lock", "prod")[0],
        )
        markers.place(freeze, {"by": "alice"})

        assert freeze == markers.marker_ids("rollback-freeze", "prod")[0]
        assert (markers.labels(freeze), markers.labels(lock)) == ({"by": "alice"}, None)


class DriftContract:
    """`Remembering`: the target keeps earlier definitions."""

    def test_what_changed_since_a_time_is_named_without_values(self, target: Target, stage: MemoryStage) -> None:
        billing = stage.put("billing")
        before = stage.now()
        stage.change(billing, secret="0ther")
        target.apps("prod")

        named = cast(capabilities.Remembering, target).drift(billing, before)

        assert any(SECRET_NAME in line for line in named)
        assert "0ther" not in " ".join(named)

    def test_nothing_is_said_of_a_past_that_is_forgotten(self, target: Target, stage: Stage) -> None:
        assert cast(capabilities.Remembering, target).drift(stage.put("billing"), _LONG_AGO) == ()


class ImageMemoryContract:
    """`ImageMemory`: the target remembers with which images apps were configured."""

    def test_what_an_app_was_configured_with_is_remembered(self, target: Target, stage: MemoryStage) -> None:
        billing, cart = stage.put("billing", "1.9.0"), stage.put("cart")
        stage.settle()
        moment = stage.now()
        stage.change(billing, tag="2.0.0")
        stage.settle()
        target.apps("prod")
        memory = cast(capabilities.ImageMemory, target)

        found = memory.image_history([billing, cart], 10)
        then = memory.image_at(billing, moment)

        images = [[part.image for part in one.containers] for one in found[billing]]
        assert images == [[image("billing", "1.9.0")], [image("billing", "2.0.0")]]
        assert [one.until for one in found[billing]] == [found[billing][1].since, None]
        assert len(found[cart]) == 1
        assert then is not None
        assert (then.containers, then.since, then.until) == (
            found[billing][0].containers,
            found[billing][0].since,
            found[billing][1].since,
        )
        assert memory.image_at(billing, _LONG_AGO) is None


class UnmanagedContract:
    """`UnmanagedApps`: images can run on the target that are none of its apps."""

    def test_what_is_never_changed_is_named_with_its_images(self, target: Target, stage: UnmanagedStage) -> None:
        stage.put("billing")
        app_id, why = stage.put_unmanaged(image("billing", "1"))
        apps = target.apps("prod")

        found = cast(capabilities.UnmanagedApps, target).unmanaged()

        assert [(one.id, one.unmanaged) for one in found.apps] == [(app_id, why)]
        assert [part.image for part in found.apps[0].containers] == [image("billing", "1")]
        assert not {one.id for one in found.apps} & {one.id for one in apps}


class ChangeCheckContract:
    """`ChangeChecks`: the target says before a write what forbids it, or what to know of it."""

    def test_a_look_at_changes_writes_nothing_and_forbids_none_that_is_possible(
        self, target: Target, stage: Stage
    ) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        stage.settle()
        both = changes(target, [billing, cart], "1.8.0")
        before = stage.configuration(billing), stage.configuration(cart)

        remarks = cast(capabilities.ChangeChecks, target).check_changes(both)

        assert [one for one in remarks if one.blocks] == []
        assert (stage.configuration(billing), stage.configuration(cart)) == before


class RunningDigestContract:
    """`RunningDigests`: instances report which images they run."""

    def test_the_digest_that_all_instances_run_is_known(self, target: Target, stage: DigestStage) -> None:
        digest = f"sha256:{'7' * 64}"
        stage.resolve(image("billing", "1.9.0"), digest)
        billing = stage.put("billing", "1.9.0", instances=2)
        stage.settle()

        assert cast(capabilities.RunningDigests, target).running_digests([by_id(target, billing)]) == {
            billing: digest
        }


class InstanceTimesContract:
    """`InstanceTimes`: the target knows when instances were started."""

    def test_the_oldest_instance_is_known_and_younger_after_an_update(self, target: Target, stage: Stage) -> None:
        billing, times = stage.put("billing"), cast(capabilities.InstanceTimes, target)
        stage.settle()
        before = times.oldest_starts([billing])
        target.update([change(target, billing, "1.8.0")])
        stage.settle()

        after = times.oldest_starts([billing])

        assert set(before) == set(after) == {billing}
        assert after[billing] > before[billing]


def _members(part: type) -> Callable[[Target, TargetKind], bool]:
    """Whether a target has a protocol of the port.

    Raises:
        AssertionError: it has some of its members and lacks others.
    """

    def has(target: Target, _kind: TargetKind) -> bool:
        there = {name: hasattr(target, name) for name in vars(part) if not name.startswith("_")}
        assert len(set(there.values())) == 1, f"a part of {part.__name__} is missing: {json.dumps(there)}"
        return all(there.values())

    return has


PARTS: Mapping[type, Callable[[Target, TargetKind], bool]] = {
    DeploymentContract: lambda target, _kind: target.has_deployments,
    LoginContract: lambda _target, kind: kind.has_login,
    MarkerContract: _members(capabilities.Markers),
    DriftContract: _members(capabilities.Remembering),
    ImageMemoryContract: _members(capabilities.ImageMemory),
    UnmanagedContract: _members(capabilities.UnmanagedApps),
    ChangeCheckContract: _members(capabilities.ChangeChecks),
    RunningDigestContract: _members(capabilities.RunningDigests),
    InstanceTimesContract: _members(capabilities.InstanceTimes),
}


def parts(target: Target, kind: TargetKind) -> set[type]:
    """The contracts of the optional parts that a target has.

    Args:
        target: it.
        kind: its kind.
    """
    return {contract for contract, has in PARTS.items() if has(target, kind)}
