"""`rollback`, which kills itself at a step: before or after a line of its record, or a request that writes.

    python -m tests.integration.kubernetes.killed_command STEP run --date=… --env=…

Steps are counted from 1. A run that has fewer of them goes on to its end.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from rollback import cli
from rollback.state.journal import Journal
from rollback.targets.kubernetes.api import KubernetesApi


class Steps:
    """Counts steps and ends this process at one of them, as `kill -9` does."""

    def __init__(self, last: int) -> None:
        self._left = last
        self._lock = threading.Lock()

    def step(self) -> None:
        """Count one."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method with a step before it and one after it; a dry run is none."""

        @functools.wraps(method)
        def counted(*args: Any, **options: Any) -> Any:
            if options.get("dry_run"):
                return method(*args, **options)
            self.step()
            result = method(*args, **options)
            self.step()
            return result

        return counted


def main(last: str, *words: str) -> int:
    """Carry out a command of `rollback` up to a step."""
    steps = Steps(int(last))
    for owner, name in (
        (Journal, "_append"),
        (KubernetesApi, "patch"),
        (KubernetesApi, "create"),
        (KubernetesApi, "delete"),
    ):
        setattr(owner, name, steps.around(getattr(owner, name)))
    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
