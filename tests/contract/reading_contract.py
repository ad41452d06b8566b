"""What every target promises of reading: the apps, and the marks by which a change is noticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rollback.errors import TargetError
from rollback.targets import connect
from rollback.targets.base import Target, TargetOptions
from tests.contract.stage import SECRET, Stage, image
from tests.contract.steps import by_id, look

# Reads every app in a process of its own and prints the marks of its configuration.
_READER = """
import json, sys
from pathlib import Path
from rollback.secret import Secret
from rollback.targets import connect
from rollback.targets.base import TargetOptions
given = json.load(sys.stdin)
given["folder"], given["password"] = Path(given["folder"]), Secret(given["password"])
target = connect(TargetOptions(**given))
target.login()
print(json.dumps({app.id: [app.fingerprint, app.version] for app in target.apps("prod")}))
target.close()
"""


class ReadingContract:
    """Every target reads what there is, and nothing that is secret."""

    def test_every_app_is_read_with_what_it_runs(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing", "1.9.0", instances=2)
        cart = stage.put("cart", "2.4.0", checked=False)

        apps = {app.id: app for app in target.apps("prod")}

        assert {app.id: app.image for app in apps.values()} == {
            billing: image("billing", "1.9.0"),
            cart: image("cart", "2.4.0"),
        }
        assert (apps[billing].instances, apps[billing].checked, apps[billing].deployments) == (2, True, ())
        assert (apps[cart].instances, apps[cart].checked, apps[cart].deployments) == (1, False, ())
        assert all(app.version and app.fingerprint for app in apps.values())

    def test_another_change_is_noticed_without_carrying_what_may_be_secret(
        self, target: Target, stage: Stage
    ) -> None:
        billing = stage.put("billing")
        before = by_id(target, billing)
        stage.change(billing, secret="0ther")

        after = by_id(target, billing)

        assert {name for name in after.marks if after.marks[name] != before.marks.get(name)} == {stage.secret_mark}
        assert after.fingerprint != before.fingerprint
        assert after.version != before.version
        assert look(target, billing).fingerprint == after.fingerprint
        for one in (before, after):
            carried = json.dumps([dict(one.definition), dict(one.marks)])
            assert SECRET not in carried
            assert "0ther" not in carried

    def test_scaling_is_not_another_configuration(self, target: Target, stage: Stage) -> None:
        billing = stage.put("billing", instances=1)
        before = by_id(target, billing)
        stage.change(billing, instances=3)

        after = by_id(target, billing)

        assert after.instances == 3
        assert after.fingerprint == before.fingerprint
        assert look(target, billing).version == before.version

    def test_a_configuration_has_the_same_marks_in_another_process(
        self, target: Target, options: TargetOptions, stage: Stage
    ) -> None:
        stage.put("billing")
        stage.put("cart", "2.4.0")
        here = {app.id: [app.fingerprint, app.version] for app in target.apps("prod")}

        assert _marks_in_another_process(options) == here

    def test_an_app_that_the_user_may_not_see_is_never_taken_for_one_that_runs(
        self, target: Target, stage: Stage
    ) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        stage.hide(billing)

        if stage.hiding_is_an_error:
            for read in (lambda: target.apps("prod"), lambda: target.status([billing])):
                with pytest.raises(TargetError):
                    read()
        else:
            assert {app.id for app in target.apps("prod")} == {cart}
            assert set(target.status([billing, cart])) == {cart}

    def test_an_app_that_is_gone_is_absent(self, target: Target, stage: Stage) -> None:
        billing, cart = stage.put("billing"), stage.put("cart")
        stage.remove(billing)

        assert set(target.status([billing, cart, f"{cart}x"])) == {cart}

    def test_no_request_is_sent_for_no_app(self, dead_options: TargetOptions) -> None:
        target = connect(dead_options)

        assert target.status([]) == {}
        target.close()

    def test_nothing_is_deployed_where_nobody_deploys(self, target: Target, stage: Stage) -> None:
        stage.put("billing")
        stage.settle()

        assert target.deployments() == ()


def _marks_in_another_process(options: TargetOptions) -> object:
    given = {
        "name": options.name,
        "settings": dict(options.settings),
        "user": options.user,
        "password": options.password.reveal(),
        "folder": str(options.folder),
        "env": options.env,
    }
    done = subprocess.run(
        [sys.executable, "-c", _READER],
        input=json.dumps(given),
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
