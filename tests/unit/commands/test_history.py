"""`history --env` goes by the names of the settings, and a name that nothing uses is bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollback import cli
from rollback.state import record
from tests.support.records import past

LIVE = past("20261122-040512-live-1a2b", at="2026-11-22T04:05:12Z", env="live")
OLD = past("20261121-040512-old-1a2b", at="2026-11-21T04:05:12Z", env="old")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "readable", lambda _folder: iter((LIVE, OLD)))
    (tmp_path / "rollback.yaml").write_text("environments: {live: release, test: edge}\n")
    (tmp_path / "other.yaml").write_text("environments: {live: main}\n")


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["--env=live"], [LIVE]),
        (["--env=release"], [LIVE]),
        (["--env=main", "--config=other.yaml"], [LIVE]),
        (["--env=old"], [OLD]),  # not configured, and recorded
        (["--env=test"], []),
        ([], [LIVE, OLD]),
    ],
)
def test_either_name_of_the_settings_finds_its_runs(
    words: list[str], runs: list[record.Record], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["history", "--json", *words]) == 0

    assert [run["run"] for run in json.loads(capsys.readouterr().out)] == [run.header.run for run in runs]


def test_an_environment_without_runs_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["history", "--env=edge"]) == 0

    assert capsys.readouterr().out == "no runs of test yet\n"


def test_one_that_nothing_uses_is_bad_input_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["history", "--env=prod"]) == 2

    said = capsys.readouterr().err
    assert "there is no environment 'prod'" in said
    assert "known are live (tags: release), test (tags: edge), old" in said

    built = {"all": ["shop/web"], "rollbacks": {"2026-11-20": [{"1-prod": "shop/web"}]}}
    (tmp_path / "rollback.json").write_text(json.dumps(built))
    assert cli.main(["history", "--env=prod"]) == 0
