from __future__ import annotations

import re

import pytest

from rollback.core.history import History
from rollback.core.image_selection import select
from rollback.output.terminal import TerminalInfo
from rollback.output.text_report import history_text
from tests.support.fleets import fleet
from tests.support.image_factory import built, day_of, digest, image

TERMINAL = TerminalInfo(width=80)
SHOP = built(
    [
        image("shop/billing:1.7.0-master", "2026-11-18"),
        image("shop/billing:1.8.0-master", "2026-11-20"),
        image("shop/cart:2.9.0-master", "2026-11-16"),
    ]
)


def test_the_matrix_has_a_mark_where_released_and_a_line_where_carried() -> None:
    text = history_text(SHOP, TERMINAL)

    assert text == (
        "prod (tags: master) in https://registry.example.com, days in UTC\n"
        "\n"
        "           2026\n"
        "           11-16          11-18          11-20\n"
        "  billing                 ●1.7.0-master  ●1.8.0-master\n"
        f"  cart     ●2.9.0-master {'─' * 29}\n"
        "\n"
        "  ● released   ── carried on\n"
    )


def test_in_ascii_it_says_the_same() -> None:
    text = history_text(SHOP, TerminalInfo(width=80, unicode=False))

    assert text.isascii()
    assert f"  cart     *2.9.0-master {'-' * 29}\n" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize(("services", "dates"), [(3, 5), (10, 40), (40, 100)])
def test_no_line_is_wider_than_the_terminal(width: int, services: int, dates: int) -> None:
    text = history_text(fleet(services, dates), TerminalInfo(width=width))

    assert max(map(len, text.splitlines()[2:])) <= width


def test_the_oldest_dates_give_way_on_a_narrow_terminal() -> None:
    text = history_text(fleet(3, 40), TERMINAL)

    days = text.splitlines()[3].split()
    assert days[-1] == "11-21"
    assert "10-13" not in days
    assert f"{40 - len(days)} older dates further left" in text


def test_every_date_is_listed_where_some_do_not_fit() -> None:
    history = fleet(3, 40)

    lines = history_text(history, TERMINAL).splitlines()

    at = lines.index("All dates (services released):")
    listed = " ".join(lines[at + 1 :])
    assert re.findall(r"(\S+) \((\d+)\)", listed) == [
        (str(day), str(len(history.by_day()[day].values()))) for day in history.dates
    ]
    assert "All dates" not in history_text(SHOP, TERMINAL)


def test_the_dates_are_repeated_below_a_matrix_that_is_taller_than_the_screen() -> None:
    history = fleet(40, 5)

    tall, fits = (history_text(history, TerminalInfo(width=80, height=height)).splitlines() for height in (24, 60))

    days = fits[3]
    assert fits.count(days) == 1
    assert tall.count(days) == 2
    below = len(tall) - tall[::-1].index(days) - 1
    assert "-039" in tall[below - 1]
    assert tall[below + 1] == fits[2]  # the year


def test_hashes_of_commits_are_shortened_on_a_terminal_and_whole_in_a_pipe() -> None:
    hashes = [digest(str(place))[7:47] for place in range(3)]
    shop = built([image(f"shop/billing:{tag}-master", f"2026-11-1{day}") for day, tag in enumerate(hashes)])

    shown, piped = history_text(shop, TERMINAL), history_text(shop)

    for tag in hashes:
        assert f"●{tag[:10]}-master" in shown
        assert tag not in shown
        assert f"shop/billing:{tag}-master" in piped


def test_long_names_that_differ_only_inside_stay_distinguishable() -> None:
    names = [
        f"customer-{what}-notification-service-{where}" for what in ("profile", "payment") for where in ("eu", "us")
    ]
    shop = built([image(f"shop/{name}:1-master", "2026-11-18") for name in names])

    rows = [line.split("●")[0].strip() for line in history_text(shop, TERMINAL).splitlines() if "●1" in line]

    assert len(set(rows)) == 4
    assert all(len(row) <= 24 for row in rows)
    for row, name in zip(rows, names, strict=True):
        head, tail = row.split("…")
        assert [one for one in names if one.startswith(head) and one.endswith(tail)] == [name]


def test_where_tags_have_no_room_the_marks_stay() -> None:
    long = built([image(f"shop/billing:{'9' * 60}.{day}-master", f"2026-11-{day}") for day in range(10, 20)])

    text = history_text(long, TERMINAL)

    assert text.splitlines()[4].count("●") == 10


def test_a_pipe_gets_every_date_and_every_tag_in_full() -> None:
    history = fleet(30, 100)

    text = history_text(history)

    for day in history.dates:
        line = next(line for line in text.splitlines() if line.startswith(f"{day}  "))
        assert line.split()[1:] == [f"{one.repo}:{one.tag}" for one in history.by_day()[day].values()]
    assert text.splitlines()[3].split()[-1] == "11-21"
    assert len(text.splitlines()[3].split()) == 100


def test_a_chosen_date_stands_out_and_is_told_in_full() -> None:
    text = history_text(SHOP, TERMINAL, select(SHOP, day_of("2026-11-18")))

    lines = text.splitlines()
    assert lines[4].index("^^^^^") == lines[3].index("11-18")
    assert "As of 2026-11-18:" in lines
    assert "  billing  1.7.0-master  released that day" in lines
    assert "  cart     2.9.0-master  carried, released 2026-11-16" in lines


def test_a_service_with_nothing_on_the_chosen_date_says_that_it_stays() -> None:
    text = history_text(SHOP, TERMINAL, select(SHOP, day_of("2026-11-16")))

    assert "  billing  -             nothing on or before the date: stays as it is" in text.splitlines()


def test_with_colour_the_chosen_images_are_reversed_and_the_text_is_the_same() -> None:
    chosen = select(SHOP, day_of("2026-11-18"))

    text = history_text(SHOP, TerminalInfo(width=80, colour=True), chosen)

    assert "\x1b[7m●1.7.0-master\x1b[0m" in text
    assert "\x1b[7m●2.9.0-master\x1b[0m" in text


def test_a_new_year_is_named_where_it_begins() -> None:
    turn = built([image("shop/web:1-master", "2025-12-30"), image("shop/web:2-master", "2026-01-02")])

    years, days = history_text(turn, TERMINAL).splitlines()[2:4]

    assert years.split() == ["2025", "2026"]
    assert years.index("2026") == days.index("01-02")


def test_services_of_the_same_name_are_told_by_their_whole_path() -> None:
    twice = built([image("shop/web:1-master", "2026-11-18"), image("bank/web:2-master", "2026-11-18")])

    text = history_text(twice, TERMINAL)

    assert "  shop/web  ●1-master" in text
    assert "  bank/web  ●2-master" in text


def test_an_empty_history_says_so() -> None:
    assert "there is no date to go back to" in history_text(History(("shop/web",), (), ()), TERMINAL)
