"""The first minutes: no settings yet, three questions, and a password that nobody sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command
from tests.e2e.conftest import REPOS


@pytest.fixture
def empty(tmp_path: Path) -> Command:
    """The command in a folder without settings."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return Command(folder, variables={"LC_ALL": "C.UTF-8"})


def test_the_questions_lead_to_settings_that_the_doctor_likes(empty: Command, sandbox: Sandbox) -> None:
    with empty.on_terminal("init") as terminal:
        terminal.until("Address of the Docker registry?")
        terminal.type("not an address\n")
        terminal.until("this is no address of a server")
        terminal.type(f"{sandbox.registry_url}\n")
        terminal.until("Repositories, separated by commas?")
        terminal.type(f"{REPOS}\n")
        terminal.until("What runs the services (dcos, kubernetes, marathon)?")
        terminal.type("marathon\n")
        terminal.until("Address of Marathon")
        terminal.type(f"{sandbox.marathon_url}\n")
        assert terminal.end() == 0, terminal.shown
    assert max(len(line) for line in terminal.shown.split("\r\n")) <= 120

    got = empty("get", "--env=prod", "--json")
    doctor = empty("doctor")

    assert got.json()["all"] == REPOS.split(",")
    assert doctor.code == 0, doctor.out
    assert "Nothing failed" in doctor.out


def test_options_answer_the_questions_and_what_is_there_stays(empty: Command, sandbox: Sandbox) -> None:
    words = ("init", f"--registry={sandbox.registry_url}", f"--repo={REPOS}", "--target=marathon")

    open_question = empty(*words)
    done = empty(*words, f"--set=url={sandbox.marathon_url}")
    again = empty(*words, f"--set=url={sandbox.marathon_url}")

    assert (open_question.code, done.code, again.code) == (2, 0, 2)
    assert "the target marathon needs url" in open_question.err
    assert "--set=url=<value>" in open_question.err
    assert (empty.folder / "rollback.yaml").read_text() in done.out
    assert "is there already" in again.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--registry is missing"),
        (("--registry=ftp://x", "--repo=a", "--target=dcos"), "no address of a server"),
        (("--registry=x", "--repo=A", "--target=dcos"), "'A' is not a repository"),
        (("--registry=x", "--repo=a", "--target=nomad"), "no kind of target 'nomad'"),
        (("--registry=x", "--repo=a", "--target=dcos", "--set=nonsense=1"), "there is no such key"),
    ],
)
def test_without_a_terminal_a_wrong_or_missing_answer_writes_nothing(
    empty: Command, words: tuple[str, ...], told: str
) -> None:
    said = empty("init", *words)

    assert said.code == 2
    assert told in said.err
    assert list(empty.folder.iterdir()) == []


@pytest.mark.parametrize("words", [("get", "--repo=a", "--env=prod"), ("thaw", "--env=prod")])
def test_a_folder_without_settings_says_so_first(empty: Command, words: tuple[str, ...]) -> None:
    said = empty(*words, PATH="/nowhere")

    first, *_ = said.err.splitlines()
    assert said.code in {1, 2}
    assert "there is no settings file (rollback.yaml)" in first
    assert "rollback init" in first


def test_get_without_repositories_names_both_places(rollback: Command) -> None:
    said = rollback("get", "--env=prod")

    assert said.code == 2
    assert "--repo is missing" in said.err
    assert "repos:" in said.err


def test_a_user_without_a_password_is_asked_for_it_unseen(offered: Command, sandbox: Sandbox) -> None:
    file = offered.folder / "rollback.yaml"
    file.write_text(file.read_text().replace(sandbox.marathon_url, sandbox.service_url))
    words = (f"--date={sandbox.story.good_day}", "--env=prod", f"--user={sandbox.user}")

    with offered.on_terminal("plan", *words) as terminal:
        terminal.until(f"Password of {sandbox.user} on marathon: ")
        terminal.type(f"{sandbox.password}\n")
        code = terminal.end()
    with offered.on_terminal("run", *words, "--yes") as silent:
        refused = silent.end()
    elsewhere = offered("plan", *words)

    assert code == 0, terminal.shown
    assert sandbox.password not in terminal.shown
    assert (refused, elsewhere.code) == (2, 2)
    assert "and no password" in silent.shown
    assert "and no password" in elsewhere.err
