"""A value that cannot be read is refused before anything is contacted: here nothing could be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rollback import cli
from rollback.config import usage

NOBODY = "http://127.0.0.1:9"  # whoever contacts it fails with another exit code
SETTINGS = (
    f"registry: {{url: '{NOBODY}'}}\ntarget: marathon\ntargets: {{marathon: {{kind: marathon, url: '{NOBODY}'}}}}\n"
)
HISTORY = {"all": ["shop/billing"], "rollbacks": {"2026-11-20": [{"1.8.0-master": "shop/billing"}]}}
GET = "get --repo=shop/billing --env=prod"
PLAN = "plan --date=2026-11-20 --env=prod"
RUN = "run --date=2026-11-20 --env=prod"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rollback.yaml").write_text(SETTINGS)
    (tmp_path / "rollback.json").write_text(json.dumps(HISTORY))


@pytest.mark.parametrize("line", ["history", "history --json", "history --env=prod", "history --html=page.html"])
def test_a_command_reads_no_option_that_it_does_not_have(line: str) -> None:
    assert cli.main(line.split()) == 0


def test_every_option_that_a_command_reads_is_in_its_usage() -> None:
    known = usage.read(cli.__doc__ or "").commands
    for name, command in known.items():
        source = (Path(cli.__file__).parent / "commands" / f"{name}.py").read_text()
        read = set(re.findall(r'options\["(--[a-z-]+|<[a-z]+>)"\]', source))
        assert read <= {*command.options, *command.places}, name


@pytest.mark.parametrize("line", [GET, PLAN, RUN])
def test_without_a_mistake_it_is_the_address_that_fails(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{GET} --last=none", "--last: 'none' is not a count"),
        (f"{GET} --date=someday", "'someday'"),
        (f"{GET} --target=nowhere", "no target called 'nowhere'"),
        (f"{GET} --html=.", "--html: . is a folder"),
        (f"{GET} --config=missing.yaml", "missing.yaml"),
        ("get --repo=Shop --env=prod", "'Shop' is not a repository"),
        ("get --repo=shop/billing --env=", "'' is not the name of an environment"),
        (f"{PLAN} --max-age=old", "--max-age: 'old' is not a duration"),
        (f"{PLAN} --timeout=long", "--timeout: 'long' is not a number of seconds"),
        (f"{PLAN} --on-failure=cry", "--on-failure: 'cry'"),
        (f"{PLAN} --out=.", "--out: . is a folder"),
        (f"{RUN} --freeze=hard", "--freeze: 'hard' is not a duration"),
        (f"{RUN} --target=nowhere", "no target called 'nowhere'"),
        (f"{RUN} --max-age=old", "--max-age: 'old' is not a duration"),
        (f"{RUN} --pwd-file=missing --user=ann", "missing"),
        (f"{RUN} --slack=nonsense", "webhook"),
        ("undo --timeout=long", "--timeout: 'long' is not a number of seconds"),
        ("check --env=prod --image=shop/billing", "has neither a tag nor a digest"),
        ("check --env=prod --image=Shop:1", "is not an image reference"),
        ("check --env=prod --target=nowhere", "no target called 'nowhere'"),
        ("thaw --env=prod --target=nowhere", "no target called 'nowhere'"),
        ("history abc --html=x.html", "--html shows all runs"),
        ("sandbox --port=http", "--port: 'http' is not a port"),
        ("completion ksh", "no completion for 'ksh'"),
    ],
)
def test_a_wrong_value_is_refused_first(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line.split()) == 2

    said = capsys.readouterr().err
    assert told in said
    assert "next:" in said
    assert "127.0.0.1:9" not in said
