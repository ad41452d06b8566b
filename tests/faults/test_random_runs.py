"""Random stories: a few on every run of the tests, many by `make integration`, any by its seed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.program import set_up
from tests.faults import dcos_in_process
from tests.faults.random_run import RandomRun
from tests.faults.scenario import scene

_FEW = "1..6"
_EACH_DCOS = 5  # so many seeds have one that goes through `dcos`
_FIRST_DCOS = 4


def seeds() -> list[int]:
    """`RANDOM_SEEDS`: seeds and ranges of them, such as `1..200,4711`."""
    found: list[int] = []
    for part in os.environ.get("RANDOM_SEEDS", _FEW).split(","):
        first, _, last = part.partition("..")
        found += range(int(first), int(last or first) + 1)
    return found


# A kill is an exception here, and may come in a thread that only compares what the target remembers.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("seed", seeds())
def test_whatever_happens_the_verdict_is_true_and_undo_puts_back(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda _retry: 0)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # no power is cut here
    through_dcos = seed % _EACH_DCOS == _FIRST_DCOS
    if through_dcos:
        programs = tmp_path / "bin"
        programs.mkdir()
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("DCOS_DIR", str(tmp_path / "dot-dcos"))
        dcos_in_process.install(programs)
        monkeypatch.setattr("rollback.targets.dcos.program.process", dcos_in_process.processes())
    folder = tmp_path / "here"
    folder.mkdir()
    with scene(folder, target="dcos" if through_dcos else "marathon") as stage:
        if through_dcos:
            set_up(tmp_path / "dot-dcos", stage.sandbox.dcos_url, token="run-out")
        story = RandomRun(stage, seed)
        try:
            story.go()
        except BaseException as error:
            raise AssertionError(f"RANDOM_SEEDS={seed} pytest {__file__}\n{story.story()}") from error
