"""What the harness finds in a pipeline: Jenkins could not suspend it, or would lose a step without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ci_integrations.jenkins.conftest import Build, Jenkins

PIPELINE = """
import groovy.json.JsonSlurper
import groovy.transform.Field
%s
pipeline {
    agent none
    stages {
        stage('Only') {
            agent { node { label 'any'; customWorkspace 'work' } }
            steps { script { body() } }
        }
    }
}
void body() {
    %s
}
"""


@pytest.fixture
def build(jenkins: Jenkins, tmp_path: Path) -> Any:
    """Run a pipeline whose only stage has this body, beside these declarations."""

    def run(body: str, declarations: str = "", answers: list[dict[str, Any]] | None = None) -> Build:
        jenkinsfile = tmp_path / "Jenkinsfile"
        jenkinsfile.write_text(PIPELINE % (declarations, body))
        return jenkins.run(
            {
                "jenkinsfile": str(jenkinsfile),
                "root": str(tmp_path),
                "params": {},
                "answers": answers or [],
                "environ": {},
                "credentials": {},
            }
        )

    return run


def test_what_a_program_holds_survives_each_step(build: Any) -> None:
    built = build(
        """
        List names = ['a', 'b']
        Map counts = [a: 1, b: 2]
        int total = 0
        for (name in names) {
            echo "loop ${name}"
            total += counts[name]
        }
        for (name in counts.keySet()) {
            echo "set ${name}"
        }
        names.each { echo "each ${it}" }
        kept = total + START
        wrapped { echo "wrapped ${total} ${A}" }
        echo "kept ${kept}"
        """,
        "@Field int START = 10\nvoid wrapped(Closure inner) { withEnv(['A=x']) { inner() } }",
    )

    assert built.problem is None
    assert built.console.splitlines() == [
        *("loop a", "loop b", "set a", "set b", "each a", "each b", "wrapped 3 x", "kept 13")
    ]
    assert built.restored == len(built.steps) == 10  # the end of withEnv counts as one


def test_a_question_is_answered_to_a_program_of_newly_compiled_classes(build: Any) -> None:
    built = build(
        """
        Closure later = { text -> echo "later ${text}" }
        Map answer = null
        String before = getClass().classLoader.toString()
        timeout(time: 5, unit: 'SECONDS') {
            answer = input(message: 'Which?', submitterParameter: 'who', parameters: [
                choice(name: 'day', choices: ['mon', 'tue'], description: '')])
        }
        later(answer.day)
        echo(before == getClass().classLoader.toString() ? 'the same classes' : 'new classes')
        """,
        answers=[{"does": "proceed", "who": "alice", "values": {"day": "tue"}}],
    )

    assert built.problem is None
    assert built.console.splitlines() == ["later tue", "new classes"]
    assert built.restarted == 1


@pytest.mark.parametrize(
    ("body", "declarations", "kind"),
    [
        pytest.param(
            "def read = new JsonSlurper().parseText(TEXT); echo 'x'; echo read.a.toString()",
            "@Field String TEXT = '" + json.dumps({"a": 1}) + "'",
            "LazyMap",
            id="local variable",
        ),
        pytest.param("def found = 'a' =~ /a/; echo 'x'; echo found.size().toString()", "", "Matcher", id="matcher"),
        pytest.param("echo 'x'", "@Field def lock = new Object()", "java.lang.Object", id="field"),
        pytest.param("worker = Thread.currentThread(); echo 'x'", "", "java.lang.Thread", id="script variable"),
        pytest.param(
            "show([of: 'a' =~ /a/])", "void show(Map given) { echo 'x' }", "Matcher", id="argument of a method"
        ),
        pytest.param(
            "def found = 'a' =~ /a/; try { echo 'x' } catch (Throwable ignored) { }", "", "Matcher", id="caught"
        ),
    ],
)
def test_what_cannot_be_serialized_at_a_step_is_a_problem(
    build: Any, body: str, declarations: str, kind: str
) -> None:
    built = build(body, declarations)

    assert "cannot be suspended at echo: java.io.NotSerializableException" in str(built.problem)
    assert kind in str(built.problem).splitlines()[0]
    assert built.console == ""


@pytest.mark.parametrize(
    ("body", "declarations"),
    [
        pytest.param("say()", "@NonCPS\ndef say() { echo 'x'; return 1 }", id="NonCPS method"),
        pytest.param("[2, 1].sort { echo 'x'; it }", "", id="closure given to a method of Java"),
        pytest.param("new File('/').eachFile { echo it.name }", "", id="closure given to a method of Groovy"),
        pytest.param(
            "say()",
            "@NonCPS\ndef say() { try { echo 'x' } catch (Throwable ignored) { }; return 1 }",
            id="caught, so that the step never runs",
        ),
        pytest.param("say()", "@NonCPS\ndef say() { [1].each { echo 'x' } }", id="closure in a NonCPS method"),
        pytest.param(
            'String text = "${new Named(script: this)}"',
            "class Named { def script; String toString() { script.echo('x'); 'a' } }",
            id="toString",
        ),
    ],
)
def test_a_step_where_the_program_cannot_be_suspended_is_a_problem(build: Any, body: str, declarations: str) -> None:
    built = build(body, declarations)

    assert "called from code that cannot be suspended" in str(built.problem)
    assert built.console == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("deploy('x')", "No such DSL method 'deploy'"),
        ("timeout(tim: 3) { echo 'x' }", "this step has no parameter [tim]"),
        ("echo missing", "No such property: missing"),
        ("'text'.missing()", "No signature of method: java.lang.String.missing()"),
        ("input(message: 'Go on?')", "a question that the scenario has no answer for"),
    ],
)
def test_an_error_in_the_pipeline_is_a_problem_and_not_a_failed_build(build: Any, body: str, reason: str) -> None:
    assert reason in str(build(body).problem)
