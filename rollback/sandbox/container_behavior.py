"""How the containers of an image behave once they are started; attached to image references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from rollback.core.image_reference import Reference
from rollback.errors import BadInput


class ContainerOutcome(str, Enum):
    """What becomes of a container."""

    RUNS = "runs"  # comes up, passes its checks, stays
    CRASHES = "crashes"  # exits before it counts as running
    DIES = "dies"  # runs for `lasts_s`, then exits with an error
    UNHEALTHY = "unhealthy"  # runs and fails its health checks
    SICKENS = "sickens"  # runs, passes its checks, and fails them after `lasts_s`
    NEVER_READY = "never-ready"  # runs, is healthy, and its readiness check never passes
    UNPULLABLE = "unpullable"  # its image cannot be pulled
    NO_OFFERS = "no-offers"  # no agent has room for it, so it is never started


@dataclass(frozen=True)
class ContainerBehavior:
    """What containers of one image do. All durations are seconds at speed 1.

    Attributes:
        fate: what becomes of them.
        start_s: from the launch until it runs (or fails): pull and start.
        ready_s: from running until the first result of its checks.
        lasts_s: how long a container that `DIES` runs, and one that `SICKENS` stays healthy.
        drains_s: how long a container goes on after it was requested to stop.
        times: how many launches go this way, after which all is well; 0 for all of them.
    """

    fate: ContainerOutcome = ContainerOutcome.RUNS
    start_s: float = 0.7
    ready_s: float = 0.8
    lasts_s: float = 1.0
    drains_s: float = 0.3
    times: int = 0


class ContainerBehaviors:
    """Finds the behaviour of an image.

    Args:
        table: behaviours by image. A key may leave out the registry's host and the digest
            (`shop/billing:1.9.0-master`), and leading folders too (`billing:1.9.0-master`).
        pullable: whether a whole reference can be pulled; all can if it is not given.
    """

    def __init__(
        self, table: Mapping[str, ContainerBehavior] | None = None, pullable: Callable[[str], bool] = lambda _: True
    ) -> None:
        self._table = dict(table or {})
        self._pullable = pullable

    def attach(self, image: str, behavior: ContainerBehavior) -> None:
        """From now on containers of `image` that are launched behave so."""
        self._table[image] = behavior

    def of(self, image: str) -> ContainerBehavior:
        """The behaviour of a whole image reference: the most exact key wins."""
        if not self._pullable(image):
            return ContainerBehavior(ContainerOutcome.UNPULLABLE)
        for name in _names(image):
            if name in self._table:
                return self._table[name]
        return ContainerBehavior()


def _names(image: str) -> list[str]:
    """What an image may be called, most exact first."""
    try:
        reference = Reference.parse(image)
    except BadInput:
        return [image]
    ends = [f":{reference.tag}"] if reference.tag else []
    ends += [f"@{reference.digest}"] if reference.digest else []
    parts = reference.path.split("/")
    paths = ["/".join(parts[start:]) for start in range(len(parts))]
    return [image, *(f"{path}{end}" for path in paths for end in ends)]
