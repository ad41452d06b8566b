"""Whatever is given wrongly is refused by name, before anything is touched, and never ends as a success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ci_integrations.conftest import ANSIBLE, Playbook
from tests.ci_integrations.scenario import PASSWORD, REPOS, Scene


@pytest.mark.parametrize(
    ("step", "variables", "told"),
    [
        ("get", {}, "rollback_repo (short: repo) is missing or empty"),
        ("get", {"repo": ""}, "rollback_repo (short: repo) is missing or empty"),
        ("get", {"repo": REPOS, "env": ""}, "rollback_env (short: env) is empty"),
        (
            "get",
            {"repo": REPOS, "env": "stage"},
            "rollback_env (short: env) is stage, and the inventory is that of prod",
        ),
        ("get", {"repo": REPOS, "dump_path": ""}, "rollback_dump (short: dump_path) is empty"),
        ("get", {"repo": REPOS, "dump_path": "dump"}, "rollback_dump (short: dump_path) is empty or does not begin"),
        ("run", {}, "rollback_date (short: date) is missing"),
        ("run", {"date": ""}, "rollback_date (short: date) is missing"),
        ("plan", {"date": "--yes"}, "rollback_date (short: date) is missing, empty or not a date"),
        ("run", {"date": "2026-11-20", "dcos_user": ""}, "rollback_user (short: user or dcos_user, or ROLLBACK_"),
        ("run", {"date": "2026-11-20", "dcos_password": ""}, "rollback_password (short: password or dcos_password"),
        ("plan", {"date": "2026-11-20", "rollback_plan_file": "../p"}, "rollback_plan_file is not the plain name"),
        ("get", {"repo": REPOS, "rollback_env_manager": "poetry"}, "rollback_env_manager"),
    ],
)
def test_a_mistake_is_refused_by_its_name(
    newest: Playbook, scene: Scene, step: str, variables: dict[str, str], told: str
) -> None:
    played = newest("--tags", step, "-vvv", *(f"-e{name}={value}" for name, value in variables.items()))

    assert played.code != 0
    assert told in played.said
    assert PASSWORD not in played.said
    assert not scene.dump.exists()


def test_all_mistakes_are_told_at_once(newest: Playbook) -> None:
    played = newest("--tags", "run", date="", env="", dump_path="")

    assert played.code != 0
    assert all(name in played.said for name in ("rollback_env ", "rollback_date ", "rollback_dump "))


@pytest.mark.parametrize("tags", [["--tags", "rnu"], ["--tags", "run,undo"], []])
def test_a_tag_that_is_no_step_fails(newest: Playbook, scene: Scene, tags: list[str]) -> None:
    played = newest(*tags, date=scene.good_day, repo=REPOS)

    assert played.code != 0
    assert "Name one step: --tags get, plan, run, undo, check, thaw or install" in played.said


def test_a_missing_inventory_fails_wherever_one_stands(oldest: Playbook, tmp_path: Path) -> None:
    """In the folder of ansible.cfg ansible itself refuses; elsewhere only the playbook does."""
    there = oldest("--tags", "get", inventory="inventories/prdo/hosts.ini", repo=REPOS)
    elsewhere = oldest("--tags", "get", inventory=ANSIBLE / "inventories/prdo/hosts.ini", folder=tmp_path, repo=REPOS)

    assert there.code != 0
    assert elsewhere.code != 0
    assert "The group rollback_control has to have exactly one host" in elsewhere.said


@pytest.mark.parametrize("hosts", ["", "localhost\n127.0.0.1\n"])
def test_not_one_host_fails(newest: Playbook, tmp_path: Path, hosts: str) -> None:
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"[rollback_control]\n{hosts}")

    played = newest("--tags", "get", inventory=inventory, folder=tmp_path, repo=REPOS)

    assert played.code != 0
    assert "The group rollback_control has to have exactly one host" in played.said


def test_a_python_that_is_not_there_is_told_by_its_variable(newest: Playbook) -> None:
    played = newest("--tags", "get", repo=REPOS, rollback_python="/usr/bin/python9")

    assert played.code != 0
    assert "rollback_python is /usr/bin/python9: it has to start, be 3.10 or later" in played.said


def test_a_package_that_is_not_there_is_told_by_its_variable(newest: Playbook, tmp_path: Path) -> None:
    played = newest("--tags", "get", repo=REPOS, rollback_package=str(tmp_path / "rollback.pyz"))

    assert played.code != 0
    assert "rollback_package is" in played.said
    assert newest.leftovers() == []
