"""The timeline in a real Chromium: choose, read, copy; nothing else is asked for, nothing of a registry's runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rollback.core.history import History
from rollback.core.image import Image, Skipped
from rollback.core.image_selection import Match, select
from rollback.core.timestamps import Instant
from rollback.output.timeline import chart
from rollback.output.timeline.chart import Running
from rollback.output.timeline.page import Commands, page
from tests.support.chromium import Browser
from tests.support.fleets import fleet
from tests.support.image_factory import built, day_of, digest, image, runs
from tests.support.records import past

Shown = Callable[..., None]

COMMANDS = Commands("rollback run --date=", " --env=prod --dump=/srv/history")
SHOP = built(
    [
        image("shop/billing:1.7.0-master", "2026-11-18"),
        image("shop/billing:1.8.0-master", "2026-11-20"),
        image("shop/cart:2.9.0-master", "2026-11-18"),
        image("shop/catalog:3.4.0-master", "2026-11-20"),
    ]
)


def written(history: History, running: Running | None = None, records: tuple[Any, ...] = ()) -> str:
    return page(chart.build(history, records, running), COMMANDS, "prod")


def table(browser: Browser) -> dict[str, list[str]]:
    """What the selection says, by service."""
    rows = browser.run(
        "[...document.querySelectorAll('#selection tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return {row[0]: row[1:] for row in rows}


BROKEN = Running(
    {f"shop/{name}": (runs(f"shop/{name}:{tag}-master"),) for name, tag in (("billing", "1.8.0"), ("cart", "2.9.0"))},
    "asked at noon",
)
GOOD_DAY = "#2026-11-18"


def test_it_opens_without_a_date_and_without_a_command(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP, BROKEN))

    assert browser.text("h2") == "No date chosen yet"
    assert browser.run("document.querySelector('input[name=day]:checked')") is None
    assert not browser.run("document.getElementById('ready').checkVisibility()")
    assert "rollback run" not in browser.text("main")
    assert {name: cells[0] for name, cells in table(browser).items()} == {
        "billing": "1.8.0-master",
        "cart": "2.9.0-master",
        "catalog": "-",
    }
    assert browser.complaints == []


def test_a_date_that_runs_already_has_no_command(browser: Browser, shown: Shown) -> None:
    everything = {**BROKEN.references, "shop/catalog": (runs("shop/catalog:3.4.0-master"),)}
    shown(written(SHOP, Running(everything, "asked at noon")), "#2026-11-20")

    assert browser.text("#counts").endswith("0 would change. Every service runs its image of that date already.")
    assert not browser.run("document.getElementById('ready').checkVisibility()")
    browser.click("input[aria-label='Wednesday, 2026-11-18']")
    assert browser.run("document.getElementById('ready').checkVisibility()")


def test_a_date_says_what_every_service_would_get(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP), "#2026-11-20")

    assert browser.text("h2") == "As of 2026-11-20"
    assert browser.text("#counts") == "2 released that day, 1 carried from earlier."
    assert table(browser) == {
        "billing": [
            "1.8.0-master",
            "released that day",
            "2026-11-20 12:00 UTC",
            digest("shop/billing:1.8.0-master"),
        ],
        "cart": [
            "2.9.0-master",
            "carried since 2026-11-18",
            "2026-11-18 12:00 UTC",
            digest("shop/cart:2.9.0-master"),
        ],
        "catalog": [
            "3.4.0-master",
            "released that day",
            "2026-11-20 12:00 UTC",
            digest("shop/catalog:3.4.0-master"),
        ],
    }
    assert browser.complaints == []


def test_choosing_a_date_with_the_mouse_shows_its_selection(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP))

    browser.click("input[aria-label='Wednesday, 2026-11-18']")

    assert browser.text("h2") == "As of 2026-11-18"
    assert table(browser)["billing"][:2] == ["1.7.0-master", "released that day"]
    assert table(browser)["catalog"] == ["-", "no image: stays as it is", "-", "-"]
    assert browser.text("#command") == "rollback run --date=2026-11-18 --env=prod --dump=/srv/history"


def test_a_click_into_the_chart_chooses_the_date_of_that_column(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP))
    x, y, width = browser.run(
        "(() => { const r = document.querySelector('.scroll svg').getBoundingClientRect();"
        " return [r.x, r.y, Number(document.getElementById('chosen').getAttribute('width'))]; })()"
    )

    browser.click_at(x + width * 0.5, y + 20)

    assert browser.text("#day") == "2026-11-18"
    assert browser.run("document.querySelector('input[name=day]:checked').value") == "0"
    assert browser.run("document.querySelectorAll('.mark.on').length") == 2


def test_what_is_carried_to_the_date_is_marked_on_its_line(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP), "#2026-11-20")

    ring, mark = browser.run(
        "(() => { const y = e => e.getBoundingClientRect().y + e.getBoundingClientRect().height / 2;"
        " const rings = [...document.querySelectorAll('.ring')];"
        " const cart = [...document.querySelectorAll('.mark')].find(m => m.textContent.startsWith('cart'));"
        " return [rings.map(y), y(cart.querySelector('circle'))]; })()"
    )
    assert ring == pytest.approx([mark])


def test_the_keyboard_alone_chooses_and_copies(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP))
    browser.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])

    browser.press("Tab")  # the chart, which scrolls
    browser.press("Tab")  # the dates
    browser.press("ArrowRight")
    browser.press("ArrowLeft")
    assert browser.text("#day") == "2026-11-18"
    browser.run("document.getElementById('command').focus()")
    browser.press("Tab")
    assert browser.run("document.activeElement.id") == "copy"
    browser.press("Enter")

    browser.settle()
    assert browser.run("navigator.clipboard.readText()") == (
        "rollback run --date=2026-11-18 --env=prod --dump=/srv/history"
    )
    assert browser.text("#copied") == "Copied"


def test_copying_works_where_there_is_no_clipboard_to_write_to(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP), "#2026-11-20")
    browser.run(
        "Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true});"
        "document.addEventListener('copy', () => { window.copied_text = getSelection().toString() })"
    )

    browser.click("#copy")

    browser.settle()
    assert browser.run("window.copied_text") == "rollback run --date=2026-11-20 --env=prod --dump=/srv/history"
    assert browser.text("#copied") == "Copied"


def test_an_address_with_a_date_opens_on_it(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP), "#2026-11-18")

    assert browser.text("#day") == "2026-11-18"


def test_what_runs_now_is_held_against_the_date(browser: Browser, shown: Shown) -> None:
    now = Running(
        {"shop/billing": (runs("shop/billing:1.8.0-master"),), "shop/cart": ("shop/cart:2.9.0-master",)},
        "asked at noon",
    )

    shown(written(SHOP, now), "#2026-11-20")
    assert table(browser)["billing"][0] == "1.8.0-master (same)"
    assert table(browser)["cart"][0] == "2.9.0-master (same)"
    assert "0 would change." in browser.text("#counts")
    browser.click("input[aria-label='Wednesday, 2026-11-18']")

    assert table(browser)["billing"][0] == "1.8.0-master"
    assert browser.run("document.querySelector('#selection tbody td.now').className") == "now differs"
    assert browser.text("#counts").endswith("1 would change.")
    head = browser.run("[...document.querySelectorAll('#selection thead th')].map(c => c.textContent)")
    assert head == ["Service", "Runs now", "Image", "Which", "Built", "Digest"]


def test_what_runs_now_is_marked_in_the_chart(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP, BROKEN))

    marked = browser.run(
        "[...document.querySelectorAll('.scroll .halo')].map(h => h.parentNode.querySelector('title').textContent)"
    )
    assert marked == [
        "billing 1.8.0-master, built on 2026-11-20, runs now",
        "cart 2.9.0-master, built on 2026-11-18, runs now",
    ]


def test_every_date_shows_what_run_would_select(browser: Browser, shown: Shown) -> None:
    history = fleet(12, 20)
    shown(written(history))

    for place, day in enumerate(sorted(history.dates)):
        browser.run(f"document.querySelectorAll('input[name=day]')[{place}].click()")
        expected = {
            choice.repo.rpartition("/")[2]: (
                (choice.image.tag, choice.match is Match.EXACT) if choice.image else ("-", False)
            )
            for choice in select(history, day_of(str(day))).choices
        }
        told = {name: (cells[0], cells[1] == "released that day") for name, cells in table(browser).items()}
        assert told == expected


def test_past_runs_stand_on_the_same_axis_and_lead_to_their_outcome(browser: Browser, shown: Shown) -> None:
    records = (
        past("20261121-040000-prod-aaaa", at="2026-11-21T04:00:00Z", as_of="2026-11-18", verdict="RESTORED"),
        past("20261122-040000-prod-bbbb", at="2026-11-22T04:00:00Z", as_of="2026-11-20", verdict="DONE"),
    )

    shown(written(SHOP, records=records))

    days = browser.run("[...document.querySelectorAll('.days > *')].map(d => d.textContent.slice(-5))")
    assert days == ["11-18", "11-20", "11-21", "11-22"]
    assert browser.run("document.querySelectorAll('.idle').length") == 2
    assert browser.run("[...document.querySelectorAll('.scroll a.run')].map(a => a.getAttribute('href'))") == [
        "#run-20261122-040000-prod-bbbb",
        "#run-20261121-040000-prod-aaaa",
    ]
    assert "RESTORED" in browser.text("#run-20261121-040000-prod-aaaa")


HOSTILE = (
    "<script>window.owned=1</script>",
    "</script><script>window.owned=2</script>",
    '"><img src=x onerror=window.owned=3>',
    "'-alert(1)-'",
    "</title></svg><svg onload=window.owned=4>",
    "<!--<script>",
    "{{owned}}&lt;b&gt;",
    "]]></style><style>body{display:none}",
    "</script ><img src=x onerror=window.owned=5>",
)


def test_hostile_names_are_shown_and_never_run(browser: Browser, shown: Shown) -> None:
    images = [
        Image(f"shop/s{place}", f"{text}-master", Instant.parse("2026-11-20T12:00:00Z"), digest(text))
        for place, text in enumerate(HOSTILE)
    ]
    history = built(images, skipped=[Skipped("shop/s0", HOSTILE[2], HOSTILE[1])])
    record = past("20261122-040000-prod-bbbb", at="2026-11-22T04:00:00Z", by=HOSTILE[0], reason=HOSTILE[2])

    shown(written(history, Running({"shop/s0": (f"shop/s0:{HOSTILE[1]}",)}, HOSTILE[4]), (record,)))
    browser.run("document.querySelectorAll('input[name=day]')[0].click()")

    assert browser.run("window.owned") is None
    assert [cells[1] for cells in table(browser).values()] == [f"{text}-master" for text in HOSTILE]
    assert browser.run("document.querySelectorAll('main img, main script, svg[onload], main style').length") == 0
    assert browser.run("getComputedStyle(document.body).display") == "block"
    assert HOSTILE[0] in browser.text("#run-20261122-040000-prod-bbbb")
    assert browser.complaints == []


def test_the_page_asks_for_nothing_but_itself(browser: Browser, shown: Shown) -> None:
    shown(written(fleet(10, 10)))
    browser.run("document.querySelectorAll('input[name=day]')[3].click()")

    assert len(browser.requests) == 1
    assert browser.requests[0].endswith("/timeline.html")


def test_its_own_policy_forbids_scripts_that_somebody_puts_in(browser: Browser, shown: Shown) -> None:
    shown(written(SHOP).replace("</main>", "<script>window.owned=1</script></main>"))

    browser.settle()
    assert browser.run("window.owned") is None
    assert any("Content Security Policy" in told for told in browser.complaints)
    assert browser.run("document.querySelectorAll('.scroll').length") == 1  # while its own script runs


def test_its_own_policy_forbids_pictures_and_styles_from_elsewhere(browser: Browser, shown: Shown) -> None:
    strangers = '<img src="http://127.0.0.1:9/x.png"><link rel=stylesheet href="http://127.0.0.1:9/x.css">'

    shown(written(SHOP).replace("</main>", f"{strangers}</main>"))

    browser.settle()
    assert sum("Content Security Policy" in told for told in browser.complaints) == 2


def test_without_scripts_the_chart_and_every_date_are_there(browser: Browser, shown: Shown) -> None:
    browser.scripts(allowed=False)

    shown(written(SHOP))

    assert browser.run("document.querySelector('figure svg').getBoundingClientRect().height") > 100
    told = browser.run("[...document.querySelectorAll('noscript details')].map(d => d.textContent)")
    assert [text.count("-master") for text in told] == [3, 2]
    assert [text.split(",")[0] for text in told] == [
        "2026-11-20: 2 released that day",
        "2026-11-18: 2 released that day",
    ]
    assert browser.run("document.getElementById('copy').hidden")


def test_under_the_policy_of_jenkins_the_page_can_still_be_read(browser: Browser) -> None:
    """Jenkins serves archived files so: https://www.jenkins.io/doc/book/security/configuring-content-security-policy/"""
    text = written(SHOP).encode()

    class Jenkins(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header(
                "Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
            )
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Jenkins)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        browser.open(f"http://127.0.0.1:{server.server_address[1]}/")
    finally:
        server.shutdown()
        server.server_close()

    assert browser.run("document.querySelector('figure svg').getBoundingClientRect().height") > 100
    assert browser.run("document.querySelector('figure svg circle').getAttribute('fill')").startswith("#")
    assert "1.8.0-master" in browser.run("document.querySelector('noscript details').textContent")
    assert "Save this page" in browser.text("noscript")


# Readable --------------------------------------------------------------------------------------------------------

OVERLAPS = """(() => {
  const boxes = [...document.querySelectorAll('.scroll svg .mark')].map(mark => {
    const text = mark.querySelector('text');
    const y = mark.querySelector('circle').cy.baseVal.value;
    return text && {text: text.textContent, box: text.getBoundingClientRect(), y};
  }).filter(Boolean);
  const rows = {};
  boxes.forEach(b => (rows[b.y] = rows[b.y] || []).push(b));
  return Object.values(rows).flatMap(row => {
    row.sort((a, b) => a.box.x - b.box.x);
    return row.slice(1).filter((b, i) => row[i].box.right > b.box.left + 0.5).map(b => b.text);
  });
})()"""


@pytest.mark.parametrize(("services", "dates"), [(10, 10), (10, 100), (200, 10), (200, 100)])
@pytest.mark.parametrize("width", [1280, 800])
def test_it_stays_readable(browser: Browser, shown: Shown, services: int, dates: int, width: int) -> None:
    browser.size(width, 900)
    shown(written(fleet(services, dates)))

    assert browser.run(OVERLAPS) == []  # no tag runs into the next one
    assert browser.run("document.documentElement.scrollWidth") <= width  # only the chart scrolls sideways
    smallest = browser.run(
        "[...document.querySelectorAll('.scroll text, .scroll span, .scroll li, td, th')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)).reduce((a, b) => Math.min(a, b))"
    )
    assert smallest >= 11
    assert browser.run("document.querySelector('.scroll').clientHeight") < 900
    cut = "[...document.querySelectorAll('.names li')].filter(l => l.scrollWidth > l.clientWidth).length"
    assert browser.run(cut) == 0
    # Names and dates stay in sight wherever one is in the chart.
    browser.run("(() => { const s = document.querySelector('.scroll'); s.scrollTop = 1e6; s.scrollLeft = 1e6; })()")
    inside = browser.run(
        "(() => { const s = document.querySelector('.scroll').getBoundingClientRect();"
        " const n = [...document.querySelectorAll('.names li')].at(-1).getBoundingClientRect();"
        " const d = [...document.querySelectorAll('.days .day')].at(-1).getBoundingClientRect();"
        " return [n.left >= s.left, n.bottom <= s.bottom + 2, d.top >= s.top, d.right <= s.right + 2]; })()"
    )
    assert inside == [True, True, True, True]


CONTRAST = """(() => {
  const bend = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => bend(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)' && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const every = 'h1, h2, p, td, th, code, button, b, small, .scroll span, .scroll li, .scroll text';
  return [...document.querySelectorAll(every)]
    .filter(e => e.textContent.trim() && e.getClientRects().length)
    .map(e => { const s = getComputedStyle(e), svg = e instanceof SVGElement;
      return [e.textContent.slice(0, 30), ratio(svg ? s.fill : s.color, ground(e))]; })
    .filter(([, r]) => r < 4.5);
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(browser: Browser, shown: Shown, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    browser.media(scheme=scheme)
    records = tuple(
        past(f"2026112{place}-040000-prod-aaaa", at=f"2026-11-2{place}T04:00:00Z", verdict=verdict)
        for place, verdict in enumerate(("DONE", "RESTORED", "PARTLY", "FAILED", ""), 1)
    )

    shown(
        written(SHOP, Running({"shop/billing": ("shop/billing:1.7.0-master",)}, "asked at noon"), records),
        "#2026-11-20",
    )

    assert browser.run(CONTRAST) == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 25, 31)")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_screen_reader_finds_named_dates_and_a_table_with_headings(
    browser: Browser, shown: Shown, width: int
) -> None:
    browser.size(width, 900)
    shown(written(SHOP), "#2026-11-20")

    nodes = browser.ask("Accessibility.getFullAXTree")["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert ("radiogroup", "As of") in told
    assert ("radio", "Friday, 2026-11-20") in told
    assert [name for role, name in told if role == "columnheader"] == ["Service", "Image", "Which", "Built", "Digest"]
    assert ("rowheader", "billing") in told
    assert any(role in {"image", "img"} and name.startswith("Releases of 3 services") for role, name in told)
    assert ("button", "Copy") in told
    assert [name for role, name in told if role == "heading"] == ["prod: images by date", "As of 2026-11-20"]


BEYOND = """(() => [...document.querySelectorAll('main *')]
  .filter(e => !e.closest('.scroll, thead, template') && e.getClientRects().length)
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0)
  .map(e => e.outerHTML.slice(0, 80)))()"""
BROKEN_DATES = """(() => [...document.querySelectorAll('.date, #day, .built, .which')]
  .filter(e => { const range = document.createRange(); range.selectNodeContents(e);
    return new Set([...range.getClientRects()].map(r => Math.round(r.top))).size > 1; })
  .map(e => e.textContent))()"""
UNLABELLED = """(() => [...document.querySelectorAll('.scroll .mark.on text, .scroll .tag-here')]
  .filter(e => getComputedStyle(e).visibility === 'visible' && e.textContent).length)()"""


@pytest.mark.parametrize("width", [1280, 1001, 800, 390])
def test_thirty_services_over_sixty_dates_fit_any_screen(browser: Browser, shown: Shown, width: int) -> None:
    history = fleet(30, 60, long=True)
    ids = [f"20261121-04{place:02}00-prod-aaaa" for place in range(30)]
    records = tuple(past(one, at=f"2026-11-21T04:{place:02}:00Z", by=f"user{place}") for place, one in enumerate(ids))
    undo = past("20261122-040000-prod-bbbb", at="2026-11-22T04:00:00Z", kind="undo", as_of=ids[-1], by="kim")
    running = {image.repo: (runs(f"{image.repo}:{image.tag}"),) for image in reversed(history.images)}
    browser.size(width, 900)

    shown(written(history, Running(running, "asked at 2026-11-22 04:10 UTC"), (*records, undo)), "#2026-11-18")

    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(BEYOND) == []  # nothing beyond an edge, no table that scrolls
    assert browser.run(BROKEN_DATES) == []
    assert browser.run(OVERLAPS) == []
    labelled = browser.run(UNLABELLED)
    assert labelled >= 30  # each service has its tag on the chosen day
    names = browser.run("[...document.querySelectorAll('.names li:not(.lane)')].map(l => l.textContent)")
    assert len(set(names)) == 30
    seen = browser.run(
        "(() => { const n = document.querySelector('.names').getBoundingClientRect().right;"
        " const s = document.querySelector('.scroll').getBoundingClientRect().right;"
        " return [...document.querySelectorAll('.day')].map(d => d.getBoundingClientRect())"
        ".filter(r => r.left >= n - 1 && r.right <= s + 1).length; })()"
    )
    assert seen >= 4
    assert "kim" in browser.text("#run-20261122-040000-prod-bbbb")
    assert browser.run("document.querySelector('#run-20261122-040000-prod-bbbb a').hash") == f"#run-{ids[-1]}"
    assert browser.run("document.querySelectorAll('[id^=run-]').length") == 31


def test_on_paper_every_date_has_its_place(browser: Browser, shown: Shown) -> None:
    shown(written(fleet(10, 100)))
    browser.media("print")

    assert browser.run("getComputedStyle(document.querySelector('.scroll')).display") == "none"
    assert browser.run("getComputedStyle(document.querySelector('button')).display") == "none"
    days = browser.run(
        "[...document.querySelectorAll('figure svg')].flatMap(s => [...s.querySelectorAll('text[font-weight=bold]')])"
        ".map(t => t.textContent)"
    )
    assert len(days) == 100
    assert browser.paper().startswith(b"%PDF")
