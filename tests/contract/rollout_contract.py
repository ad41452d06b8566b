"""What every target promises of watching: what is seen of an app while it is deployed, in each way that it can go."""

from __future__ import annotations

from rollback.targets.base import Target
from tests.contract.stage import Fate, Stage, image
from tests.contract.steps import change, failures, look, looks_until, put_back


class RolloutContract:
    """Every target shows how far an app is, and why it does not come up."""

    def test_an_update_can_be_followed_until_it_is_up(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing", instances=2)
        stage.settle()
        wanted = change(target, billing, "1.8.0")

        deployment = target.update([wanted])
        at_first = look(target, billing)
        stage.settle()
        at_last = look(target, billing)

        assert (at_first.image, at_first.instances) == (wanted.image, 2)
        assert (at_first.ready, at_first.stale) == (0, 2)
        assert (at_last.image, at_last.instances, at_last.deployments) == (wanted.image, 2, ())
        assert (at_last.ready, at_last.started, at_last.stale, at_last.draining) == (2, 2, 0, 0)
        assert (at_last.failure, at_last.waiting, at_last.unplaced, at_last.unreachable) == (None, "", "", 0)
        assert at_last.live == at_last.healthy
        assert len(at_last.live) in {0, 2}  # none where a target does not say which instances there are
        assert at_last.fingerprint == wanted.fingerprint
        assert deployment.version in {"", at_last.version}
        assert at_first.version == at_last.version != wanted.app.version

    def test_a_crash_loop_shows_one_failure_after_the_other(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing", instances=2)
        stage.settle()
        words = stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
        target.update([change(target, billing, "1.8.0")])

        seen = looks_until(
            target,
            stage,
            billing,
            lambda seen: len(failures(seen)) >= 2 and any(words in one.waiting for one in seen),
        )

        assert all(failures(seen).values())
        assert {(one.ready, one.stale) for one in seen} == {(0, 2)}

    def test_an_image_that_cannot_be_pulled_is_a_failure_in_the_servers_words(
        self, target: Target, stage: Stage
    ) -> None:
        billing = stage.put("billing")
        stage.settle()
        words = stage.fail(image("billing", "1.8.0"), Fate.UNPULLABLE)
        target.update([change(target, billing, "1.8.0")])

        seen = looks_until(target, stage, billing, lambda seen: bool(failures(seen)))

        assert any(words in message for message in failures(seen).values())
        assert set(failures([look(target, billing)])) <= set(failures(seen)), "a failure that is seen twice is one"
        assert {(one.ready, one.started, one.stale) for one in seen} == {(0, 0, 1)}

    def test_a_failure_of_the_configuration_before_is_history(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing")
        stage.settle()
        stage.fail(image("billing", "1.8.0"), Fate.CRASHES)
        wanted = change(target, billing, "1.8.0")
        deployment = target.update([wanted])
        looks_until(target, stage, billing, lambda seen: bool(failures(seen)))

        put_back(target, wanted, deployment)
        stage.settle()

        back = look(target, billing)
        assert (back.failure, back.ready, back.stale) == (None, 1, 0)

    def test_what_never_becomes_ready_is_started_and_not_ready(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing")
        stage.settle()
        words = stage.fail(image("billing", "1.8.0"), Fate.NEVER_READY)
        target.update([change(target, billing, "1.8.0")])

        seen = looks_until(target, stage, billing, lambda seen: seen[-1].started > 0 and bool(seen[-1].waiting))

        assert words in seen[-1].waiting
        assert {one.ready for one in seen} == {0}

    def test_an_instance_without_room_is_said_to_have_none(self, target: Target, stage: Stage) -> None:
        app_id, words = stage.put_crowded("cart")
        stage.settle()
        instances = look(target, app_id).instances
        target.update([change(target, app_id, "1.8.0")])

        seen = looks_until(target, stage, app_id, lambda seen: bool(seen[-1].unplaced))

        assert words in seen[-1].unplaced
        assert (seen[-1].ready, seen[-1].started, seen[-1].stale) == (0, 0, instances)

    def test_an_instance_that_dies_after_its_start_is_noticed(self, target: Target, stage: Stage) -> None:
        cart = stage.put("cart", checked=False)
        stage.settle()
        stage.fail(image("cart", "1.8.0"), Fate.DIES)
        target.update([change(target, cart, "1.8.0")])

        seen = looks_until(target, stage, cart, lambda seen: len(failures(seen)) >= 2 and not seen[-1].deployments)

        assert seen[-1].stale == 0
