"""What the tests of the role and of the pipeline share: the single-file tool, a scene, ansible-playbook itself."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ci_integrations.scenario import Scene, playing
from tests.conftest import PARTS

CHECKOUT = Path(__file__).parent.parent.parent
ANSIBLE = CHECKOUT / "ansible"
WHEELS = PARTS / "wheels"
OFFLINE = ["--no-index", f"--find-links={WHEELS}"]


@dataclass(frozen=True)
class Played:
    """What came of one call of ansible-playbook: its exit code and all that it said."""

    code: int
    said: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, by the recap."""
        found = re.search(r"^localhost .*\bchanged=(\d+)", self.said, re.MULTILINE)
        assert found, self.said
        return int(found[1])


class Playbook:
    """Starts one version of ansible-playbook as the user does, in `ansible/` or wherever that person stands."""

    def __init__(self, program: str, scene: Scene, package: Path, cache: Path) -> None:
        self.program = program
        self._scene = scene
        self.package = package
        self.cache = cache

    def leftovers(self) -> list[Path]:
        """What the steps should have cleaned away in the folder that keeps the tool."""
        return [*self.cache.glob("new-*"), *self.cache.glob("step-*")]

    def __call__(
        self,
        *arguments: str,
        inventory: str | Path | None = "inventories/prod/hosts.ini",
        environ: Mapping[str, str] | None = None,
        folder: Path = ANSIBLE,
        **extra: str,
    ) -> Played:
        """Run the playbook.

        Args:
            arguments: such as `--tags`, `get`.
            inventory: what `-i` names; None to leave it out.
            environ: what the environment has besides PATH and HOME; the scene's secrets if it is not given.
            folder: where it is started.
            extra: extra variables, each given with `-e`.
        """
        variables = {
            "rollback_package": str(self.package),
            "rollback_cache": str(self.cache),
            "rollback_config": str(self._scene.settings),
            "dump_path": str(self._scene.dump),
            **extra,
        }
        words = [self.program, *(["-i", str(inventory)] if inventory else []), str(ANSIBLE / "rollback_service.yaml")]
        for name, value in variables.items():
            words += ["-e", f"{name}={value}"]
        words += arguments  # last, so that they win
        done = subprocess.run(
            words,
            cwd=folder,
            env={**surroundings(), **(self._scene.secrets() if environ is None else environ)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=400,
            check=False,
        )
        return Played(done.returncode, done.stdout.decode())


def surroundings() -> dict[str, str]:
    """The least that a program needs of an environment, with this test's home."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what can be installed, which nobody edits while the tests run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("rollback", "packaging"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, folder)
    return folder


@pytest.fixture(scope="session")
def pyz(tmp_path_factory: pytest.TempPathFactory, part: Callable[[str], str], checkout: Path) -> Path:
    """The tool in a single file, built by the first process of the tests that needs it."""
    part("ansible-playbook-newest")  # the wheels come from the same place
    # Each process of pytest-xdist has a folder of its own in one that they share.
    base = tmp_path_factory.getbasetemp()
    output = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pyz" / "rollback.pyz"
    output.parent.mkdir(exist_ok=True)
    with (output.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            subprocess.run(
                [sys.executable, checkout / "packaging" / "build_pyz.py", "--output", output, "--", *OFFLINE],
                check=True,
                timeout=400,
            )
    return output


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps the installed tool from test to test."""
    return tmp_path_factory.mktemp("cache") / "rollback-role"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with playing(tmp_path) as played:
        yield played


@pytest.fixture(params=["oldest", "newest"])
def playbook(
    request: pytest.FixtureRequest, part: Callable[[str], str], scene: Scene, pyz: Path, cache: Path
) -> Playbook:
    """The oldest and the newest ansible-core that the role works with."""
    return Playbook(part(f"ansible-playbook-{request.param}"), scene, pyz, cache)


@pytest.fixture
def newest(part: Callable[[str], str], scene: Scene, pyz: Path, cache: Path) -> Playbook:
    """The newest one alone, where the version can make no difference."""
    return Playbook(part("ansible-playbook-newest"), scene, pyz, cache)


@pytest.fixture
def oldest(part: Callable[[str], str], scene: Scene, pyz: Path, cache: Path) -> Playbook:
    """The oldest one alone."""
    return Playbook(part("ansible-playbook-oldest"), scene, pyz, cache)


@pytest.fixture
def history(scene: Scene) -> Path:
    """A rollback.json of prod, made without Ansible."""
    scene.dump.mkdir(mode=0o700)
    made = subprocess.run(
        [
            *(sys.executable, "-m", "rollback", "get", "--env=prod"),
            *("--repo=shop/billing,shop/cart,shop/catalog,shop/web", f"--dump={scene.dump}"),
            f"--config={scene.settings}",
        ],
        cwd=CHECKOUT,
        env=surroundings(),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return scene.dump / "rollback.json"
