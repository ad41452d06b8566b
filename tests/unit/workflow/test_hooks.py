"""The user's hooks: what they get, what their answers mean, and whose programs are not run."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback.config.settings import HookSettings, Settings
from rollback.core.plan import Environment, Plan
from rollback.errors import Reason
from rollback.secret import Secret
from rollback.workflow import hooks, runner
from rollback.workflow.planning import PreparedPlan
from rollback.workflow.run_request import RunRequest, policy
from tests.unit.output.test_hostile_text import plan

PLAN = Plan(Environment("prod", "master"), "marathon at http://here", "2026-11-20", ())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hook(code: str, name: str = "gate") -> Path:
    path = Path(name)
    path.write_text(f"#!{sys.executable} -IS\nimport json, os, sys\n{textwrap.dedent(code)}")
    path.chmod(0o755)
    return path


def request(**chosen: Any) -> RunRequest:
    config = Settings(hooks=HookSettings(**chosen))
    return RunRequest("run", config, Path(), policy(config), Secret("https://hooks/T/B/hush"), "me", "incident 7")


def test_a_hook_that_ends_with_0_agrees() -> None:
    assert hooks.preflight(request(preflight=hook("print('as you like')")), PLAN) == ()


def test_no_hook_agrees() -> None:
    assert hooks.preflight(request(), PLAN) == ()


def test_the_words_of_a_hook_that_refuses_are_the_reason() -> None:
    gate = hook("print('billing: migrated'); print('ask the DBA', file=sys.stderr); sys.exit(9)")

    (reason,) = hooks.preflight(request(preflight=gate), PLAN)

    assert reason.what == "the preflight hook refused"
    assert reason.why == "billing: migrated\nask the DBA"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.exit(4)", "it ended with code 4 and printed nothing"),
        ("os.kill(os.getpid(), 9)", "it ended with code -9 and printed nothing"),
        ("import time; time.sleep(60)", "gate had not finished after 1 s and was stopped"),
        ("while True: print('x' * 1000)", "gate printed more than 1 MiB and was stopped"),
        ("print('see https://hooks/T/B/hush'); sys.exit(1)", "see ***"),
    ],
)
def test_whatever_is_not_a_yes_refuses(code: str, why: str) -> None:
    (reason,) = hooks.preflight(request(preflight=hook(code), timeout_s=1.0), PLAN)

    assert reason.why.split("\n")[0] == why


def test_a_hook_is_not_called_for_what_is_refused_already() -> None:
    asked = request(preflight=hook("open('called', 'w')"))
    reasons = (Reason("an app is locked"),)

    assert runner._all_reasons(PreparedPlan(plan("web"), reasons), asked) == reasons
    assert runner._all_reasons(PreparedPlan(PLAN, ()), asked) == ()  # there is nothing to change
    assert not Path("called").exists()
    assert runner._all_reasons(PreparedPlan(plan("web"), ()), asked) == ()
    assert Path("called").exists()


def test_a_hook_gets_the_plan_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROLLBACK_PASSWORD", "DCOS_ACS_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "MY_PWD", "HUSH"):
        monkeypatch.setenv(name, "hunter2")
    gate = hook("json.dump([json.load(sys.stdin), dict(os.environ), sys.argv[1:]], open('got', 'w'))")

    assert hooks.preflight(replace(request(preflight=gate), kind="undo"), PLAN) == ()

    document, environment, argv = json.loads(Path("got").read_text())
    assert {name: document[name] for name in ("hook", "command", "env", "as_of", "by", "reason", "dry_run")} == {
        "hook": "preflight",
        "command": "undo",
        "env": "prod",
        "as_of": "2026-11-20",
        "by": "me",
        "reason": "incident 7",
        "dry_run": False,
    }
    assert document["steps"] == []
    assert "reasons" not in document
    assert "hush" not in json.dumps(document)
    assert [name for name, value in environment.items() if value == "hunter2"] == ["HUSH"]
    assert {"PATH", "HOME", "PWD"} & os.environ.keys() <= environment.keys()
    assert argv == []


@pytest.mark.parametrize("key", ["preflight", "after"])
@pytest.mark.parametrize(
    ("mode", "folder_mode", "why"),
    [
        (0o775, 0o755, "its group can write to it (mode 0775)"),
        (0o777, 0o755, "its group and everybody can write to it (mode 0777)"),
        (0o755, 0o777, "of its folder"),
        (0o644, 0o755, "not a program that can be run"),
    ],
)
def test_a_hook_that_others_could_exchange_is_a_reason_and_not_run(
    key: str, mode: int, folder_mode: int, why: str, tmp_path: Path
) -> None:
    gate = hook("open('ran', 'w')")
    gate.chmod(mode)
    tmp_path.chmod(folder_mode)

    (reason,) = hooks.preflight(request(**{key: gate}), PLAN)

    assert str(gate) in reason.what
    assert why in reason.why
    assert reason.hint
    assert not Path("ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_hook_of_another_user_is_not_run() -> None:
    gate = hook("open('ran', 'w')")
    os.chown(gate, 4711, -1)

    (reason,) = hooks.preflight(request(preflight=gate), PLAN)

    assert "belongs to user 4711" in reason.why
    assert not Path("ran").exists()


def test_a_link_to_a_hook_is_as_safe_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    gate = hook("", "open/gate")
    (tmp_path / "open").chmod(0o777)
    Path("link").symlink_to(gate)

    (reason,) = hooks.preflight(request(preflight=Path("link")), PLAN)

    assert "everybody can write to it" in reason.why


def test_a_sticky_folder_keeps_others_from_replacing_a_hook(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    assert hooks.preflight(request(preflight=hook("")), PLAN) == ()


def test_a_hook_that_is_not_there_is_a_reason() -> None:
    (reason,) = hooks.preflight(request(preflight=Path("nowhere")), PLAN)

    assert reason.what == "the hook nowhere cannot be started"


def test_the_hook_for_the_end_gets_the_report() -> None:
    hooks.after(
        request(after=hook("json.dump(json.load(sys.stdin), open('got', 'w'))")),
        PLAN,
        {"verdict": "RESTORED", "exit_code": 5},
    )

    got = json.loads(Path("got").read_text())
    assert (got["hook"], got["command"], got["verdict"], got["exit_code"]) == ("after", "run", "RESTORED", 5)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('no pager'); sys.exit(2)", "failed with code 2: no pager"),
        ("import time; time.sleep(60)", "had not finished after 1 s"),
        (f"import time; os.kill(os.getppid(), {signal.SIGTERM.value}); time.sleep(60)", "was interrupted"),
    ],
)
def test_the_hook_for_the_end_changes_nothing(code: str, told: str, caplog: pytest.LogCaptureFixture) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with caplog.at_level(logging.WARNING, logger="rollback"):
        hooks.after(request(after=hook(code, "after"), timeout_s=1.0), PLAN, {})

    assert told in caplog.text
    assert signal.getsignal(signal.SIGTERM) is before


def test_after_a_rehearsal_no_hook_is_run() -> None:
    after = hook("open('ran', 'w')")

    hooks.after(replace(request(after=after), dry_run=True), PLAN, {})

    assert not Path("ran").exists()
