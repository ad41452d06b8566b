"""`rollback doctor`: every line says how it is, and what to do about it."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rollback.sandbox.launcher import Sandbox
from tests.e2e.command import Command, Said
from tests.e2e.conftest import settings, written


def findings(said: Said) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    for one in json.loads(said.out):
        found.setdefault(one["about"], []).append((one["level"], one["told"], one["next"] or ""))
    return found


def test_where_all_is_well_it_says_so_and_changes_nothing(offered: Command, sandbox: Sandbox) -> None:
    before = sorted(path.name for path in offered.folder.iterdir())

    said = offered("doctor")

    assert said.code == 0, said.out
    assert said.out.splitlines()[-1] == "All is well."
    assert "4 services, 10 dates" in said.out
    assert "each of 4 services has its apps in prod (4 in all)" in said.out
    assert "if there are more users or machines, set shared_state: target in the settings" in said.out
    assert written(sandbox) == []
    assert sorted(path.name for path in offered.folder.iterdir()) == before


def test_it_says_where_the_settings_come_from(offered: Command) -> None:
    found = findings(offered("doctor", "--json", ROLLBACK_TARGET="marathon"))

    assert any(str(offered.folder / "rollback.yaml") in told for _, told, _ in found["settings"])
    assert any("ROLLBACK_TARGET" in told for _, told, _ in found["settings"])


def test_mistakes_in_the_settings_are_named_with_their_lines(offered: Command) -> None:
    (offered.folder / "rollback.yaml").write_text("regstry: {}\nrun: {parallel: many}\n")

    found = findings(offered("doctor", "--json"))

    level, told, _ = found["settings"][0]
    assert level == "fail"
    assert "line 1: regstry" in told
    assert "line 2: run.parallel" in told


def test_a_registry_that_is_not_there_fails_and_the_rest_is_still_looked_at(offered: Command) -> None:
    said = offered("doctor", "--json", "--registry=http://127.0.0.1:9")

    found = findings(said)
    assert said.code == 1
    assert [level for level, _, _ in found["registry"]] == ["fail"]
    assert found["target"][0][0] == "ok"


def test_a_wrong_password_fails_at_the_target_and_is_never_shown(offered: Command) -> None:
    said = offered("doctor", "--user=oncall", "--pwd=-", stdin="a-wrong-password\n")

    assert said.code == 1
    assert "fail  target" in said.out
    assert "a-wrong-password" not in said.out + said.err


def test_the_right_password_is_said_to_be_whose(offered: Command) -> None:
    said = offered("doctor", "--user=oncall", "--pwd=-", stdin="rehearsal\n")

    assert said.code == 0, said.out
    assert "as oncall" in said.out


def test_a_service_without_its_app_fails_with_the_line_that_resolves_it(offered: Command, sandbox: Sandbox) -> None:
    settings(offered.folder, sandbox, "apps: {billing: /nowhere/billing}\n")

    said = offered("doctor")

    assert said.code == 1
    assert "the settings name the app /nowhere/billing" in said.out
    assert "next: correct the line in the settings" in said.out


def test_without_a_history_it_names_the_command_that_makes_one(rollback: Command) -> None:
    found = findings(rollback("doctor", "--json"))

    assert found["history"][0][0] == "warn"
    assert found["history"][0][2].startswith("rollback get")


def test_an_old_history_is_warned_of(offered: Command) -> None:
    path = offered.folder / "rollback.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "generated": "2026-01-01T00:00:00Z"}))

    found = findings(offered("doctor", "--json"))

    assert found["history"][0][0] == "warn"
    assert "make a new one" in found["history"][0][2]


def test_a_folder_that_cannot_be_written_fails(offered: Command) -> None:
    (offered.folder / "a-file").write_text("")  # a folder below a file: nobody can make one, root neither

    found = findings(offered("doctor", "--json", "--dump=a-file/below"))

    assert found["records"][0][0] == "fail"


def test_a_missing_dcos_fails_with_a_next_step(offered: Command, tmp_path: Path) -> None:
    found = findings(offered("doctor", "--json", "--target=dcos", PATH=str(tmp_path)))

    assert found["target"][0][0] == "fail"
    assert "install the DC/OS CLI" in found["target"][0][2]


def test_a_program_dcos_tells_its_version(offered: Command, tmp_path: Path) -> None:
    program = tmp_path / "dcos"
    program.write_text("#!/bin/sh\nprintf 'dcoscli.version=0.6.1\\ndcos.version=1.11.0\\n'\n")
    program.chmod(0o755)

    found = findings(offered("doctor", "--json", "--target=dcos", PATH=f"{tmp_path}:{os.environ['PATH']}"))

    assert found["dcos"][0][:2] == ("ok", f"{program}: dcoscli.version 0.6.1, dcos.version 1.11.0")


def test_the_webhook_is_named_by_its_host_alone(offered: Command) -> None:
    said = offered("doctor", ROLLBACK_SLACK="https://hooks.slack.com/services/T0/B0/hook-secret")

    assert "a webhook of hooks.slack.com is set" in said.out
    assert "hook-secret" not in said.out + said.err


@pytest.mark.parametrize(("ahead", "word"), [(timedelta(hours=1), "behind"), (timedelta(hours=-1), "ahead of")])
def test_a_clock_that_is_wrong_is_warned_of(offered: Command, ahead: timedelta, word: str) -> None:
    class Elsewhen(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(datetime.now(timezone.utc) + ahead, usegmt=True)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhen)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = findings(offered("doctor", "--json", f"--registry=http://127.0.0.1:{server.server_address[1]}"))
    finally:
        server.shutdown()
        server.server_close()

    level, told, hint = found["clock"][0]
    assert level == "warn"
    assert re.search(rf"60 min \d s {word}|59 min 5\d s {word}", told)
    assert "set the clock" in hint
