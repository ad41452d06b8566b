"""A secret never reaches an output, a file, a log or a child's command line, whatever happens."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback.sandbox.http_messages import Request, Response
from rollback.sandbox.http_server import listening
from rollback.sandbox.launcher import Sandbox, serving
from tests.e2e.command import Command, Said, free_port
from tests.e2e.conftest import REPOS, SPEED, settings

SECRET = "hunter2-%40-é"
HOOK = "T0/B0/hook-secret"
WAYS = {
    "on the command line": (["--user=oncall", f"--pwd={SECRET}"], {}, None),
    "from standard input": (["--user=oncall", "--pwd=-"], {}, f"{SECRET}\n"),
    "from a file": (["--user=oncall", "--pwd-file=../secret"], {}, None),
    "from the environment": ([], {"ROLLBACK_USER": "oncall", "ROLLBACK_PASSWORD": SECRET}, None),
}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with serving(speed=SPEED, password=SECRET, direct_login=True) as sandbox:
        yield sandbox


@pytest.fixture
def rollback(sandbox: Sandbox, tmp_path: Path) -> Command:
    folder = tmp_path / "here"
    folder.mkdir()
    settings(folder, sandbox)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return Command(folder)


def told(command: Command, *said: Said) -> str:
    """Everything that anybody can read afterwards: outputs, and every file but the one that held the secret."""
    home = Path.home()
    files = [f for place in (command.folder, home) for f in place.rglob("*") if f.is_file()]
    assert any(f.suffix == ".json" for f in files)
    return "".join((*(one.out + one.err for one in said), *(f.read_text(errors="replace") for f in files)))


def assert_kept(text: str) -> None:
    for secret in (SECRET, "hunter2", HOOK, "hook-secret"):
        assert secret not in text


@pytest.mark.parametrize("way", WAYS)
def test_a_password_is_taken_and_never_shown(sandbox: Sandbox, offered: Command, way: str) -> None:
    words, variables, stdin = WAYS[way]

    ran = offered(
        "run", f"--date={sandbox.story.good_day}", "--env=prod", "--debug", *words, stdin=stdin, **variables
    )
    undone = offered("undo", "--yes", "--json", "--debug", *words, stdin=stdin, **variables)
    listed = offered("history", "--json", "--debug")

    assert (ran.code, undone.code, listed.code) == (0, 0, 0), ran.err + undone.err
    assert_kept(told(offered, ran, undone, listed))


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_wrong_one_is_not_shown_either(offered: Command, sandbox: Sandbox, debug: list[str]) -> None:
    words = [f"--date={sandbox.story.good_day}", "--env=prod", "--user=oncall", "--pwd=hunter2-wrong", *debug]

    said = [offered("plan", *words), offered("run", *words), offered("run", *words, ROLLBACK_MARATHON_URL="http://127.0.0.1:9")]  # fmt: skip  # noqa: E501

    assert all(one.code in {1, 3} for one in said)
    assert_kept(told(offered, *said))


@pytest.mark.parametrize("address", [HOOK, f"gopher://127.0.0.1/{HOOK}", f"http://a,http://b/{HOOK}"])
def test_a_webhook_that_is_no_address_is_bad_input_and_not_shown(
    sandbox: Sandbox, offered: Command, address: str
) -> None:
    said = offered(
        "run", f"--date={sandbox.story.good_day}", "--env=prod", "--debug",
        ROLLBACK_USER="oncall", ROLLBACK_PASSWORD=SECRET, ROLLBACK_SLACK=address,
    )  # fmt: skip

    assert said.code == 2, said.err
    assert "the webhook's address cannot be used" in said.err
    assert_kept(told(offered, said))


def test_secrets_of_variables_may_end_with_a_newline(sandbox: Sandbox, offered: Command) -> None:
    said = offered(
        "plan", f"--date={sandbox.story.good_day}", "--env=prod",
        ROLLBACK_USER="oncall", ROLLBACK_PASSWORD=f"{SECRET}\n",
    )  # fmt: skip

    assert said.code == 0, said.err


@pytest.mark.parametrize("variable", ["ROLLBACK_PASSWORD", "ROLLBACK_SLACK", "ROLLBACK_REGISTRY_PASSWORD"])
def test_secrets_with_control_characters_are_refused_by_name(
    sandbox: Sandbox, offered: Command, variable: str
) -> None:
    given = {"ROLLBACK_USER": "oncall", "ROLLBACK_PASSWORD": SECRET, variable: f"{SECRET}\n{SECRET}"}

    said = offered("run", f"--date={sandbox.story.good_day}", "--env=prod", **given)

    assert said.code == 2, said.err
    assert f"{variable} holds control characters" in said.err
    assert_kept(told(offered, said))


@pytest.mark.parametrize("trouble", ["down", "refused", "moved"])
def test_a_webhook_that_fails_changes_nothing_and_is_not_shown(
    sandbox: Sandbox, offered: Command, trouble: str
) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        location = {"Location": "http://127.0.0.1:9/elsewhere"} if trouble == "moved" else {}
        return Response(302 if location else 403, b"invalid_token", location)

    with listening(answer) as url:
        address = f"http://127.0.0.1:{free_port()}/{HOOK}" if trouble == "down" else f"{url}/{HOOK}"
        said = offered(
            "run", f"--date={sandbox.story.good_day}", "--env=prod", f"--slack={address}", "--debug",
            ROLLBACK_USER="oncall", ROLLBACK_PASSWORD=SECRET,
        )  # fmt: skip

    assert said.code == 0, said.err
    assert said.out.startswith("DONE")
    assert "the Slack message was not sent" in said.err
    assert bool(asked) == (trouble in {"refused", "moved"})
    assert_kept(told(offered, said))


def test_credentials_in_the_registrys_address_stay_out_of_the_history(sandbox: Sandbox, rollback: Command) -> None:
    address = sandbox.registry_url.replace("//", "//ann:hunter2@")

    got = rollback("get", f"--repo={REPOS}", "--env=prod", f"--registry={address}", "--debug")
    wrong = rollback(
        "get", f"--repo={REPOS}", "--env=prod", f"--registry=http://ann:hunter2@127.0.0.1:{free_port()}x"
    )
    planned = rollback(
        "plan", f"--date={sandbox.story.good_day}", "--env=prod", f"--registry={address}",
        ROLLBACK_USER="oncall", ROLLBACK_PASSWORD=SECRET,
    )  # fmt: skip

    assert (got.code, wrong.code, planned.code) == (0, 2, 0), got.err + wrong.err + planned.err
    assert_kept(told(rollback, got, wrong, planned))


def test_a_registry_that_a_history_names_gets_no_credentials_of_ours(sandbox: Sandbox, offered: Command) -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(str(request.headers))
        return Response(401, b"{}", {"WWW-Authenticate": 'Basic realm="give"'})

    with listening(answer) as url:
        file = offered.folder / "rollback.json"
        file.write_text(file.read_text().replace(sandbox.registry_url, url))
        text = (offered.folder / "rollback.yaml").read_text()
        (offered.folder / "rollback.yaml").write_text(text.partition("\n")[2])

        said = offered(
            "run", f"--date={sandbox.story.good_day}", "--env=prod",
            ROLLBACK_USER="oncall", ROLLBACK_PASSWORD=SECRET,
            ROLLBACK_REGISTRY_USER="ann", ROLLBACK_REGISTRY_PASSWORD="registry-secret",
        )  # fmt: skip

    assert said.code == 3
    assert seen
    assert not any("authorization" in one.lower() for one in seen)


def test_the_command_passes_no_secret_to_children_by_its_own_arguments(sandbox: Sandbox, offered: Command) -> None:
    """Whoever reads /proc while it runs finds the password in no process but the one that was given it."""
    (offered.folder.parent / "secret").write_text(SECRET)
    with offered.start(
        "run", f"--date={sandbox.story.good_day}", "--env=prod", "--user=oncall", "--pwd-file=../secret"
    ) as process:
        seen = set()
        while process.poll() is None:
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_text(errors="replace"))
                except OSError:  # it has just ended
                    continue
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        out, err = process.communicate()

    assert process.returncode == 0, err
    assert any("--pwd-file" in one for one in seen)
    assert not any(SECRET in one for one in seen)
    assert out
