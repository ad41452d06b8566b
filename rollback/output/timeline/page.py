"""The page: one file that needs nothing else, reads without scripts, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice

from rollback.core.image import Basis
from rollback.core.plain_text import counted, printable, sanitize
from rollback.core.timestamps import with_local
from rollback.output.shortening import brief, fit_names
from rollback.output.text_format import short
from rollback.output.timeline import drawing
from rollback.output.timeline.chart import NOTHING, Chart, PastRun, built, differs
from rollback.output.timeline.drawing import ROW, VERDICTS, Window
from rollback.output.timeline.html_text import escape

_PAPER_WIDTH = 1050  # pixels of a sheet
_PAPER_ROWS = 24
_MOST_WITHOUT_SCRIPTS = 4000  # rows of tables for readers without scripts; more would only make the page slow
_MOST_SKIPPED = 200
_RUNS_IN_SIGHT = 20
_LETTERS, _LETTERS_ON_PHONE = 30, 26  # of a service's name beside the chart; on a phone in two lines
_NO_IMAGE = "no image: stays as it is"
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?: UTC)?)?")


@dataclass(frozen=True)
class Commands:
    """The command that goes back to a date, in the parts before and after the date."""

    before: str
    after: str

    def on(self, day: object) -> str:
        """The whole command."""
        return f"{self.before}{day}{self.after}"


def page(chart: Chart, commands: Commands, env: str) -> str:
    """Write the page.

    Args:
        chart: what is on it.
        env: what the environment is called.
        commands: what the copy button copies.
    """
    width = drawing.column_width(chart)
    style = f":root{{--row:{ROW}px;--col-wide:{width}px;--col-phone:{drawing.PHONE}px}}\n{_own('page.css')}"
    script = _own("page.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    body = [
        "<!doctype html>\n",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
        f"<title>{escape(env or 'fleet')}: timeline</title>",
        f"<style>{style}</style></head>\n<body><main>",
        f"<header><h1>{escape(env or 'The fleet')}: images by date</h1>",
        f"<p class=quiet>{escape(_about(chart))}</p></header>\n",
    ]
    if chart.columns:
        body += ['<section class="chart" aria-label="The chart">', *_interactive(chart, width)]
        body += _interactive(chart, drawing.PHONE, phone=True)
        body += ['<div class="paper-only">', *_sheets(chart, width), "</div>", _legend(chart), "</section>\n"]
    if chart.selections:
        body += [*_selection(chart), _without_scripts(chart, commands)]
    elif not chart.columns:
        body.append("<p>There is no image of this environment and no run: nothing to show yet.</p>")
    body += [*_runs(chart), *_skipped(chart)]
    body += ["</main>\n", f'<script type="application/json" id="data">{_data(chart, commands)}</script>\n']
    body += [f"<script>{script}</script>\n</body></html>\n"]
    return "".join(body)


def _own(name: str) -> str:
    return files("rollback.output.timeline").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _about(chart: Chart) -> str:
    history = chart.history
    words = []
    if history.registry:
        words.append(history.registry)
    if history.tag_env and history.tag_env != history.env:
        words.append(f"tags of {history.tag_env}")
    words.append(f"days in {history.timezone}")
    if history.basis is not Basis.BUILT:
        words.append(f"basis: {history.basis.value}")
    if history.generated:
        words.append(f"registry read at {with_local(str(history.generated))}")
    numbers = {"service": history.repos, "date": history.dates, "past run": chart.runs}
    words.append(", ".join(counted(len(values), noun) for noun, values in numbers.items()))
    return " · ".join(words)


def _interactive(chart: Chart, width: int, *, phone: bool = False) -> Iterator[str]:
    """The chart that can be scrolled and clicked; the script takes the one that fits out of its template."""
    window = Window(range(len(chart.columns)), range(len(chart.names)), width)
    kind = "phone" if phone else "wide"
    yield f'<template id="chart-{kind}">'
    yield f'<div class="scroll {kind}" tabindex="0" role="group" aria-label="Choose a date">'
    yield '<div class="corner" aria-hidden="true">As of</div><div class="days" role="radiogroup" aria-label="As of">'
    month = 0
    for place, column in enumerate(chart.columns):
        year = f"{column.day.year}" if column.day.month != month else ""
        month = column.day.month
        words = f"<small>{year}</small>{column.day:%m-%d}"
        if column.offered:
            yield (
                f'<label class="day"><input type="radio" name="day" value="{place}" '
                f'aria-label="{column.day:%A}, {column.day}"><span>{words}</span></label>'
            )
        else:
            yield f'<span class="day idle" title="nothing was released">{words}</span>'
    yield '</div><ul class="names">'
    for lane, _ in enumerate(drawing.lanes(chart)):
        link = '<a href="#runs">past runs</a>'
        yield f'<li class="lane">{link if not lane else ""}</li>'
    shown = fit_names(chart.names, _LETTERS_ON_PHONE if phone else _LETTERS)
    for repo, name in zip(chart.history.repos, chart.names, strict=True):
        yield f'<li title="{escape(repo)}">{escape(shown[name])}</li>'
    yield f"</ul>{drawing.draw(chart, window, 'chart')}</div></template>"


def _sheets(chart: Chart, width: int) -> Iterator[str]:
    """The same chart cut into pieces that fit on paper; also what is seen without scripts. Newest first."""
    at_once = max((_PAPER_WIDTH - drawing.names_width(chart)) // width, 1)
    number = 0
    for end in range(len(chart.columns), 0, -at_once):
        columns = range(max(end - at_once, 0), end)
        for start in range(0, max(len(chart.names), 1), _PAPER_ROWS):
            rows = range(start, min(start + _PAPER_ROWS, len(chart.names)))
            number += 1
            window = Window(columns, rows, width, paper=True, runs=start == 0)
            yield f"<figure>{drawing.draw(chart, window, f'sheet{number}')}</figure>"


def _legend(chart: Chart) -> str:
    words = "A mark is a release, the line behind it the time for which it stays the newest. "
    if any(image.basis is Basis.DEPLOYED for image in chart.images):
        words += "A round mark was built on its day, a square one ran from it. "
    if chart.running.references:
        words += "A circle around a mark: it runs now. "
    words += "On the chosen date a ring marks what is carried to it."
    if chart.runs:
        words += " A past run is on its day; its arrow points at the date to which it went."
    return f'<p class="quiet legend">{words}</p>'


def _selection(chart: Chart) -> Iterator[str]:
    """What the script fills in; before a date is chosen it says what runs now, and names no command."""
    yield '<section aria-labelledby="as-of"><h2 id="as-of">'
    yield '<span id="chosen-day" hidden>As of <span id="day"></span></span>'
    yield '<span id="no-day">No date chosen yet</span></h2>'
    yield '<p id="counts" role="status">Choose a date to see which image each service had then.</p>'
    yield (
        '<p class="command" id="ready" hidden><code id="command" tabindex="0"></code> '
        '<button id="copy" type="button" hidden>Copy</button> <span id="copied" role="status"></span></p>'
    )
    yield _table(chart, None, ident="selection")
    if chart.running.source:
        yield f'<p class="quiet">What runs now: {_dated(chart.running.source)}.</p>'
    yield "</section>\n"


def counts(chart: Chart, column: int) -> str:
    """How many services would get what."""
    day = chart.columns[column].day
    exact = carried = missing = differ = 0
    for row, number in enumerate(chart.selections[column]):
        if number == NOTHING:
            missing += 1
            continue
        if chart.images[number].day(chart.zone) == day:
            exact += 1
        else:
            carried += 1
        differ += differs(chart, row, number) is True
    words = [f"{exact} released that day", f"{carried} carried from earlier"]
    if missing:
        words.append(f"{missing} without one image as of it: they stay as they are")
    if chart.running.references:
        words.append(f"{differ} would change")
    idle = " Every service runs its image of that date already." if _is_reached(chart, column) else ""
    return f"{', '.join(words)}.{idle}"


def _is_reached(chart: Chart, column: int) -> bool:
    """Whether all that could change on a date runs its image already, so that there is no command to give."""
    found = [differs(chart, row, number) for row, number in enumerate(chart.selections[column])]
    return False in found and True not in found and len(chart.running.references) == len(chart.names)


def _table(chart: Chart, column: int | None, ident: str = "") -> str:
    """The services as of a day; without a day, what runs now, and room for the rest."""
    head = _columns(chart)
    parts = [f"<table role=table{f' id={ident} class=waiting' if ident else ''}>", *_table_head(head)]
    for row, name in enumerate(chart.names):
        repo = escape(chart.history.repos[row])
        parts.append(f'<tr role=row><th scope="row" role=rowheader title="{repo}">{escape(name)}</th>')
        for label, (kind, text, whole) in zip(head[1:], cells(chart, row, column), strict=True):
            title = f' title="{escape(whole)}"' if whole not in {"", text} else ""
            parts.append(f'<td role=cell class="{kind}" data-label="{label}"{title}>{escape(text)}</td>')
        parts.append("</tr>")
    return "".join([*parts, "</tbody></table>"])


def _table_head(names: Sequence[str]) -> Iterator[str]:
    """The headings; roles stand in every table, since a narrow screen shows rows as blocks and would drop them."""
    yield "<thead role=rowgroup><tr role=row>"
    yield from (f'<th scope="col" role=columnheader>{name}</th>' for name in names)
    yield "</tr></thead><tbody role=rowgroup>"


def _columns(chart: Chart) -> list[str]:
    rests = "Built" if chart.history.basis is Basis.BUILT else "Built or ran"
    return ["Service", *(["Runs now"] if chart.running.references else []), "Image", "Which", rests, "Digest"]


def cells(chart: Chart, row: int, column: int | None) -> list[tuple[str, str, str]]:
    """The cells of one service as of a day, or of none: each with its class, its text, and what the text shortens."""
    number = NOTHING if column is None else chart.selections[column][row]
    other = differs(chart, row, number)
    first = []
    if chart.running.references:
        text, whole = _running(chart, row)
        kind = "" if other is None else "differs" if other else "same"
        first = [(f"now {kind}", f"{text} (same)" if other is False else text, whole)]
    if column is None:
        return [*first, ("tag", "", ""), ("which", "", ""), ("built", "", ""), ("digest", "", "")]
    if number == NOTHING:
        return [*first, ("tag", "-", ""), ("which missing", _NO_IMAGE, ""), ("built", "-", ""), ("digest", "-", "")]
    image = chart.images[number]
    day = image.day(chart.zone)
    exact = day == chart.columns[column].day
    which = ("which exact", "released that day", "") if exact else ("which carried", f"carried since {day}", "")
    stamp = built(image, chart.history)
    return [
        *first,
        ("tag", brief(image.tag), image.tag),
        which,
        ("built", stamp, ""),
        ("digest", image.digest or "-", ""),
    ]


def _running(chart: Chart, row: int) -> tuple[str, str]:
    """What the apps of a row run now: as shown, and whole."""
    tags = [sanitize(short(one)) for one in chart.running.references.get(chart.history.repos[row], ())]
    return ", ".join(map(brief, tags)) or "-", ", ".join(tags)


def _without_scripts(chart: Chart, commands: Commands) -> str:
    """Every date as a table to unfold, for a reader whose browser runs no script (Jenkins forbids them)."""
    columns = sorted(chart.selections, reverse=True)
    most = max(_MOST_WITHOUT_SCRIPTS // max(len(chart.names), 1), 1)
    parts = [
        "<noscript><h2>Every date</h2><p class=quiet>Scripts are off here, so each date unfolds by itself. "
        "Save this page and open it from your own disk to choose dates in the chart.</p>"
    ]
    for column in islice(columns, most):
        day = chart.columns[column].day
        command = "" if _is_reached(chart, column) else f"<p><code>{escape(commands.on(day))}</code></p>"
        parts.append(
            f"<details><summary>{_dated(f'{day}: {counts(chart, column)}')}</summary>"
            f"{command}{_table(chart, column)}</details>"
        )
    if len(columns) > most:
        parts.append(f"<p>{len(columns) - most} older dates need scripts.</p>")
    return "".join([*parts, "</noscript>\n"])


def _runs(chart: Chart) -> Iterator[str]:
    """Every past run and undo, the newest in sight, the others to unfold."""
    if not chart.runs:
        return
    known = {run.id for run in chart.runs}
    yield '<section aria-labelledby="runs"><h2 id="runs">Past runs</h2>'
    yield _run_table(chart.runs[:_RUNS_IN_SIGHT], known)
    older = chart.runs[_RUNS_IN_SIGHT:]
    if older:
        yield f"<details><summary>{len(older)} older runs</summary>{_run_table(older, known)}</details>"
    yield "</section>\n"


def _run_table(runs: Sequence[PastRun], known: Collection[str]) -> str:
    head = ("When", "By", "What", "Outcome", "Why", "Run")
    parts = ["<table role=table>", *_table_head(head)]
    for run in runs:
        kind = VERDICTS.get(run.verdict, ("faint", ""))[0]
        undone = f'undo of <a href="#run-{escape(run.undoes)}">{escape(run.undoes)}</a>'
        values = (
            _dated(with_local(str(run.at))),
            escape(run.by) or "-",
            undone if run.undoes in known else _dated(run.what),
            f'<b class="text-{kind}">{escape(run.verdict)}</b>: {_dated(run.summary)}',
            _dated(run.reason) or "-",
            f"<span class=tag>{escape(run.id)}</span>",
        )
        parts.append(f'<tr role=row id="run-{escape(run.id)}">')
        parts += [
            f'<td role=cell data-label="{label}">{value}</td>' for label, value in zip(head, values, strict=True)
        ]
        parts.append("</tr>")
    return "".join([*parts, "</tbody></table>"])


def _dated(text: str) -> str:
    """Escaped text in which no date or time breaks over lines."""
    return _DATE.sub(lambda found: f'<span class="date">{found[0]}</span>', escape(text))


def _skipped(chart: Chart) -> Iterator[str]:
    skipped = chart.history.skipped
    if not skipped:
        return
    yield f"<details><summary>{counted(len(skipped), 'tag')} not offered</summary><ul>"
    for skip in skipped[:_MOST_SKIPPED]:
        yield f"<li><code>{escape(skip.repo)}:{escape(skip.tag)}</code>: {escape(skip.reason)}</li>"
    if len(skipped) > _MOST_SKIPPED:
        yield f"<li>and {len(skipped) - _MOST_SKIPPED} more, all in rollback.json</li>"
    yield "</ul></details>\n"


def _data(chart: Chart, commands: Commands) -> str:
    """What the script needs; it decides nothing, every selection is in it."""
    rows = range(len(chart.names))
    same = {
        f"{row}": sorted(
            {chosen[row] for chosen in chart.selections.values() if differs(chart, row, chosen[row]) is False}
        )
        for row in rows
        if chart.running.references
    }
    data = {
        "days": [str(column.day) for column in chart.columns],
        "images": [
            [
                sanitize(image.tag),
                sanitize(image.digest),
                built(image, chart.history),
                str(image.day(chart.zone)),
                sanitize(brief(image.tag)),
                sanitize(drawing.label(chart, number)),
            ]
            for number, image in enumerate(chart.images)
        ],
        "selections": {str(column): numbers for column, numbers in chart.selections.items()},
        "counts": {str(column): counts(chart, column) for column in chart.selections},
        "reached": [column for column in chart.selections if _is_reached(chart, column)],
        "missing": _NO_IMAGE,
        "command": [printable(commands.before), printable(commands.after)],
        "now": [_running(chart, row)[0] for row in rows] if chart.running.references else None,
        "same": same,
        "rings": [drawing.runs_height(chart) + drawing.BASE, ROW, drawing.INSET],
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    # Inside <script> a browser looks for `</script` and `<!--` before JSON is read.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
