"""What the pipeline alone decides: which stages, which questions, what is refused, how a build ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ci_integrations.conftest import CHECKOUT
from tests.ci_integrations.jenkins.conftest import ENDINGS, SHORT_LIVED, Answer, Button, choose, type_in
from tests.ci_integrations.scenario import HOOK, PASSWORD

DAY = "2026-11-20"


def calls(stub: Path) -> list[dict[str, Any]]:
    """Every call of the stand-in."""
    return (
        [json.loads(line) for line in (stub / "calls").read_text().splitlines()] if (stub / "calls").exists() else []
    )


def test_the_dates_are_offered_newest_first_with_what_each_released(quick: Button) -> None:
    build = quick.press(choose(DAY), env="dev")

    (question,) = build.questions
    assert build.result == "SUCCESS", build.console
    assert question["choices"] == [DAY, "2026-11-18"]  # and not what is no date
    assert f"\n{DAY}: billing 1.8.0-master, web 5.3.0-master\n2026-11-18: billing 1.7.1-master" in question["message"]


@pytest.mark.parametrize("env", ["dev", "stage"])
def test_elsewhere_than_in_prod_one_question_is_enough(quick: Button, stub: Path, env: str) -> None:
    build = quick.press(choose(DAY), env=env)

    assert build.result == "SUCCESS", build.console
    assert build.stages == ["Look", "Get", "Choose", "Plan", "Run"]
    assert build.description == f"{env}: to {DAY}, by alice: DONE after 3 s: 1 changed and up"
    assert [call["argv"][call["argv"].index("-t") + 1] for call in calls(stub)] == ["get", "plan", "run"]
    assert all(call["argv"][2] == f"ansible/inventories/{env}/hosts.ini" for call in calls(stub))


def test_in_prod_the_plan_is_confirmed_by_those_who_may(quick: Button, stub: Path) -> None:
    build = quick.press(choose(DAY), type_in("prod"))

    assert build.result == "SUCCESS", build.console
    assert "1 to change" in build.questions[1]["message"]
    assert build.questions[1]["submitter"] == "rollback-prod"
    assert calls(stub)[-1]["env"]["ROLLBACK_BY"] == "alice, confirmed by bob"
    assert calls(stub)[-1]["env"]["ROLLBACK_REASON"] == "prices are wrong"
    assert "rollback_plan_file=plan.json" in calls(stub)[-1]["argv"]


def test_it_runs_on_after_every_step_and_after_a_restart_at_every_question(quick: Button) -> None:
    build = quick.press(choose(DAY), type_in("prod"))

    assert build.result == "SUCCESS", build.console
    assert build.restored == len(build.steps) > 10
    assert build.restarted == len(build.questions) == 2


def test_every_question_has_an_end(quick: Button) -> None:
    build = quick.press(choose(DAY), type_in("prod"))

    assert [question["timeout"] for question in build.questions] == [300, 300]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_at_the_first_question_aborts_and_runs_nothing(quick: Button, stub: Path, ending: Answer) -> None:
    build = quick.press(ending)

    assert build.result == "ABORTED"
    assert build.stages[-1] == "Choose"
    assert len(calls(stub)) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_at_the_second_question_aborts_and_runs_nothing(quick: Button, stub: Path, ending: Answer) -> None:
    build = quick.press(choose(DAY), ending)

    assert build.result == "ABORTED"
    assert build.stages[-1] == "Confirm"
    assert "run" not in [call["argv"][call["argv"].index("-t") + 1] for call in calls(stub)]
    assert build.archived  # what was asked is kept, whatever came of it


def test_the_wrong_word_at_the_second_question_runs_nothing(quick: Button, stub: Path) -> None:
    build = quick.press(choose(DAY), type_in("yes"))

    assert build.result == "FAILURE"
    assert "not started: prod was not typed" in build.console
    assert len(calls(stub)) == 2


def test_an_empty_dump_asks_nothing(quick: Button, stub: Path) -> None:
    (stub / "get" / "rollback.json").write_text('{"all": [], "rollbacks": {}}')

    build = quick.press()

    assert build.result == "FAILURE"
    assert "there is no image of prod, and so no date to go back to" in build.console
    assert build.questions == []


def test_a_dump_of_an_earlier_build_is_not_taken_for_this_ones(quick: Button, stub: Path) -> None:
    dump = quick.workspace() / "dump"
    dump.mkdir()
    (stub / "get" / "rollback.json").rename(dump / "rollback.json")

    build = quick.press()

    assert build.result == "FAILURE"
    assert "get has left no rollback.json" in build.console
    assert build.questions == []


def test_the_records_of_earlier_builds_stay(quick: Button) -> None:
    runs = quick.workspace() / "dump" / "runs"
    runs.mkdir(parents=True)
    (runs / "20261101-030000-prod-1a2b.jsonl").write_text("{}\n")

    build = quick.press(choose(DAY), type_in("prod"))

    assert build.result == "SUCCESS", build.console
    assert any(path.endswith("20261101-030000-prod-1a2b.jsonl") for path in build.archived)


@pytest.mark.parametrize(
    "date", ["2026-11-20 rollback_user=eve", "2026-11-19", "{{ lookup('pipe','id') }}", "2026-11-9x"]
)
def test_an_answer_that_was_not_offered_runs_nothing(quick: Button, stub: Path, date: str) -> None:
    build = quick.press(choose(date))

    assert build.result == "FAILURE"
    assert len(calls(stub)) == 1


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"REPOS": "shop/billing' rollback_user=eve x='"}, "REPOS has to be"),
        ({"REPOS": "$ROLLBACK_PASSWORD"}, "REPOS has to be"),
        ({"REPOS": ""}, "REPOS has to be"),
        ({"RUN": "{{ lookup('pipe','id') }}", "ACTION": "undo"}, "RUN has to be"),
        ({"ACTION": "drop"}, "ACTION is not one of"),
        ({"BASIS": "ran"}, "BASIS is not one of"),
        ({"ROLLBACK_REASON": ""}, "ROLLBACK_REASON is empty"),
    ],
)
def test_a_parameter_without_its_form_is_refused(
    quick: Button, stub: Path, params: dict[str, str], told: str
) -> None:
    build = quick.press(**params)

    assert build.result == "FAILURE"
    assert told in build.console
    assert calls(stub) == []


def test_secrets_are_there_for_the_tool_alone(quick: Button, stub: Path) -> None:
    reason = "${ROLLBACK_PASSWORD} $ROLLBACK_SLACK {{ lookup('env', 'ROLLBACK_PASSWORD') }}"

    build = quick.press(choose(DAY, who="eve${ROLLBACK_PASSWORD}"), type_in("prod"), ROLLBACK_REASON=reason)

    got, planned, ran = calls(stub)
    assert "ROLLBACK_PASSWORD" not in got["env"]
    assert planned["env"]["ROLLBACK_PASSWORD"] == ran["env"]["ROLLBACK_PASSWORD"] == PASSWORD
    assert ran["env"]["ROLLBACK_REASON"] == reason
    assert ran["env"]["ROLLBACK_BY"] == "eve__ROLLBACK_PASSWORD_, confirmed by bob"
    for secret in (PASSWORD, HOOK):
        assert secret not in build.console
        assert not [step for step in build.steps if secret in step["args"]]
        assert not [call for call in calls(stub) if any(secret in word for word in call["argv"])]


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({"LOGIN": "", "SLACK": ""}, set()),
        ({"LOGIN": ""}, {"ROLLBACK_SLACK"}),
        ({"SLACK": ""}, {"ROLLBACK_USER", "ROLLBACK_PASSWORD"}),
    ],
)
def test_without_a_login_or_slack_no_credentials_are_needed(
    quick: Button, stub: Path, fields: dict[str, str], bound: set[str]
) -> None:
    quick.edit(**fields)
    quick.credentials = {
        name: kept
        for name, kept in quick.credentials.items()
        if ("SLACK" if name == "rollback-slack" else "LOGIN") not in fields
    }

    build = quick.press(choose(DAY), type_in("prod"))

    assert build.result == "SUCCESS", build.console
    secrets = {"ROLLBACK_USER", "ROLLBACK_PASSWORD", "ROLLBACK_SLACK"}
    assert [secrets & call["env"].keys() for call in calls(stub)] == [set(), bound, bound]


@pytest.mark.parametrize("basis", ["auto", "deployed"])
def test_dates_that_rest_on_what_ran_have_the_login(quick: Button, stub: Path, basis: str) -> None:
    build = quick.press(choose(DAY), env="dev", BASIS=basis)

    assert build.result == "SUCCESS", build.console
    got = calls(stub)[0]
    assert got["env"]["ROLLBACK_PASSWORD"] == PASSWORD
    assert f"basis={basis}" in got["argv"]


def test_missing_credentials_fail_the_build_before_anything_runs(quick: Button, stub: Path) -> None:
    del quick.credentials["rollback-prod"]

    build = quick.press(choose(DAY), type_in("prod"))

    assert build.result == "FAILURE"
    assert "Could not find credentials entry with ID 'rollback-prod'" in build.console
    assert len(calls(stub)) == 1


def test_a_lock_comes_before_the_agent_and_each_environment_has_its_own(quick: Button) -> None:
    first = quick.press(choose(DAY), env="dev")
    second = quick.press(choose(DAY), type_in("prod"))

    assert first.order[:2] == ["lock rollback-dev", "agent rollback rollback/dev"]
    assert second.order[:2] == ["lock rollback-prod", "agent rollback rollback/prod"]


def test_undo_shows_its_plan_before_it_asks(quick: Button, stub: Path) -> None:
    build = quick.press(type_in("stage", who="carol"), env="stage", ACTION="undo", RUN="20261122-040512-stage-1a2b")

    shown, undone = calls(stub)
    assert build.result == "SUCCESS", build.console
    assert build.stages == ["Look", "Plan", "Confirm", "Run"]
    assert "--check" in shown["argv"]
    assert "--check" not in undone["argv"]
    assert "run=20261122-040512-stage-1a2b" in undone["argv"]
    assert undone["env"]["ROLLBACK_BY"] == "carol"


@pytest.mark.parametrize(("env", "answers"), [("dev", []), ("prod", [type_in("prod", who="carol")])])
def test_thaw_asks_in_prod_only_and_gets_no_dates(quick: Button, stub: Path, env: str, answers: list[Answer]) -> None:
    build = quick.press(*answers, env=env, ACTION="thaw")

    (thawed,) = calls(stub)
    assert build.result == "SUCCESS", build.console
    assert [question["submitter"] for question in build.questions] == ["rollback-prod"] * len(answers)
    assert thawed["argv"][thawed["argv"].index("-t") + 1] == "thaw"
    assert thawed["env"]["ROLLBACK_PASSWORD"] == PASSWORD
    assert str(build.description).startswith(f"{env}: thaw")


def test_the_linter_finds_no_error(part: Callable[[str], str]) -> None:
    linted = subprocess.run(
        [part("npm-groovy-lint"), "--noserver", "--failon", "error", "Jenkinsfile"],
        cwd=CHECKOUT,
        env={**os.environ, "JAVA_TOOL_OPTIONS": SHORT_LIVED},
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout.decode()
