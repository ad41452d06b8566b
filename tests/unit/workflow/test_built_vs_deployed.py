"""A plan by when images were built says where the target remembers something else, and what it did not reach."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any, cast

from rollback.core import plan
from rollback.core.apps import Container
from rollback.core.deployed import ConfiguredImages
from rollback.core.image import Basis
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Plan
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.targets.base import Target
from rollback.workflow.built_vs_deployed import MemoryComparison
from tests.support.image_factory import HOST, PROD, app, built, day_of, image, runs

DAY = "2026-11-18"
SINCE = Instant.parse("2026-11-10T12:00:00Z")


@dataclass
class Memory:
    """Remembers a tag for each service; an error is raised, None is a memory that does not reach so far.

    Attributes:
        tags: by service.
        gate: closed, nobody gets an answer.
        queried: services, in the order of the calls.
        most_at_once: how many calls were under way together.
        busy: set once that are four.
    """

    tags: dict[str, str | TargetError | None]
    until: Instant | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    queried: list[str] = field(default_factory=list)
    most_at_once: int = 0
    busy: threading.Event = field(default_factory=threading.Event)
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def image_at(self, app_id: str, moment: Instant) -> ConfiguredImages | None:
        service = app_id.rpartition("/")[2]
        with self._lock:
            self.queried.append(service)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            if self._now == 4:
                self.busy.set()
        self.gate.wait(60)
        with self._lock:
            self._now -= 1
        assert str(moment).startswith(f"{DAY}T23:59:59")
        tag = self.tags[service]
        if isinstance(tag, TargetError):
            raise tag
        image = f"{HOST}/shop/{service}:{tag}"
        return ConfiguredImages(app_id, (Container("", image),), SINCE, self.until) if tag else None


def planned(*services: str, **now: str) -> Plan:
    """Every service would go from 3 to 2, except where `now` says what it runs."""
    history = built([image(f"shop/{one}:{n}-master", f"2026-11-{14 + 2 * n}") for one in services for n in (1, 2, 3)])
    apps = [app(one, runs(f"shop/{one}:{now.get(one, '3-master')}")) for one in services]
    return plan.build(select(history, day_of(DAY)), apps, PROD, "marathon at m", Rules())


def told(made: Plan, memory: Any) -> tuple[str, ...]:
    return MemoryComparison(made, cast(Target, memory), 600, clock=lambda: 0.0).warnings()


def opened(**tags: str | TargetError | None) -> Memory:
    memory = Memory(dict(tags))
    memory.gate.set()
    return memory


def test_a_difference_names_the_date_both_images_and_who_remembers_it() -> None:
    warnings = told(planned("web", "cart"), opened(web="2.1-master", cart="2-master"))

    assert warnings == ("on 2026-11-18 web was configured with 2.1-master (marathon at m); this plan takes 2-master",)


def test_an_app_that_stays_the_same_is_compared_too_and_after_those_that_change() -> None:
    memory = opened(a="1-master", b="2-master", c="2-master", d="2-master", e="2-master")

    warnings = told(planned("a", "b", "c", "d", "e", a="2-master"), memory)

    assert memory.queried[-1] == "a"
    assert warnings == ("on 2026-11-18 a was configured with 1-master (marathon at m); this plan takes 2-master",)


def test_an_uncertain_moment_is_called_so() -> None:
    memory = opened(web="2.1-master")
    memory.until = Instant.parse("2026-11-10T12:05:00Z")

    assert "2.1-master (marathon at m, uncertain)" in told(planned("web"), memory)[0]


def test_what_was_not_compared_is_named_with_the_reason() -> None:
    memory = opened(web=None, cart=TargetError("no", why="HTTP 403 Forbidden"), billing="2-master")

    assert told(planned("web", "cart", "billing"), memory) == (
        "not compared with what ran: web (the target does not remember that date); "
        "cart (the target cannot be queried: HTTP 403 Forbidden)",
    )


def test_a_plan_that_was_compared_before_keeps_its_differences_once_and_loses_what_was_not_compared_then() -> None:
    made = planned("web", "cart")
    difference = "on 2026-11-18 web was configured with 2.1-master (marathon at m); this plan takes 2-master"
    gone = "on 2026-11-18 cart was configured with 1.9-master (marathon at m); this plan takes 2-master"
    made = replace(made, warnings=("mind", difference, gone, "not compared with what ran: web (no answer in time)"))

    comparison = MemoryComparison(made, cast(Target, opened(web="2.1-master", cart=None)), 600, clock=lambda: 0.0)

    assert comparison.noted() == (
        "mind",
        difference,
        gone,
        "not compared with what ran: cart (the target does not remember that date)",
    )


def test_when_the_time_is_up_nobody_waits_any_longer() -> None:
    services = [f"s{number}" for number in range(9)]
    memory, seconds = Memory(dict.fromkeys(services, "2.1-master")), [0.0]
    comparison = MemoryComparison(planned(*services), cast(Target, memory), 600, clock=lambda: seconds[0])
    assert memory.busy.wait(60)

    seconds[0] = 10.0
    warnings = comparison.warnings()
    memory.gate.set()

    assert warnings == (f"not compared with what ran: {', '.join(services)} (no answer in time)",)
    assert memory.most_at_once == 4


def test_nothing_is_queried_where_there_is_nothing_to_compare() -> None:
    memory = opened(web="1-master")
    made = planned("web")

    for one in (replace(made, basis=Basis.DEPLOYED), replace(made, until=None), replace(made, steps=())):
        assert told(one, memory) == ()
    assert told(made, object()) == ()
    assert memory.queried == []
