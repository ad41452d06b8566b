"""The page: one file that needs nothing else, reads without scripts, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice

from rollback.core.image import Basis
from rollback.core.plain_text import printable, sanitize
from rollback.output.text_format import short
from rollback.output.timeline import drawing
from rollback.output.timeline.chart import NOTHING, Chart, built, utc
from rollback.output.timeline.drawing import ROW, VERDICTS, Window
from rollback.output.timeline.html_text import escape

_PAPER_WIDTH = 1050  # pixels of a sheet
_PAPER_ROWS = 24
_MOST_WITHOUT_SCRIPTS = 4000  # rows of tables for readers without scripts; more would only make the page slow
_MOST_SKIPPED = 200


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
    style = f":root{{--col:{width}px;--row:{ROW}px;--runs:{drawing.runs_height(chart)}px}}\n{_own('page.css')}"
    script = _own("page.js")
    policy = (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    chosen = max(chart.selections, default=None)
    body = [
        "<!doctype html>\n",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
        f"<title>{escape(env or 'fleet')}: timeline</title>",
        f"<style>{style}</style></head>\n<body><main>",
        f"<header><h1>{escape(env or 'The fleet')}: what ran when</h1>",
        f"<p class=quiet>{escape(_about(chart))}</p></header>\n",
    ]
    if chart.columns:
        body += ['<section class="chart" aria-label="The chart">', *_interactive(chart, width)]
        body += ['<div class="paper-only">', *_sheets(chart, width), "</div>", _legend(chart), "</section>\n"]
    if chosen is not None:
        body += [*_selection(chart, chosen, commands), _without_scripts(chart, chosen, commands)]
    elif not chart.columns:
        body.append("<p>There is no image of this environment and no run: nothing to show yet.</p>")
    body += [*_runs(chart), *_skipped(chart)]
    body += ["</main>\n", f'<script type="application/json" id="data">{_data(chart, chosen, commands)}</script>\n']
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
        words.append(f"as the registry stood at {utc(history.generated)}")
    words.append(f"{len(history.repos)} services, {len(history.dates)} dates, {len(chart.runs)} past runs")
    return " · ".join(words)


def _interactive(chart: Chart, width: int) -> Iterator[str]:
    """The chart that can be scrolled and clicked; the script brings it out of its template."""
    window = Window(range(len(chart.columns)), range(len(chart.names)), width)
    yield '<template id="asked"><div class="scroll" tabindex="0" role="group" aria-label="Choose a date">'
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
        yield f'<li class="lane">{"past runs" if not lane else ""}</li>'
    for repo, name in zip(chart.history.repos, chart.names, strict=True):
        yield f'<li title="{escape(repo)}">{escape(name)}</li>'
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
    words = "A dot is a release, the line behind it the time for which it stays the newest. "
    words += "On the chosen date a ring marks what is carried to it."
    if chart.runs:
        words += " A past run is on its day; its arrow points at the date to which it went."
    return f'<p class="quiet legend">{words}</p>'


def _selection(chart: Chart, column: int, commands: Commands) -> Iterator[str]:
    day = chart.columns[column].day
    yield f'<section aria-labelledby="as-of"><h2 id="as-of">As of <span id="day">{day}</span></h2>'
    yield f'<p id="counts" role="status">{escape(counts(chart, column))}</p>'
    yield (
        f'<p class="command"><code id="command" tabindex="0">{escape(commands.on(day))}</code> '
        '<button id="copy" type="button" hidden>Copy</button> <span id="copied" role="status"></span></p>'
    )
    yield _table(chart, column, ident="selection")
    if chart.running.source:
        yield f'<p class="quiet">What runs now: {escape(chart.running.source)}.</p>'
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
        differ += _now(chart, row, number)[1] == "differs"
    words = [f"{exact} released that day", f"{carried} carried from earlier"]
    if missing:
        words.append(f"{missing} without one image as of it: they stay as they are")
    if chart.running.references:
        words.append(f"{differ} would change")
    return f"{', '.join(words)}."


def _now(chart: Chart, row: int, number: int) -> tuple[str, str]:
    """What runs now, and whether it is what the image would be: `same`, `differs`, or empty where nobody knows."""
    reference = chart.running.references.get(chart.history.repos[row], "")
    if not reference:
        return "", ""
    if number == NOTHING:
        return short(reference), ""
    image = chart.images[number]
    digest = reference.partition("@")[2]
    same = image.digest == digest if digest and image.digest else image.tag == short(reference)
    return short(reference), "same" if same else "differs"


def _table(chart: Chart, column: int, ident: str = "", rows: range | None = None) -> str:
    rests = "Built" if chart.history.basis is Basis.BUILT else "Built or ran"
    head = ["Service", "Image", "Which", rests, "Digest", *(["Runs now"] if chart.running.references else [])]
    parts = [f'<div class="wide"><table{f" id={ident}" if ident else ""}><thead><tr>']
    parts += [f'<th scope="col">{name}</th>' for name in head]
    parts.append("</tr></thead><tbody>")
    for row in rows or range(len(chart.names)):
        values = cells(chart, row, column)
        parts.append(
            f'<tr><th scope="row" title="{escape(chart.history.repos[row])}">{escape(chart.names[row])}</th>'
        )
        parts += [f'<td class="{kind}">{escape(text)}</td>' for kind, text in values]
        parts.append("</tr>")
    return "".join([*parts, "</tbody></table></div>"])


def cells(chart: Chart, row: int, column: int) -> list[tuple[str, str]]:
    """The cells of one service as of a day, each with what it is."""
    number = chart.selections[column][row]
    now, differs = _now(chart, row, number)
    last = [(f"now {differs}", f"{now}{' (same)' if differs == 'same' else ''}")] if chart.running.references else []
    if number == NOTHING:
        return [("tag", "-"), ("which missing", "no image: stays as it is"), ("", "-"), ("digest", "-"), *last]
    image = chart.images[number]
    day = image.day(chart.zone)
    exact = day == chart.columns[column].day
    which = ("which exact", "released that day") if exact else ("which carried", f"carried since {day}")
    stamp = built(image, chart.history)
    return [("tag", image.tag), which, ("built", stamp), ("digest", image.digest or "-"), *last]


def _without_scripts(chart: Chart, shown: int, commands: Commands) -> str:
    """Every date as a table to unfold, for a reader whose browser runs no script (Jenkins forbids them)."""
    columns = [column for column in sorted(chart.selections, reverse=True) if column != shown]
    most = max(_MOST_WITHOUT_SCRIPTS // max(len(chart.names), 1), 1)
    parts = [
        "<noscript><h2>Other dates</h2><p class=quiet>Scripts are off here, so each date unfolds by itself. "
        "Save this page and open it from your own disk to choose dates in the chart.</p>"
    ]
    for column in islice(columns, most):
        day = chart.columns[column].day
        parts.append(
            f"<details><summary>{day}: {escape(counts(chart, column))}</summary>"
            f"<p><code>{escape(commands.on(day))}</code></p>{_table(chart, column)}</details>"
        )
    if len(columns) > most:
        parts.append(f"<p>{len(columns) - most} older dates need scripts.</p>")
    return "".join([*parts, "</noscript>\n"])


def _runs(chart: Chart) -> Iterator[str]:
    if not chart.runs:
        return
    yield '<section aria-labelledby="runs"><h2 id="runs">Past runs</h2><div class="wide"><table><thead><tr>'
    yield "".join(f'<th scope="col">{name}</th>' for name in ("When", "What", "Outcome", "By", "Why", "Run"))
    yield "</tr></thead><tbody>"
    for run in chart.runs:
        kind = VERDICTS.get(run.verdict, ("faint", ""))[0]
        yield (
            f'<tr id="run-{escape(run.id)}"><td>{utc(run.at)}</td><td>{escape(run.what)}</td>'
            f'<td><b class="text-{kind}">{escape(run.verdict)}</b>: {escape(run.summary)}</td>'
            f"<td>{escape(run.by)}</td><td>{escape(run.reason) or '-'}</td><td class=tag>{escape(run.id)}</td></tr>"
        )
    yield "</tbody></table></div></section>\n"


def _skipped(chart: Chart) -> Iterator[str]:
    skipped = chart.history.skipped
    if not skipped:
        return
    yield f"<details><summary>{len(skipped)} tags are not offered</summary><ul>"
    for skip in skipped[:_MOST_SKIPPED]:
        yield f"<li><code>{escape(skip.repo)}:{escape(skip.tag)}</code>: {escape(skip.reason)}</li>"
    if len(skipped) > _MOST_SKIPPED:
        yield f"<li>and {len(skipped) - _MOST_SKIPPED} more, all in rollback.json</li>"
    yield "</ul></details>\n"


def _data(chart: Chart, chosen: int | None, commands: Commands) -> str:
    """What the script needs; it decides nothing, every selection is in it."""
    known = chart.running.references
    same = {
        f"{row}": sorted(
            {chosen[row] for chosen in chart.selections.values() if _now(chart, row, chosen[row])[1] == "same"}
        )
        for row in range(len(chart.names))
        if known
    }
    data = {
        "chosen": chosen,
        "days": [str(column.day) for column in chart.columns],
        "images": [
            [
                sanitize(image.tag),
                sanitize(image.digest),
                built(image, chart.history),
                str(image.day(chart.zone)),
            ]
            for image in chart.images
        ],
        "selections": {str(column): numbers for column, numbers in chart.selections.items()},
        "counts": {str(column): counts(chart, column) for column in chart.selections},
        "command": [printable(commands.before), printable(commands.after)],
        "now": [sanitize(short(known.get(repo, ""))) for repo in chart.history.repos] if known else None,
        "same": same,
        "rings": [drawing.runs_height(chart) + drawing.BASE, ROW, drawing.INSET],
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    # Inside <script> a browser looks for `</script` and `<!--` before JSON is read.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
