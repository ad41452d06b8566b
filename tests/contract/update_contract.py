"""What every target promises of writing: the image and nothing else, and the truth about what became of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from rollback.core.apps import Change
from rollback.core.apps import with_image as exchanged
from rollback.errors import NoAnswer, TargetError
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.contract.stage import LostAnswer, Stage, image
from tests.contract.steps import by_id, change, changes, look, put_back


class UpdateContract:
    """Every target writes images, all or nothing, and never says that a write failed which may have succeeded."""

    too_slow_s = 0.5  # seconds that a call may take in the test of slow answers; long enough for one that is not slow

    def test_a_definition_can_be_stored_as_json_and_used_again(self, target: Target, stage: Stage) -> None:
        app = by_id(target, stage.put("billing"))
        stored = replace(app, definition=json.loads(json.dumps(app.definition)))

        target.update([Change(stored, image("billing", "1.8.0"))])

        assert stage.image(app.id) == image("billing", "1.8.0")

    def test_an_update_changes_the_image_and_nothing_else(self, target: Target, stage: Stage) -> None:
        ids = {stage.put(name): name for name in ("billing", "cart", "web")}
        apps, versions = {app.id: app for app in target.apps("prod")}, {}

        for app_id, name in ids.items():
            before, wanted = stage.configuration(app_id), f"{image(name, '1.8.0')}@sha256:{'0' * 64}"
            deployment = target.update([Change(apps[app_id], wanted)])
            versions[app_id] = deployment.version

            assert stage.configuration(app_id) == exchanged(before, image(name, "1.9.0"), wanted)
            assert stage.image(app_id) == wanted
            assert deployment.apps == (app_id,)
        assert all(versions[app.id] in {"", app.version} for app in target.apps("prod"))

    def test_an_app_goes_back_exactly_as_it_was(self, target: Target, stage: Stage) -> None:
        ids = [stage.put(name) for name in ("billing", "cart", "web")]
        all_wanted = changes(target, ids, "1.8.0")

        for wanted in all_wanted:
            before = stage.configuration(wanted.app.id)
            put_back(target, wanted, target.update([wanted]))

            assert stage.configuration(wanted.app.id) == before
        assert {app.id: app.fingerprint for app in target.apps("prod")} == {
            one.app.id: one.app.fingerprint for one in all_wanted
        }

    def test_an_update_changes_no_other_app(self, target: Target, stage: Stage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        before = stage.configuration(cart), by_id(target, cart).version

        target.update([change(target, billing, "1.8.0")])

        assert (stage.configuration(cart), by_id(target, cart).version) == before

    def test_a_batch_is_written_at_once(self, target: Target, stage: Stage) -> None:
        ids = [stage.put(name) for name in ("billing", "cart", "web")]
        batch = changes(target, ids, "1.0.0")[: target.batch or None]

        deployment = target.update(batch)

        assert deployment.apps == tuple(one.app.id for one in batch)
        assert [stage.image(one.app.id) for one in batch] == [one.image for one in batch]

    def test_an_unknown_app_is_never_created(self, target: Target, stage: Stage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart", "2.4.0")
        typo = Change(replace(by_id(target, billing), id=f"{billing}x"), image("billing", "1.8.0"))
        batch = [typo, change(target, cart, "2.3.0")][: target.batch or None]

        with pytest.raises(TargetError, match=re.escape(f"{billing}x")) as caught:
            target.update(batch)

        assert not isinstance(caught.value, NoAnswer)
        assert stage.ids() == {billing, cart}
        assert stage.image(cart) == image("cart", "2.4.0")

    def test_a_refused_write_says_why_and_has_changed_nothing(self, target: Target, stage: Stage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        batch = changes(target, [billing, cart], "1.8.0")[: target.batch or None]
        before = stage.configuration(billing), stage.configuration(cart)
        words = stage.refuse(billing)

        with pytest.raises(TargetError) as caught:
            target.update(batch)

        assert not isinstance(caught.value, NoAnswer)
        assert words in caught.value.why
        assert (stage.configuration(billing), stage.configuration(cart)) == before

    def test_an_undo_keeps_what_others_changed_meanwhile(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing")
        wanted = change(target, billing, "1.8.0")
        target.update([wanted])
        stage.settle()
        stage.change(billing, instances=3, team="somebody-else")
        changed = stage.configuration(billing)
        stage.settle()

        target.update([Change(wanted.app, wanted.app.image)])

        assert stage.configuration(billing) == exchanged(changed, wanted.image, wanted.app.image)
        assert by_id(target, billing).instances == 3

    @pytest.mark.parametrize("how", LostAnswer, ids=lambda how: how.value)
    def test_a_write_whose_answer_is_lost_says_so(self, target: Target, stage: Stage, how: LostAnswer) -> None:
        billing = stage.put("billing")
        wanted = change(target, billing, "1.8.0")
        stage.lose_answer(how)

        with pytest.raises(NoAnswer):
            target.update([wanted])

        assert stage.image(billing) == wanted.image
        assert look(target, billing).image == wanted.image

    def test_a_write_whose_answer_takes_too_long_says_so(self, options: TargetOptions, stage: Stage) -> None:
        billing = stage.put("billing")
        target = connect(replace(options, timeout_s=self.too_slow_s))
        target.login()
        wanted = change(target, billing, "1.8.0")
        stage.delay_answer(self.too_slow_s + 1)

        with pytest.raises(NoAnswer):
            target.update([wanted])

        target.close()
