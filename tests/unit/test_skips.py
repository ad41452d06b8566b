"""On CI nothing is skipped in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support import no_skips

SKIPPED = {  # by what skips it: the lines of a module, and the reason that is shown
    "mark": ("@pytest.mark.skip(reason='for later')\ndef test_it(): pass", "for later"),
    "condition": ("@pytest.mark.skipif(True, reason='only root may')\ndef test_it(): pass", "only root may"),
    "fixture": ("@pytest.fixture\ndef part(): pytest.skip('no such part')\ndef test_it(part): pass", "no such part"),
    "test": ("def test_it(): pytest.skip('not here')", "not here"),
}
SKIPPED_MODULE = ("pytest.importorskip('no_such_library')\ndef test_it(): pass", "could not import 'no_such_library'")
NOT_SKIPPED = """
@pytest.mark.xfail(strict=True)
def test_a_known_fault(): assert False
@pytest.mark.xfail(run=False)
def test_a_known_hang(): assert False
def test_a_fault_found_meanwhile(): pytest.xfail("known")
def test_what_works(): pass
"""


def run_pytest(folder: Path, *, ci: bool) -> subprocess.CompletedProcess[str]:
    """Run a folder's tests with the plug-in alone, with none of this run's options."""
    environ = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rfEsx", "-p", "no:cacheprovider", "-p", no_skips.__name__, str(folder)],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(Path(__file__).parents[2]), **({"CI": "true"} if ci else {})},
        capture_output=True,
        text=True,
        timeout=120,
    )


def write(folder: Path, modules: Iterable[str]) -> None:
    """Modules of tests."""
    for number, text in enumerate(modules):
        (folder / f"test_{number}.py").write_text(f"import pytest\n{text}\n", encoding="utf-8")


def test_on_ci_a_skipped_test_fails_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, [*(text for text, _ in SKIPPED.values()), NOT_SKIPPED])

    done = run_pytest(tmp_path, ci=True)

    assert done.returncode == 1
    for _, reason in SKIPPED.values():
        assert f"skipped, and on CI no test may be: Skipped: {reason}" in done.stdout
    assert "1 failed, 1 passed, 3 xfailed, 3 errors" in done.stdout  # an error: before the test itself began


def test_on_ci_a_skipped_module_fails_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, [SKIPPED_MODULE[0]])

    done = run_pytest(tmp_path, ci=True)

    assert done.returncode == 2
    assert f"skipped, and on CI no test may be: Skipped: {SKIPPED_MODULE[1]}" in done.stdout


def test_elsewhere_it_is_skipped_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, [text for text, _ in (*SKIPPED.values(), SKIPPED_MODULE)])

    done = run_pytest(tmp_path, ci=False)

    assert "5 skipped" in done.stdout
    assert all(reason in done.stdout for _, reason in (*SKIPPED.values(), SKIPPED_MODULE))


def test_every_test_of_this_project_is_under_that_rule(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.is_registered(no_skips)
