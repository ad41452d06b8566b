"""A plan by when images were built, compared with what the target remembers of that date.

Otherwise an image that was pushed and never deployed would be selected without a word, and an app would stay although
something else ran that day. The comparison is advice: it has little time, and what it does not reach is named.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import cast

from rollback.core import deployed
from rollback.core.deployed import ConfiguredImages
from rollback.core.image import Basis
from rollback.core.plan import Action, Plan, Step
from rollback.core.timestamps import Instant
from rollback.errors import RollbackError
from rollback.targets.base import Target
from rollback.targets.capabilities import ImageMemory

log = logging.getLogger(__name__)

_NOT_COMPARED = "not compared with what ran: "
LIMIT_S = 10.0  # seconds for all apps together
_AT_A_TIME = 4

_LATE = "no answer in time"
_UNREACHED = "the target does not remember that date"
_FAILED = "the target cannot be queried"


class MemoryComparison:
    """Queries the target in the background for what each app was configured with on a plan's date.

    The apps that would change come first, then those that are the same. Whatever is still under way when the time is
    up is left behind.

    Args:
        plan: the plan; one of an undo, or one that rests on what ran, is not compared.
        target: where; logged in, and its apps are read.
        timeout_s: how long a deployment may take, in seconds; see `ConfiguredImages.certain`.
        clock: seconds that only increase; what is not known after `LIMIT_S` of them is not compared.
    """

    def __init__(
        self, plan: Plan, target: Target, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._timeout_s = timeout_s
        self._clock = clock
        self._end = clock() + LIMIT_S
        self._found: dict[str, ConfiguredImages | str] = {}
        self._failure = ""  # the target's own words of the first one
        self._lock = threading.Lock()
        self._steps: tuple[Step, ...] = ()
        self._threads: list[threading.Thread] = []
        if plan.until is None or plan.basis is not Basis.BUILT or not hasattr(target, "image_at"):
            return
        found = [step for step in plan.steps if step.app and step.image and step.action is not Action.STAYS]
        self._steps = tuple(sorted(found, key=lambda step: step.action is not Action.CHANGE))
        waiting = deque(step.app.id for step in self._steps if step.app)
        memory, until = cast(ImageMemory, target), plan.until
        for _ in range(min(_AT_A_TIME, len(waiting))):
            thread = threading.Thread(target=self._work, args=(waiting, memory, until), daemon=True)
            thread.start()
            self._threads.append(thread)

    def noted(self) -> tuple[str, ...]:
        """The plan's warnings and those of this comparison; of an earlier one, the differences that it found."""
        earlier = (warning for warning in self._plan.warnings if not warning.startswith(_NOT_COMPARED))
        return tuple(dict.fromkeys((*earlier, *self.warnings())))

    def warnings(self) -> tuple[str, ...]:
        """Every difference, and one line for what was not compared; waits for the rest of the time at most."""
        for thread in self._threads:
            thread.join(max(self._end - self._clock(), 0))
        with self._lock:
            found, failure = dict(self._found), self._failure
        differences: list[str] = []
        not_compared: dict[str, list[str]] = {}
        for step in self._steps:
            then = found.get(step.app.id if step.app else "", _LATE)
            if isinstance(then, str):
                not_compared.setdefault(then, []).append(step.service)
            elif not _agrees(step, then):
                differences.append(self._difference(step, then))
        reasons = {_FAILED: f"{_FAILED}: {failure}" if failure else _FAILED}
        rest = "; ".join(f"{', '.join(names)} ({reasons.get(why, why)})" for why, names in not_compared.items())
        return (*differences, *((f"{_NOT_COMPARED}{rest}",) if rest else ()))

    def _difference(self, step: Step, then: ConfiguredImages) -> str:
        had = deployed.of_repo(step.repo, [then], self._timeout_s)
        name = (had[0].tag or had[0].digest[:19]) if had else ", ".join(part.image for part in then.containers)
        doubt = "" if then.certain(self._timeout_s) else ", uncertain"
        return (
            f"on {self._plan.as_of} {step.service} was configured with {name or 'no image'} "
            f"({self._plan.target}{doubt}); this plan takes {step.image.tag if step.image else '-'}"
        )

    def _work(self, waiting: deque[str], memory: ImageMemory, until: Instant) -> None:
        while self._clock() < self._end:
            try:
                app_id = waiting.popleft()
            except IndexError:
                return
            then: ConfiguredImages | str
            try:
                then = memory.image_at(app_id, until) or _UNREACHED
            except RollbackError as error:
                log.debug("what %s was configured with is not known: %s", app_id, error.why or error.what)
                then = _FAILED
                with self._lock:
                    self._failure = self._failure or error.why or error.what
            except Exception as error:  # noqa: BLE001 - left behind, it may find the target closed; nobody waits for it
                log.debug("what %s was configured with is not known: %r", app_id, error)
                then = _FAILED
            with self._lock:
                self._found[app_id] = then


def _agrees(step: Step, then: ConfiguredImages) -> bool:
    """Whether an app was configured with the image that the plan has for it."""
    had = deployed.of_repo(step.repo, [then], 0)
    if not had or not step.image:
        return False
    digest = had[0].digest
    return digest == step.image.digest if digest and step.image.digest else had[0].tag in step.image.tags
