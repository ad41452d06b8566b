from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rollback.core.history import History
from rollback.core.image import Basis
from rollback.core.image_selection import AsOf, select
from rollback.core.matching import service_of
from rollback.output.timeline import chart
from rollback.output.timeline.chart import NOTHING, Running
from rollback.output.timeline.page import Commands, page
from tests.support.fleets import fleet
from tests.support.image_factory import HOST, built, digest, image, runs
from tests.support.local_zone import local_zone
from tests.support.records import past

COMMANDS = Commands("rollback run --date=", " --env=prod")

RELEASES = st.lists(
    st.tuples(st.sampled_from(["shop/a", "shop/b", "shop/c"]), st.integers(1, 28), st.integers(0, 23)),
    min_size=1,
    max_size=30,
    unique=True,
)


@given(RELEASES, st.integers(1, 5))
def test_every_date_on_the_page_holds_what_run_would_select(releases: list[tuple[str, int, int]], last: int) -> None:
    images = [image(f"{repo}:{d}.{h}-master", f"2026-11-{d:02}T{h:02}:30:00Z") for repo, d, h in releases]
    history = built(images, ("shop/a", "shop/b", "shop/c"), last=last, timezone="Europe/Berlin")

    made = chart.build(history, [])

    assert [made.columns[place].day for place in sorted(made.selections)] == sorted(history.dates)
    for place, numbers in made.selections.items():
        day = made.columns[place].day
        chosen = select(history, AsOf(str(day), day)).choices
        assert [made.images[n] if n != NOTHING else None for n in numbers] == [choice.image for choice in chosen]


def test_the_same_values_make_the_same_page() -> None:
    made = chart.build(fleet(5, 5), [past("20261122-040000-prod-aaaa", at="2026-11-22T04:00:00Z")])

    assert page(made, COMMANDS, "prod") == page(made, COMMANDS, "prod")


def test_the_page_names_no_address_that_a_browser_would_ask() -> None:
    text = page(chart.build(fleet(5, 5), []), COMMANDS, "prod")

    assert not re.search(r"(?:src|href)=['\"]?(?!#)", text)
    assert not re.search(r"url\(|@import", text)


def test_what_past_runs_left_behind_stands_in_where_nobody_asked() -> None:
    history = built([image("shop/billing:1-master", "2026-11-18"), image("shop/cart:1-master", "2026-11-18")])
    steps = tuple({"app": f"/{name}", "repo": f"shop/{name}"} for name in ("billing", "cart"))
    older = past("20261120-040000-prod-aaaa", at="2026-11-20T04:00:00Z", steps=steps)
    newer = past("20261122-040000-prod-bbbb", at="2026-11-22T04:00:00Z", steps=steps)
    rows = [
        {"app": "/billing", "stands": "r/shop/billing:1-master"},
        {"app": "/cart", "stands": "r/shop/cart:1-master"},
    ]
    older.outcome["services"] = rows  # type: ignore[index]
    newer.outcome["services"] = [{"app": "/billing", "stands": "r/shop/billing:2-master"}]  # type: ignore[index]

    running = chart.build(history, [older, newer]).running

    assert running.references == {
        "shop/billing": ("r/shop/billing:2-master",),
        "shop/cart": ("r/shop/cart:1-master",),
    }
    assert "20261122-040000-prod-bbbb" in running.source


def test_a_page_of_runs_alone_needs_no_history() -> None:
    made = chart.build(
        History((), (), ()),
        [past("20261122-040000-prod-aaaa", at="2026-11-22T04:00:00Z", verdict="PARTLY", reason="checkout is down")],
    )

    text = page(made, COMMANDS, "prod")

    assert "checkout is down" in text
    assert "PARTLY" in text
    assert 'id="selection"' not in text


def test_an_empty_page_says_so() -> None:
    assert "nothing to show yet" in page(chart.build(History((), (), ()), []), COMMANDS, "prod")


def test_a_run_that_was_killed_is_on_the_page_as_such() -> None:
    made = chart.build(fleet(2, 2), [past("20261122-040000-prod-aaaa", at="2026-11-22T04:00:00Z", verdict="")])

    assert made.runs[0].verdict == "no outcome"
    assert "killed, or still running" in page(made, COMMANDS, "prod")


def test_a_digest_decides_whether_a_service_already_runs_an_image() -> None:
    history = built([image("shop/billing:1-master", "2026-11-18")])
    rebuilt = Running({"shop/billing": (f"{HOST}/shop/billing:1-master@{digest('another')}",)}, "asked")

    text = page(chart.build(history, [], rebuilt), COMMANDS, "prod")

    assert "1 would change." in text


def test_200_services_over_100_dates_make_a_page_of_a_few_megabytes() -> None:
    history = fleet(200, 100)

    text = page(chart.build(history, []), COMMANDS, "prod")

    assert len(text) < 5_000_000
    assert all(f">{service_of(repo)}<" in text for repo in history.repos)


def test_a_repository_runs_an_image_only_if_all_of_its_apps_do() -> None:
    history = built([image("shop/billing:1-master", "2026-11-18"), image("shop/billing:2-master", "2026-11-20")])
    web, worker = runs("shop/billing:2-master"), runs("shop/billing:1-master")

    made = chart.build(history, [], Running({"shop/billing": (web, worker)}, "asked"))

    assert [chart.differs(made, 0, number) for number in (0, 1)] == [True, True]
    assert [chart.is_running(made, 0, number) for number in (0, 1)] == [True, True]
    assert "2-master, 1-master" in page(made, COMMANDS, "prod")


def test_no_command_is_on_the_page_before_a_date_is_chosen() -> None:
    history = built([image("shop/billing:1-master", "2026-11-18"), image("shop/billing:2-master", "2026-11-20")])
    broken = Running({"shop/billing": (runs("shop/billing:2-master"),)}, "asked")

    text = page(chart.build(history, [], broken), COMMANDS, "prod")

    assert "rollback run --date=2026-11-20" not in text
    assert text.count("rollback run --date=2026-11-18") == 1  # unfolded where scripts are off


def test_every_past_run_is_on_the_page_with_who_and_when_and_what_it_undid() -> None:
    records = [
        past(f"2026{month:02}{day:02}-040000-prod-aaaa", at=f"2026-{month:02}-{day:02}T04:00:00Z", by=f"user{day}")
        for month in range(1, 11)
        for day in range(1, 29)
    ]
    undo = past("20261122-040000-prod-bbbb", at="2026-11-22T04:00:00Z", kind="undo", as_of=records[0].header.run)

    text = page(chart.build(fleet(2, 2), [*records, undo]), COMMANDS, "prod")

    for record in (*records, undo):
        [row] = re.findall(rf'<tr role=row id="run-{record.header.run}">(.*?)</tr>', text)
        assert record.header.by in row
        assert f"{record.header.at[:10]} 04:00 UTC" in row
    assert f'undo of <a href="#run-{records[0].header.run}">' in text


def test_when_a_run_was_is_shown_in_utc_and_in_the_local_time_of_this_machine() -> None:
    made = chart.build(fleet(2, 2), [past("20261122-233000-prod-aaaa", at="2026-11-22T23:30:00Z")])

    with local_zone("Europe/Berlin"):
        text = page(made, COMMANDS, "prod")

    for time in ("2026-11-22 23:30 UTC", "2026-11-23 00:30"):
        assert f'<span class="date">{time}</span>' in text
    assert "2026-11-22 23:30 UTC (2026-11-23 00:30 CET): " in text


def test_a_mark_says_what_it_rests_on() -> None:
    ran = replace(image("shop/billing:2-master", "2026-11-20"), basis=Basis.DEPLOYED)
    made = chart.build(built([image("shop/billing:1-master", "2026-11-18"), ran]), [])

    text = page(made, COMMANDS, "prod")

    assert '<title>billing 1-master, built on 2026-11-18</title><circle class="dot"' in text
    assert '<title>billing 2-master, ran from 2026-11-20</title><rect class="dot"' in text
    assert "A round mark was built on its day, a square one ran from it." in text
