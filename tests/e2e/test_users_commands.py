"""The users' own two commands, letter for letter: a real docker-registry, and a Marathon through the real dcos."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox, serving
from rollback.sandbox.scenario import definition
from tests.contract.program import set_up
from tests.e2e.command import Command
from tests.e2e.conftest import QUICK, SPEED, definitions
from tests.support import registry as real

# Sorted by name these stand in another order than by time; the last day broke everything.
RELEASES = {
    "repo1": {"1.9.0-master": "2026-11-10", "1.10.0-master": "2026-11-12", "1.11.0-master": "2026-11-14"},
    "repo2": {"2.0.0-master": "2026-11-11", "3.0.0-master": "2026-11-14"},
    "repo3": {"5-master": "2026-11-09", "6-master": "2026-11-14"},
}
OTHERS = ["1.9.0-premaster", "1.9.0-develop", "latest", "superb"]
WANTED = {"repo1": "1.10.0-master", "repo2": "2.0.0-master", "repo3": "5-master"}
SECRET = "pa55$(id)`'w\"ord"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """With a password that a shell would stumble over."""
    with serving(speed=SPEED, password=SECRET) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def registry(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.serve(part("docker-registry"), tmp_path_factory.mktemp("registry")) as url:
        for repo, releases in RELEASES.items():
            for tag, day in releases.items():
                real.push_image(url, repo, tag, f"{day}T12:00:00Z", oci=repo == "repo2")
            for tag in OTHERS:
                real.push_image(url, repo, tag, "2026-11-13T12:00:00Z")
        yield url


@pytest.fixture
def fleet(registry: str, sandbox: Sandbox) -> Sandbox:
    """The newest release of each runs in prod; their like stand around them."""
    host = registry.partition("//")[2]
    for repo, releases in RELEASES.items():
        newest = f"{repo}:{list(releases)[-1]}"
        for place, service, image in (
            ("prod", repo, newest),
            ("preprod", repo, newest),
            ("prod", f"super{repo}", f"super{newest}"),
        ):
            whole = definition(service, place, f"{host}/{image}")
            sandbox.fleet.install(whole, sandbox.story.now - timedelta(days=1))
    return sandbox


@pytest.fixture
def rollback(fleet: Sandbox, registry: str, forked_dcos: str, tmp_path: Path) -> Command:
    """As on the users' own machine: a dcos that is set up and on PATH, and the registry in the environment."""
    set_up(tmp_path / "dot-dcos", fleet.dcos_url, token="run-out")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "rollback.yaml").write_text(QUICK.replace("0.05", "0.2").replace("timeout_s: 8", "timeout_s: 40"))
    path = f"{Path(forked_dcos).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "DCOS_DIR": str(tmp_path / "dot-dcos"), "ROLLBACK_REGISTRY": registry}
    return Command(folder, variables=variables)


@pytest.fixture
def installed(rollback: Command, part: Callable[[str], str]) -> Command:
    """The same, with the dcos that is installed, as it is."""
    path = f"{Path(part('dcos')).parent}{os.pathsep}{os.environ['PATH']}"
    return replace(rollback, variables={**rollback.variables, "PATH": path})


def running(fleet: Sandbox) -> dict[str, str]:
    """By app, its tag."""
    found = {}
    for app_id, body in definitions(fleet).items():
        if "repo" in app_id:
            found[app_id] = body["container"]["docker"]["image"].partition("@")[0].rpartition(":")[2]
    return found


def test_get_and_run_as_they_are_written_on_the_card(
    installed: Command, fleet: Sandbox, tmp_path: Path, slack: tuple[str, list[str]]
) -> None:
    before, folder = running(fleet), tmp_path / "dump"

    got = installed.line(f"rollback get --repo=repo1,repo2,repo3 --env=master --dump={folder}")
    held = json.loads((folder / "rollback.json").read_text())
    ran = installed.line(
        f"rollback run --date=2026-11-12 --env=prod --slack={slack[0]} --user={fleet.user} "
        f"--pwd={fleet.password} --dump={folder}"
    )

    assert (got.code, ran.code) == (0, 0), got.err + ran.err
    assert held["all"] == ["repo1", "repo2", "repo3"]
    assert held["rollbacks"] == {
        "2026-11-14": [{"1.11.0-master": "repo1"}, {"3.0.0-master": "repo2"}, {"6-master": "repo3"}],
        "2026-11-12": [{"1.10.0-master": "repo1"}],
        "2026-11-11": [{"2.0.0-master": "repo2"}],
        "2026-11-10": [{"1.9.0-master": "repo1"}],
        "2026-11-09": [{"5-master": "repo3"}],
    }
    assert ran.out.startswith("DONE after ")
    assert running(fleet) == {**before, **{f"/ds/prod/shop/{repo}": tag for repo, tag in WANTED.items()}}
    assert len(slack[1]) == 2
    assert "DONE" in slack[1][-1]
    told = "".join((got.out, got.err, ran.out, ran.err, *slack[1], *texts(folder)))
    assert fleet.password not in told
    assert "hook-secret" not in told


def test_a_history_of_all_and_rollbacks_alone_works_too(rollback: Command, fleet: Sandbox) -> None:
    before = running(fleet)
    (rollback.folder / "rollback.json").write_text(
        json.dumps(
            {
                "all": ["repo1", "repo2", "repo3"],
                "rollbacks": {
                    "2026-11-12": [{"1.10.0-master": "repo1"}],
                    "2026-11-11": [{"2.0.0-master": "repo2"}],
                    "2026-11-09": [{"5-master": "repo3"}],
                },
            }
        )
    )

    ran = rollback.line(
        f"rollback run --date=2026-11-12 --env=prod --slack= --user={fleet.user} --pwd={fleet.password}"
    )
    undone = rollback("undo", "--yes", f"--user={fleet.user}", "--pwd=-", stdin=fleet.password)

    assert ran.code == 0, ran.err
    rows = [line.split() for line in ran.out.splitlines()]
    assert [row[:4] for row in rows if "changed" in row and row[0] in WANTED] == [
        ["repo1", "1.11.0-master", "→", "1.10.0-master"],
        ["repo2", "3.0.0-master", "→", "2.0.0-master"],
        ["repo3", "6-master", "→", "5-master"],
    ]
    assert undone.code == 0, undone.err
    assert running(fleet) == before


def test_a_wrong_password_leaves_the_users_own_login_alone(rollback: Command, fleet: Sandbox) -> None:
    rollback.line("rollback get --repo=repo1,repo2,repo3 --env=master")
    own = Path(rollback.variables["DCOS_DIR"])
    before, logins = running(fleet), {str(f): f.read_bytes() for f in own.rglob("*") if f.is_file()}

    said = rollback.line(f"rollback run --date=2026-11-12 --env=prod --user={fleet.user} --pwd=wr0ng")

    assert (said.code, said.out.split(":")[0]) == (3, "REFUSED")
    assert "login" in said.err
    assert "wr0ng" not in said.err
    assert running(fleet) == before
    assert {str(f): f.read_bytes() for f in own.rglob("*") if f.is_file()} == logins


def test_no_child_sees_a_secret_on_its_command_line(
    rollback: Command, fleet: Sandbox, slack: tuple[str, list[str]], tmp_path: Path, part: Callable[[str], str]
) -> None:
    log, recorder = tmp_path / "calls", tmp_path / "bin" / "dcos"
    recorder.parent.mkdir()
    recorder.write_text(
        "#!/bin/sh\n"
        f"tr '\\0' '\\n' < /proc/$$/cmdline >> {log}; tr '\\0' '\\n' < /proc/$PPID/cmdline >> {log}\n"
        f'exec {part("dcos")} "$@"\n'
    )
    recorder.chmod(0o755)
    (tmp_path / "pwd").write_text(SECRET)
    rollback.line("rollback get --repo=repo1,repo2,repo3 --env=master")

    ran = rollback(
        "run", "--date=2026-11-12", "--env=prod", f"--user={fleet.user}", f"--pwd-file={tmp_path / 'pwd'}", "--debug",
        PATH=f"{recorder.parent}:{rollback.variables['PATH']}", ROLLBACK_SLACK=slack[0],
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert "auth\nlogin" in log.read_text()
    assert "app\nupdate" in log.read_text()
    told = "".join((ran.out, ran.err, log.read_text(), *texts(rollback.folder)))
    assert SECRET not in told
    assert "hook-secret" not in told


def texts(folder: Path) -> list[str]:
    """Every file below a folder."""
    return [file.read_text() for file in folder.rglob("*") if file.is_file()]


def test_a_tag_that_moves_is_brought_back_by_digest_through_dcos(
    rollback: Command, fleet: Sandbox, registry: str
) -> None:
    login = (f"--user={fleet.user}", "--pwd=-")
    real.push_image(registry, "moves", "1-master", "2026-01-01T12:00:00Z", config={"author": "1"})
    ran = real.push_image(registry, "moves", "latest-master", "2026-01-02T12:00:00Z", config={"author": "2"})
    host = registry.partition("//")[2]
    whole = definition("moves", "prod", f"{host}/moves:latest-master")
    fleet.fleet.install(whole, fleet.story.now - timedelta(hours=1))

    got = rollback("get", "--repo=moves", "--env=prod", "--basis=auto", *login, stdin=fleet.password)
    held = json.loads((rollback.folder / "rollback.json").read_text())
    done = rollback("run", "--date=2026-01-01", "--env=prod", "--yes", *login, stdin=fleet.password)
    real.push_image(registry, "moves", "latest-master", "2026-01-03T12:00:00Z", config={"author": "3"})
    undone = rollback("undo", "--yes", *login, stdin=fleet.password)

    assert (got.code, done.code, undone.code) == (0, 0, 0), got.err + done.err + undone.err
    (remembered,) = held["deployed"]
    assert (remembered["app"], remembered["tag"]) == ("/ds/prod/shop/moves", "latest-master")
    assert not remembered["certain"]  # the tag may have named another image then
    assert "is not remembered" in " ".join(done.err.split())
    now = definitions(fleet)["/ds/prod/shop/moves"]["container"]["docker"]["image"]
    assert now == f"{host}/moves:latest-master@{ran}"
