"""The role's papers agree with each other, and the linter has nothing to say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci_integrations.conftest import ANSIBLE, surroundings

ROLE = ANSIBLE / "roles" / "rollback"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_variable_is_specified_and_in_the_readme() -> None:
    specified = set(read(ROLE / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])
    defaults = set(read(ROLE / "defaults/main.yml"))
    told = set(re.findall(r"rollback_[a-z_]+", (ROLE / "README.md").read_text()))

    assert specified - defaults == {"rollback_env", "rollback_inventory_env"}  # these two are the inventory's
    assert defaults - specified == set()
    assert specified - told == {"rollback_inventory_env"}


def test_every_short_name_is_in_the_readme() -> None:
    variables = read(ANSIBLE / "rollback_service.yaml")[1]["vars"]
    text = (ROLE / "README.md").read_text()

    for short in (*variables["rollback_short_names"], *variables["rollback_short_secrets"]):
        assert f"`{short}`" in text


@pytest.mark.parametrize("env", ["dev", "stage", "prod"])
def test_each_inventory_has_what_is_common_and_its_own(env: str) -> None:
    folder = ANSIBLE / "inventories" / env / "group_vars" / "all"

    assert (folder / "global.yml").resolve() == ANSIBLE / "group_vars" / "global.yml"
    assert read(folder / "env.yml")["rollback_env"] == env


def test_no_task_gives_secrets_through_the_keyword_that_leaks() -> None:
    """What `environment` sets can be read on the command line of a shell."""
    for path in (ROLE / "tasks").glob("*.yml"):
        assert "environment:" not in path.read_text()


def test_no_task_gives_secrets_as_an_argument_of_the_tool() -> None:
    """Whoever watches the tasks of a playbook is shown those."""
    for path in (ROLE / "tasks").glob("*.yml"):
        for task in read(path):
            text = repr(task.get("rollback_tool", {}))
            assert not re.search(r"rollback_(password|slack|secrets|stdin)", text), path


def test_the_linter_finds_nothing_as_a_stranger_starts_it(part: Callable[[str], str]) -> None:
    linted = subprocess.run(
        [part("ansible-lint"), "--offline", "--nocolor", "--strict"],
        cwd=ANSIBLE,
        env=surroundings(),
        capture_output=True,
        timeout=400,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout.decode() + linted.stderr.decode()
