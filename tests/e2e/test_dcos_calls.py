"""A whole plan through the real dcos starts so many processes, each of which takes half a second, and no more."""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

from rollback.sandbox.launcher import Sandbox
from tests.contract.program import Calls, script, set_up
from tests.e2e.command import Command

ONCE = ("auth login", "marathon app list", "marathon pod list", "marathon deployment list", "marathon task list")
VERSIONS, SHOW = "marathon app version list", "marathon app show"


def test_a_plan_by_builds_and_a_run_of_it_start_two_processes_for_each_app_at_most(
    sandbox: Sandbox, offered: Command, forked_dcos: str, tmp_path: Path
) -> None:
    program, calls = forked_dcos, Calls(tmp_path / "calls")
    (tmp_path / "bin").mkdir()
    script(
        tmp_path / "bin" / "dcos",
        "\nimport json, os, sys\n"
        f"with open({str(calls.log)!r}, 'a') as log:\n"
        "    log.write(json.dumps({'argv': sys.argv[1:]}) + '\\n')\n"
        f"os.execv({program!r}, [{program!r}, *sys.argv[1:]])\n",
    )
    set_up(tmp_path / "dot-dcos", sandbox.dcos_url, token="run-out")
    place = {"DCOS_DIR": str(tmp_path / "dot-dcos"), "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    login = {"ROLLBACK_USER": sandbox.user, "ROLLBACK_PASSWORD": sandbox.password}
    long_ago = sandbox.story.now - timedelta(days=30)
    for service in ("billing", "cart"):  # then, they had the image that the plan does not take
        running = sandbox.fleet.apps[f"/ds/prod/shop/{service}"].definition
        sandbox.fleet.install(running, sandbox.story.now, [(long_ago, running)])

    def processes(*words: str) -> Counter[str]:
        calls.log.unlink(missing_ok=True)
        said = offered(*words, "--target=dcos", **place, **login)
        assert said.code == 0, said.err
        assert "was configured with" in said.out or "not compared with what ran" in said.out
        return Counter(" ".join(word for word in call["argv"] if word[0] not in "-/") for call in calls.all())

    planned = processes("plan", f"--date={sandbox.story.good_day}", "--env=prod", "--out=p.json")
    again = processes("run", "--plan=p.json", "--dry-run")

    for found in (planned, again):
        assert {name: found[name] for name in ONCE} == dict.fromkeys(ONCE, 1)
        # A machine that is too busy to compare all four within the time limit starts fewer.
        assert 1 <= found.pop(VERSIONS) <= 4
        assert found.pop(SHOW, 0) <= 4
        assert sum(found.values()) <= len(ONCE) + 1  # the identity of the cluster, which a plan file holds
