"""A plan says of each change whether it leads back or forward in time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollback.core import plan
from rollback.core.direction import with_directions
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.output.json_report import plan_json
from rollback.output.text_report import plan_text
from tests.support.image_factory import HOST, PROD, app, built, day_of, digest, image, runs

HISTORY = built([image(f"shop/web:{n}-master", f"2026-11-1{n}") for n in range(1, 5)])


@pytest.mark.parametrize(
    ("reference", "direction", "shown"),
    [
        (runs("shop/web:3-master"), "back", "back"),
        (runs("shop/web:1-master"), "forward", "forward"),
        (f"{HOST}/shop/web:4-master", "back", "back"),
        (runs("shop/web:2-master"), "", "same"),
        (f"{HOST}/shop/web:other@{digest('unknown')}", "", "change"),
    ],
)
def test_a_row_says_in_which_direction_it_leads(reference: str, direction: str, shown: str) -> None:
    made = plan.build(select(HISTORY, day_of("2026-11-12")), [app("web", reference)], PROD, "m", Rules())

    found = with_directions(made, HISTORY)

    assert [step.direction for step in found.steps] == [direction]
    assert f" {shown} " in plan_text(found)
    assert plan_json(found, ())["steps"][0]["direction"] == (direction or None)


def test_where_the_history_does_not_say_it_a_row_keeps_its_direction() -> None:
    made = plan.build(
        select(HISTORY, day_of("2026-11-12")), [app("web", runs("shop/web:9-master"))], PROD, "m", Rules()
    )
    approved = replace(made, steps=tuple(replace(step, direction="back") for step in made.steps))

    assert [step.direction for step in with_directions(approved, HISTORY).steps] == ["back"]
