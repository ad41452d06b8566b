"""The tool comes from a checkout, a wheel, an index or one file, and nothing stays of an installation that failed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci_integrations.conftest import ANSIBLE, OFFLINE, Playbook
from tests.ci_integrations.scenario import REPOS, Scene

QUICK = [*OFFLINE, "--no-compile"]  # what pip compiles is more than a step or two ever import
NO_INDEX = json.dumps({"rollback_pip_extra_args": QUICK})


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    """The checkout as a wheel, built as the role packs it: aside."""
    folder = tmp_path_factory.mktemp("wheel")
    packed = folder / "rollback.tar.gz"
    for words in (
        [ANSIBLE / "roles/rollback/files/pack.py", checkout, packed],
        ["-m", "pip", "wheel", "--quiet", "--no-deps", *OFFLINE, f"--wheel-dir={folder}", packed],
    ):
        subprocess.run([sys.executable, *words], check=True, timeout=400)
    (found,) = folder.glob("*.whl")
    return found


def test_a_checkout_is_installed_once_and_stays_as_it_is(
    newest: Playbook, scene: Scene, tmp_path: Path, checkout: Path
) -> None:
    before = sorted(path for path in checkout.rglob("*"))
    options = ("--tags", "get", "-e", NO_INDEX)

    first = newest(*options, repo=REPOS, rollback_package=str(checkout), rollback_cache=str(tmp_path / "cache"))
    second = newest(*options, repo=REPOS, rollback_package=str(checkout), rollback_cache=str(tmp_path / "cache"))

    assert first.code == 0, first.said
    assert second.code == 0, second.said
    assert "TASK [rollback : Bring the package]" in first.said
    assert "TASK [rollback : Bring the package]" not in second.said
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert sorted(path for path in checkout.rglob("*")) == before


def test_a_tool_whose_interpreter_is_gone_is_installed_again(
    newest: Playbook, scene: Scene, tmp_path: Path, wheel: Path
) -> None:
    cache = tmp_path / "cache"
    options = ("-e", NO_INDEX, "-e", f"rollback_package={wheel}", "-e", f"rollback_cache={cache}")
    first = newest("--tags", "install", *options)
    (python,) = cache.glob("*/env/bin/python")
    python.unlink()
    python.symlink_to("/usr/bin/python3.gone")

    second = newest("--tags", "get", *options, repo=REPOS)

    assert first.code == 0, first.said
    assert second.code == 0, second.said
    assert len(list(cache.iterdir())) == 1


def test_a_wheel_is_installed_and_removed_again(oldest: Playbook, scene: Scene, tmp_path: Path, wheel: Path) -> None:
    played = oldest(
        *("--tags", "get", "-e", NO_INDEX, "-e", '{"rollback_keep_tool": false}'),
        repo=REPOS,
        rollback_package=str(wheel),
        rollback_cache=str(tmp_path / "cache"),
    )

    assert played.code == 0, played.said
    assert (scene.dump / "rollback.json").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_index_is_asked_by_name_and_conda_makes_the_environment(
    newest: Playbook, scene: Scene, tmp_path: Path, wheel: Path
) -> None:
    """Conda cannot be had where this was written: a stand-in takes its words and makes an environment with venv."""
    conda = tmp_path / "conda"
    conda.write_text(
        f"#!{sys.executable}\nimport sys, venv\n"
        "assert sys.argv[1:5] == ['create', '--yes', '--quiet', '--prefix'], sys.argv\n"
        "assert sys.argv[6:] == ['python=3.12', 'pip'], sys.argv\n"
        "venv.create(sys.argv[5], with_pip=True)\n"
    )
    conda.chmod(0o755)
    arguments = json.dumps({"rollback_pip_extra_args": [*QUICK, f"--find-links={wheel.parent}"]})

    played = newest(
        *("--tags", "get", "-e", arguments),
        repo=REPOS,
        rollback_package="fleet-rollback",
        rollback_env_manager="conda",
        rollback_conda=str(conda),
        rollback_cache=str(tmp_path / "cache"),
    )

    assert played.code == 0, played.said
    assert (scene.dump / "rollback.json").exists()


def test_an_installation_that_fails_leaves_nothing(newest: Playbook, scene: Scene, tmp_path: Path) -> None:
    played = newest(
        *("--tags", "get", "-e", NO_INDEX),
        repo=REPOS,
        rollback_package="no-such-package-here==1",
        rollback_cache=str(tmp_path / "cache"),
    )

    assert played.code != 0
    assert "no-such-package-here" in played.said
    assert list((tmp_path / "cache").iterdir()) == []
    assert not (scene.dump / "rollback.json").exists()
