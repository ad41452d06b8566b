"""What a request says of itself: the way to undo it, for the place that it was started from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollback.config.settings import Settings
from rollback.secret import Secret
from rollback.workflow import context
from rollback.workflow.run_request import RunRequest, policy

REQUEST = RunRequest(
    kind="run",
    config=Settings(),
    dump=Path(),
    policy=policy(Settings()),
    slack=Secret(""),
    by="alice",
    undo_options=("--dump=/srv/our dumps",),
)


def test_from_a_shell_it_is_the_undo_command_quoted() -> None:
    assert REQUEST.undo_line("r1") == "rollback undo --run=r1 '--dump=/srv/our dumps'"


def test_from_elsewhere_it_is_what_that_place_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBACK_UNDO_HINT", "press the button\x1b[2J\nwith RUN={run}, {not this}")

    request = replace(REQUEST, undo_template=context.undo_template())

    assert request.undo_line("r1") == "press the button [2J with RUN=r1, {not this}"


def test_without_a_place_that_says_so_there_is_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROLLBACK_UNDO_HINT", raising=False)

    assert context.undo_template() == ""
