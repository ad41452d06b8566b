"""Whatever is wrong: a clear message, the right exit code, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback.sandbox.launcher import Sandbox, serving
from tests.contract.program import set_up
from tests.e2e.command import Command, Said, free_port
from tests.e2e.conftest import QUICK, REPOS, SPEED, definitions, settings, written


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One for all, since nothing may change in it."""
    with serving(speed=SPEED) as sandbox:
        yield sandbox


class Guarded:
    """The command, called so that any change of the fleet or of the files is found."""

    def __init__(self, command: Command, sandbox: Sandbox) -> None:
        self.command, self.sandbox = command, sandbox
        self.file = command.folder / "rollback.json"
        self.day = f"--date={sandbox.story.good_day}"

    def __call__(self, *words: str, code: int, told: str, **more: str) -> Said:
        fleet, requests, files = definitions(self.sandbox), written(self.sandbox), contents(self.command.folder)

        said = self.command(*words, **more)

        assert said.code == code, said
        assert said.out == "" or (code == 3 and said.out.startswith("REFUSED: ")), said
        assert told in said.err
        assert "Traceback" not in said.err
        assert "a mistake in this program" not in said.err
        assert "next:" in said.err
        assert definitions(self.sandbox) == fleet
        assert written(self.sandbox) == requests
        assert contents(self.command.folder) == files
        return said


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.fixture
def guarded(offered: Command, sandbox: Sandbox) -> Guarded:
    return Guarded(offered, sandbox)


@pytest.mark.parametrize(
    ("repo", "code", "told"),
    [
        ("shop/billing,shop/nowhere", 1, "shop/nowhere is not in"),
        ("", 2, "--repo names no repository"),
        (" , ,", 2, "--repo names no repository"),
        ("shop/billing,,shop/cart", 2, "'' is not a repository"),
        ("Shop/Billing", 2, "'Shop/Billing' is not a repository"),
        ("shop/billing:1.8.0", 2, "is not a repository"),
        ("../v2/_catalog", 2, "is not a repository"),
    ],
)
def test_get_of_a_wrong_repository_writes_nothing(guarded: Guarded, repo: str, code: int, told: str) -> None:
    guarded("get", f"--repo={repo}", "--env=prod", code=code, told=told)


def test_repositories_with_blanks_and_doubles_are_understood(guarded: Guarded) -> None:
    said = guarded.command("get", "--repo= shop/billing , shop/billing,shop/cart ", "--env=prod", "--json")

    assert said.code == 0
    assert said.json()["all"] == ["shop/billing", "shop/cart"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--env=../prod"], "--env"),
        (["--env="], "--env"),
        (["--env=prod", "--last=0"], "--last: '0'"),
        (["--env=prod", "--last=ten"], "--last: 'ten'"),
        (["--env=prod", "--config=nowhere.yaml"], "no settings file nowhere.yaml"),
        (["--env=prod", "--registry=ftp://x"], "it does not begin with https:// or http://"),
    ],
)
def test_get_with_a_wrong_option_writes_nothing(guarded: Guarded, words: list[str], told: str) -> None:
    guarded("get", f"--repo={REPOS}", *words, code=2, told=told)


def test_a_registry_that_is_down_is_named_and_no_missing_image(guarded: Guarded) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    files = contents(guarded.command.folder)

    # Both at once, since each asks again for a while.
    getting = guarded.command.start("get", f"--repo={REPOS}", "--env=prod", f"--registry={url}")
    running = guarded.command.start("run", guarded.day, "--env=prod", f"--registry={url}")
    (_, got), (_, ran) = getting.communicate(timeout=60), running.communicate(timeout=60)

    assert (getting.returncode, running.returncode) == (1, 3)
    assert url.partition("//")[2] in got
    assert "cannot be looked up" in ran
    assert "no longer in" not in ran
    assert written(guarded.sandbox) == []
    assert contents(guarded.command.folder) == files


def test_settings_with_mistakes_name_all_of_them(guarded: Guarded) -> None:
    (guarded.command.folder / "wrong.yaml").write_text("registri: {}\nrun: {timeout_s: soon}\n")

    said = guarded("plan", guarded.day, "--env=prod", "--config=wrong.yaml", code=2, told="line 1: registri")

    assert "line 2: run.timeout_s" in said.err


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "/proc/nowhere"])
def test_a_dump_folder_that_cannot_be_written_is_named(guarded: Guarded, place: str) -> None:
    (guarded.command.folder / "a-file").write_text("")

    guarded("get", f"--repo={REPOS}", "--env=prod", f"--dump={place}", code=1, told="cannot be written")


def edit(**members: Any) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), **members})


DAMAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "cut off": lambda text: text[: len(text) // 2],
    "no JSON": lambda _: "<html>404</html>",
    "a list": lambda _: "[]",
    "nested without end": lambda _: "[" * 200_000,
    "rollbacks of another type": edit(rollbacks=[1, 2]),
    "all of another type": edit(all={"a": 1}),
    "a hostile tag": edit(rollbacks={"2026-11-20": [{"1;$(reboot)-master": "shop/billing"}]}),
    "a hostile repository": edit(all=["../../etc/passwd"]),
    "a hostile zone": edit(timezone="../../../../etc/passwd"),
    "escape sequences": edit(registry="http://x\x1b]0;owned\x07"),
    "a registry that is no URL": edit(registry="file:///etc/passwd"),
    "a later schema": edit(schema=99),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_history_is_refused(guarded: Guarded, name: str) -> None:
    guarded.file.write_text(DAMAGES[name](guarded.file.read_text()))
    if name == "a registry that is no URL":  # which counts only where the settings name none
        (guarded.command.folder / "rollback.yaml").write_text(
            (guarded.command.folder / "rollback.yaml").read_text().partition("\n")[2]
        )

    said = guarded("run", guarded.day, "--env=prod", code=2, told="")

    assert "\x1b" not in said.err
    assert len(said.err) < 3000


def test_a_history_that_is_no_text_is_refused(guarded: Guarded) -> None:
    guarded.file.write_bytes(b"\xff\xfe\x00")

    guarded("run", guarded.day, "--env=prod", code=2, told="it is not UTF-8 text")


def test_a_missing_history_is_refused_with_the_way_to_make_it(guarded: Guarded) -> None:
    for words in (["--dump=elsewhere"], ["--dump=/nowhere/at/all"]):
        said = guarded("run", guarded.day, "--env=prod", *words, code=2, told="rollback.json cannot be read")
        assert "rollback get" in said.err


def test_a_date_that_is_not_offered_is_refused_naming_the_nearest(guarded: Guarded) -> None:
    dates = sorted(json.loads(guarded.file.read_text())["rollbacks"])

    said = guarded("run", "--date=2026-01-01", "--env=prod", code=3, told=f"the nearest date is {dates[0]}")
    assert "older than this history" in said.err
    guarded("run", "--date=2999-01-01", "--env=prod", code=3, told=f"the nearest date is {dates[-1]}")


@pytest.mark.parametrize(
    "date", ["", "next week", "20.11.2026", "2026-02-30", "2026-11-20T14:30", "--", "2026-11-20\n"]
)
def test_a_malformed_date_is_bad_input(guarded: Guarded, date: str) -> None:
    guarded("run", f"--date={date}", "--env=prod", code=2, told="--date")


def test_a_history_of_another_environment_is_refused(guarded: Guarded) -> None:
    guarded("run", guarded.day, "--env=stage", code=3, told="this history is of prod, not of stage")


def test_an_environment_that_the_target_does_not_know_is_refused(guarded: Guarded) -> None:
    path = guarded.command.folder / "rollback.yaml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("environments:")))
    guarded.command("get", f"--repo={REPOS}", "--env=premaster")

    guarded("run", "--date=" + next(iter(json.loads(guarded.file.read_text())["rollbacks"])), "--env=premaster",
            code=3, told="no app at all has a segment 'premaster'")  # fmt: skip


def test_a_service_without_its_app_is_refused(guarded: Guarded) -> None:
    (guarded.command.folder / "rollback.yaml").write_text(
        (guarded.command.folder / "rollback.yaml").read_text() + "apps: {billing: /ds/prod/shop/bilding}\n"
    )

    said = guarded("run", guarded.day, "--env=prod", code=3, told="/ds/prod/shop/bilding")

    assert "apps: {billing:" in said.err


def test_an_app_that_apps_leaves_out_is_named_and_refused_when_strict(guarded: Guarded) -> None:
    settings = guarded.command.folder / "rollback.yaml"
    settings.write_text(settings.read_text() + 'apps: {cart: "/ds/{env}/shop/cart"}\n')
    fleet = guarded.sandbox.fleet
    twin = {**fleet.apps["/ds/prod/shop/cart"].definition, "id": "/ds/prod/shop/cart-idle"}
    fleet.install(twin, guarded.sandbox.story.now)
    try:
        said = guarded("run", guarded.day, "--env=prod", "--strict", code=3, told="/ds/prod/shop/cart-idle")
    finally:
        del fleet.apps["/ds/prod/shop/cart-idle"]

    assert "not in apps:" in said.err
    assert "apps: {cart: " in said.err


def test_ids_at_another_depth_are_found_by_the_pattern_of_the_settings(guarded: Guarded) -> None:
    settings(guarded.command.folder, guarded.sandbox, 'app_id: "/{env}/{service}"\n')

    said = guarded("run", guarded.day, "--env=prod", code=3, told="cart: no app of prod runs shop/cart")

    assert said.err.count("no app of prod runs") == 4


def test_a_wrong_password_is_refused(guarded: Guarded) -> None:
    folder, sandbox = guarded.command.folder, guarded.sandbox
    settings(folder, sandbox)
    text = (folder / "rollback.yaml").read_text()
    (folder / "rollback.yaml").write_text(text.replace(sandbox.marathon_url, sandbox.service_url))

    said = guarded("run", guarded.day, "--env=prod", f"--user={sandbox.user}", "--pwd=wr0ng", code=3, told="login")

    assert "wr0ng" not in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--user=oncall"], "no password"),
        (["--pwd=x"], "no user"),
        (["--pwd=-"], "standard input"),
        (["--user=oncall", "--pwd-file=nowhere"], "cannot be read from nowhere"),
        (["--target=bogus"], "no target called 'bogus'"),
        (["--only=bogus"], "no service 'bogus'"),
        (["--skip=bogus"], "no service 'bogus'"),
        (["--on-failure=panic"], "--on-failure: 'panic'"),
        (["--timeout=soon"], "--timeout: 'soon'"),
        (["--timeout=nan"], "--timeout: 'nan'"),
        (["--timeout=0"], "--timeout: '0'"),
        (["--max-age=old"], "--max-age"),
        (["--freeze=long"], "--freeze"),
    ],
)
def test_wrong_options_of_run_are_bad_input(guarded: Guarded, words: list[str], told: str) -> None:
    guarded("run", guarded.day, "--env=prod", *words, code=2, told=told)


def test_a_marathon_that_is_down_is_named(guarded: Guarded) -> None:
    address = f"127.0.0.1:{free_port()}"

    guarded("run", guarded.day, "--env=prod", code=1, told=address, ROLLBACK_MARATHON_URL=f"http://{address}")


def test_a_dcos_that_is_missing_is_named(guarded: Guarded) -> None:
    guarded("run", guarded.day, "--env=prod", "--target=dcos", code=1, told="dcos", PATH="/usr/bin:/bin")


def test_a_dcos_without_its_marathon_plugin_is_told(guarded: Guarded, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "dcos"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'Usage:'\necho '  dcos [flags] [command]'\n")
    program.chmod(0o755)
    set_up(tmp_path / "dot-dcos", guarded.sandbox.dcos_url, token="x")
    place = {"PATH": f"{program.parent}:/usr/bin:/bin", "DCOS_DIR": str(tmp_path / "dot-dcos")}

    said = guarded("run", guarded.day, "--env=prod", "--target=dcos", code=1, told="plug-in", **place)

    assert "dcos-core-cli" in said.err


def test_an_environment_that_only_apps_use_is_known_and_has_no_images_and_no_run(guarded: Guarded) -> None:
    config = guarded.command.folder / "rollback.yaml"
    configured = "environments: {dev: develop, stage: stage, preprod: premaster, prod: master}"
    assert configured in config.read_text()
    config.write_text(config.read_text().replace(configured, "environments: {live: release}"))
    of_live = guarded.file.read_text().replace('"prod"', '"live"')
    guarded.file.write_text(of_live.replace("-master", "-release").replace('"master"', '"release"'))

    guarded("plan", guarded.day, "--env=prod", code=3, told="there are no images of prod in this history")
    guarded("run", guarded.day, "--env=prod", code=3, told="only apps use it: /ds/prod/shop/")
    guarded("undo", "--env=prod", code=2, told="there is no run of prod to undo")
    for words in (["plan", guarded.day], ["run", guarded.day], ["undo"]):
        guarded(*words, "--env=nowhere", code=2, told="nor an app uses it; known are live (tags: release)")


def test_undo_without_a_terminal_needs_yes(guarded: Guarded) -> None:
    guarded("undo", code=2, told="there is no run to undo")
    guarded("undo", "--env=prod", code=2, told="there is no run of prod to undo")
    guarded("undo", "--env=nowhere", code=2, told="there is no environment 'nowhere'")
    assert guarded.command("run", guarded.day, "--env=prod", "--only=billing").code == 0
    try:
        fleet = definitions(guarded.sandbox)
        said = guarded.command("undo")
        assert (said.code, said.out.split(":")[0]) == (3, "REFUSED")
        assert "--yes" in said.err
        assert definitions(guarded.sandbox) == fleet
    finally:
        assert guarded.command("undo", "--yes").code == 0
        guarded.sandbox.front.seen.clear()


@pytest.mark.parametrize("run", ["20200101-000000-prod-abcd", "../../etc/passwd", "*"])
def test_a_run_that_is_not_there_is_bad_input(guarded: Guarded, run: str) -> None:
    for command in ("undo", "history"):
        guarded(command, f"--run={run}", code=2, told="there is no record of the run")


def test_a_registry_without_a_name_is_asked_for(guarded: Guarded) -> None:
    (guarded.command.folder / "rollback.yaml").write_text(f"target: dcos\n{QUICK}")

    guarded("get", f"--repo={REPOS}", "--env=prod", code=2, told="no registry is named")
