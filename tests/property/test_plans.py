"""Plans: only apps that fit as a whole are ever changed, whatever else runs beside them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rollback.core import plan
from rollback.core.apps import App
from rollback.core.image_reference import Reference
from rollback.core.image_selection import select
from rollback.core.matching import Rules
from rollback.core.plan import Action
from tests.support.image_factory import HOST, PROD, app, built, day_of, image

DAY = "2026-11-20"
SERVICES = ("billing", "cart", "web")
HELD = built([image(f"shop/{name}:1-master", DAY) for name in SERVICES])
CHOSEN = select(HELD, day_of(DAY))
REAL = {f"/ds/prod/shop/{name}" for name in SERVICES}

# Segments that look like the ones that count, put together at random: some ids are the real ones.
_segment = st.sampled_from(
    [
        "ds",
        "prod",
        "preprod",
        "prod-eu",
        "shop",
        "billing",
        "superbilling",
        "billing-api",
        "cart",
        "web",
        "Web",
        "1.0",
    ]
)
_ids = st.lists(_segment, min_size=1, max_size=6).map(lambda parts: "/" + "/".join(parts))


@st.composite
def fleets(draw: st.DrawFn) -> list[App]:
    ids = draw(st.lists(_ids | st.sampled_from(sorted(REAL)), max_size=12, unique=True))
    return [
        app(app_id, f"{HOST}/shop/{app_id.rpartition('/')[2].lower()}:{draw(st.sampled_from('12'))}-master")
        for app_id in ids
    ]


def fits(app_id: str) -> bool:
    """What the pattern /{department}/{env}/{project}/{service} means with any service, said without an expression."""
    parts = app_id.split("/")
    return len(parts) == 5 and parts[0] == "" and all(parts[1:]) and parts[2] == "prod"


def runs(one: App, repo: str) -> bool:
    return Reference.parse(one.image).path == repo


@given(fleets())
def test_every_app_of_the_environment_that_runs_the_image_is_in_the_plan_or_named(fleet: list[App]) -> None:
    made = plan.build(CHOSEN, fleet, PROD, "m", Rules(host=HOST))

    for name in SERVICES:
        repo = f"shop/{name}"
        mine = {one.id for one in fleet if fits(one.id) and runs(one, repo)}
        rows = {step.app.id for step in made.steps if step.app and step.repo == repo}
        assert rows == mine
        assert bool(mine) != any(reason.service == name for reason in made.reasons)
        others = {other.app for other in made.others if other.repo == repo}
        assert others == {one.id for one in fleet if runs(one, repo)} - mine
    assert len({step.service for step in made.steps}) == len(made.steps)


@given(fleets(), st.booleans())
def test_a_change_is_of_tag_and_digest_alone(fleet: list[App], pin: bool) -> None:
    made = plan.build(CHOSEN, fleet, PROD, "m", Rules(host=HOST, pin=pin))

    for change in made.changes:
        before, after = Reference.parse(change.app.image), Reference.parse(change.image)
        assert (before.host, before.path) == (after.host, after.path)
        assert (after.tag, bool(after.digest)) == ("1-master", pin)
        assert change.definition == change.app.definition


@given(st.data(), fleets())
def test_the_order_of_the_apps_is_irrelevant(data: st.DataObject, fleet: list[App]) -> None:
    first = plan.build(CHOSEN, fleet, PROD, "m", Rules(host=HOST))
    second = plan.build(CHOSEN, data.draw(st.permutations(fleet)), PROD, "m", Rules(host=HOST))

    assert first.steps == second.steps
    assert len(first.reasons) == len(second.reasons)


@given(fleets(), st.sets(st.sampled_from(SERVICES)), st.sets(st.sampled_from(SERVICES)))
def test_what_is_left_out_is_never_changed(fleet: list[App], only: set[str], skip: set[str]) -> None:
    made = plan.build(CHOSEN, fleet, PROD, "m", Rules(host=HOST, only=frozenset(only), skip=frozenset(skip)))

    changed = {step.repo.partition("/")[2] for step in made.steps if step.action is Action.CHANGE}
    assert changed <= (only or set(SERVICES)) - skip
    assert {reason.service for reason in made.reasons} <= (only or set(SERVICES)) - skip
