"""What every test may rely on: a home of its own, sockets to loopback alone, real parts or a reason."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.preforked import preforked

pytest_plugins = ["tests.support.kubernetes.fixtures", "tests.support.no_skips"]

_USER_SETTINGS = ("ROLLBACK_", "DCOS_", "XDG_", "DOCKER_", "REGISTRY_", "BUILD_", "KUBE")
# No deadline for hypothesis anywhere: the machine may be busy with something else.
settings.register_profile("usual", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
# For another Python: whether the code runs there is the question, and not whether it is right.
settings.register_profile("few", settings.get_profile("usual"), max_examples=20)
settings.load_profile("usual")
PARTS = Path(__file__).parent.parent / ".parts"  # what `.ci/parts` installs: programs that tests use as they are


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary home, and none of the caller's settings."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_USER_SETTINGS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def part() -> Callable[[str], str]:
    """Find a real component by its program's name, first in `.parts/bin`, then on PATH.

    On a user's machine a test without its component is skipped and says so; on CI that is a failure (`no_skips`).
    """

    def find(program: str) -> str:
        found = shutil.which(program, path=f"{PARTS / 'bin'}{os.pathsep}{os.environ['PATH']}")
        if found:
            return found
        pytest.skip(f"{program} is not on this machine; `make integration` installs it")

    return find


@pytest.fixture(scope="session")
def forked_dcos(part: Callable[[str], str]) -> Iterator[str]:
    """The real `dcos` 0.6.1, loaded once and forked for each call, where the call matters and not its start."""
    installed = Path(part("dcos")).resolve()
    commands = ("auth", "cluster", "config", "marathon")
    modules = ["dcoscli.main", *(f"dcoscli.{command}.main" for command in commands)]
    with preforked(installed, str(installed.with_name("python")), modules) as program:
        yield program
