"""The chart as SVG. Colors are attributes, so that it shows where style sheets are forbidden, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollback.core.image import Basis
from rollback.core.plain_text import counted
from rollback.core.timestamps import with_local
from rollback.output.shortening import brief, fit_names
from rollback.output.timeline.chart import Chart, Mark, PastRun, is_running
from rollback.output.timeline.html_text import escape

ROW = 36  # pixels, like all that follow
LANE = 24
BASE = ROW - 11  # from the top of a row to its line
_LETTER = 6.7  # the width of one letter of the tags, at 11 px in a fixed-width font
_NARROW, _WIDE, _MANY = 52, 112, 40  # widths of a column; from so many columns on they are narrower
PHONE = 62  # width of a column there: four of them beside the names on 390 pixels
_HEX = 7  # digits of a commit's hash, as git shows it; seven letters fit into every column
_MIDDLE_WIDE = 72
_SCREEN = 1180
_ROOM = 14  # beside a tag
INSET = 14  # from a column's left edge to its mark
_LANES = 6  # past runs on the axis; the table below has them all
_HEAD = 36
_LETTERS_OF_NAME = 40  # on paper; on a screen the names are text beside the drawing

_INK, _FAINT, _LINE, _MARK, _BAND = "#1b2733", "#5b6875", "#9fb3c8", "#1d5fa8", "#f3f6f9"
_NOW = "#1f7a3f"
VERDICTS = {
    "DONE": ("good", "#1f7a3f"),
    "NOTHING TO DO": ("good", "#1f7a3f"),
    "RESTORED": ("care", "#9a6200"),
    "REFUSED": ("care", "#9a6200"),
    "PARTLY": ("bad", "#b3261e"),
    "FAILED": ("bad", "#b3261e"),
}


@dataclass(frozen=True)
class Window:
    """The part of the chart that is drawn.

    Attributes:
        columns: which.
        rows: which.
        width: pixels of a column.
        paper: whether it is on its own, with its own names and dates, as on paper.
        runs: whether past runs are drawn above the services.
    """

    columns: range
    rows: range
    width: int
    paper: bool = False
    runs: bool = True


def column_width(chart: Chart) -> int:
    """As wide as whole tags want if all fit onto a screen, else as wide as their short forms want, within bounds."""
    marks = [mark for row in chart.marks for mark in row]
    whole = max((len(brief(chart.images[mark.image].tag)) for mark in marks), default=0) * _LETTER + _ROOM
    if len(chart.columns) * whole <= _SCREEN:
        return int(max(whole, _NARROW))
    short = max((len(_bare(chart, mark.image)) for mark in marks), default=0) * _LETTER + _ROOM
    return int(min(max(short, _NARROW), _MIDDLE_WIDE if len(chart.columns) > _MANY else _WIDE))


def lanes(chart: Chart) -> Sequence[PastRun]:
    """The past runs that are drawn, newest first."""
    return chart.runs[:_LANES]


def runs_height(chart: Chart) -> int:
    """Pixels that the past runs take above the services."""
    return len(lanes(chart)) * LANE


def names_width(chart: Chart) -> int:
    """Pixels that the names take on paper."""
    longest = max((len(name) for name in chart.names), default=0)
    return int(max(min(longest, _LETTERS_OF_NAME), 10) * _LETTER + 20)


def draw(chart: Chart, window: Window, name: str) -> str:
    """Draw a part of the chart.

    Args:
        chart: what there is.
        window: which part.
        name: begins every id in it, so that a page can hold several.
    """
    left = names_width(chart) if window.paper else 0
    head = _HEAD if window.paper else 0
    above = runs_height(chart) if window.runs else 0
    width = left + len(window.columns) * window.width + (8 if window.paper else 0)
    height = head + above + len(window.rows) * ROW
    pen = _SvgWriter(chart, window, name, left, head + above)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="grid" role="img" aria-labelledby="{name}-title" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="11">',
        f'<title id="{name}-title">{escape(_title(chart, window))}</title>',
        *pen.ground(height),
        *(pen.labels(head) if window.paper else ()),
        *(pen.past(head) if window.runs else ()),
    ]
    for row in window.rows:
        parts += pen.service(row)
    return "".join([*parts, "</svg>"])


def _title(chart: Chart, window: Window) -> str:
    first, last = chart.columns[window.columns[0]].day, chart.columns[window.columns[-1]].day
    services = counted(len(window.rows), "service")
    return f"Releases of {services} from {first} to {last}; the tables hold the same as text"


def label(chart: Chart, number: int, room: int = PHONE - 4) -> str:
    """An image's tag in as many letters as fit into some pixels, by default into those of the narrowest column."""
    letters, bare = int(room / _LETTER), _bare(chart, number)
    forms = (brief(chart.images[number].tag), bare, f"{bare[: max(letters - 1, 0)]}…")
    return next((form for form in forms if len(form) <= letters), "")


def _bare(chart: Chart, number: int) -> str:
    tag = brief(chart.images[number].tag, _HEX)
    ending = f"-{chart.history.tag_env}"
    return tag.removesuffix(ending) if len(ending) > 1 and tag != ending else tag


class _SvgWriter:
    """Knows the positions of things."""

    def __init__(self, chart: Chart, window: Window, name: str, left: int, top: int) -> None:
        self._chart, self._window, self._name, self._left, self._top = chart, window, name, left, top
        self._width = len(window.columns) * window.width
        self._names = fit_names(chart.names, _LETTERS_OF_NAME) if window.paper else {}

    def _x(self, column: int) -> int:
        return self._left + (column - self._window.columns[0]) * self._window.width + INSET

    def _y(self, row: int) -> int:
        return self._top + (row - self._window.rows[0]) * ROW

    def ground(self, height: int) -> Iterator[str]:
        for row in self._window.rows:
            if row % 2 == 0:
                yield (
                    f'<rect class="band" x="0" y="{self._y(row)}" width="{self._left + self._width}" '
                    f'height="{ROW}" fill="{_BAND}"/>'
                )
        if not self._window.paper:
            yield (
                f'<rect id="chosen" class="chosen" x="0" y="0" width="{self._window.width}" height="{height}" '
                f'fill="{_MARK}" fill-opacity=".12" visibility="hidden"/>'
            )

    def labels(self, head: int) -> Iterator[str]:
        month = 0
        for column in self._window.columns:
            day = self._chart.columns[column].day
            x = self._x(column) - 5
            if day.month != month:
                month = day.month
                yield f'<text class="faint" x="{x}" y="{head - 22}" fill="{_FAINT}">{day.year}</text>'
            weight = ' font-weight="bold"' if self._chart.columns[column].offered else ""
            yield f'<text class="ink" x="{x}" y="{head - 8}" fill="{_INK}"{weight}>{day:%m-%d}</text>'
        for row in self._window.rows:
            shown = self._names[self._chart.names[row]]
            yield f'<text class="ink" x="8" y="{self._y(row) + ROW // 2 + 4}" fill="{_INK}">{escape(shown)}</text>'

    def past(self, head: int) -> Iterator[str]:
        """A lane per run: where it happened, how it ended, and a line to the date that it went to."""
        for lane, run in enumerate(lanes(self._chart)):
            y = head + lane * LANE + LANE // 2
            if self._window.paper:
                label = "" if lane else "past runs"
                yield f'<text class="faint" x="8" y="{y + 4}" fill="{_FAINT}">{label}</text>'
            if run.column not in self._window.columns:
                continue
            body = self._run(run, y)
            if self._window.paper:
                yield f"<g>{body}</g>"
            else:
                yield f'<a href="#run-{escape(run.id)}" class="run">{body}</a>'

    def _run(self, run: PastRun, y: int) -> str:
        kind, colour = VERDICTS.get(run.verdict, ("faint", _FAINT))
        x = self._x(run.column)
        story = f"{with_local(str(run.at))}: {run.what}, by {run.by}: {run.verdict}, {run.summary}"
        words = f"undo {run.verdict}" if run.what.startswith("undo") else run.verdict
        wide = len(words) * _LETTER
        to = run.to
        end = self._x(to) if to is not None and to in self._window.columns and to < run.column else None
        fits = x - (self._left if end is None else end + 20) - 14 >= wide
        parts = [f"<title>{escape(story)}</title>"]
        if end is not None:
            start = x - 16 - wide if fits else x - 7
            parts.append(
                f'<path class="line-{kind}" d="M{start:.0f} {y}H{end + 2}m6 -4l-6 4l6 4" fill="none" '
                f'stroke="{colour}" stroke-width="1.5"/>'
            )
        parts.append(f'<circle class="fill-{kind}" cx="{x}" cy="{y}" r="6" fill="{colour}"/>')
        place, anchor = (x - 11, "end") if fits else (x + 11, "start")
        if fits or x + 11 + wide <= self._left + self._width:
            parts.append(
                f'<text class="text-{kind}" x="{place}" y="{y + 4}" text-anchor="{anchor}" '
                f'fill="{colour}">{escape(words)}</text>'
            )
        return "".join(parts)

    def service(self, row: int) -> Iterator[str]:
        """The carried stretches, and a mark with its tag for every release."""
        first, last = self._window.columns[0], self._window.columns[-1]
        marks = self._chart.marks[row]
        inside = [mark for mark in marks if first <= mark.column <= last]
        y = self._y(row) + BASE
        if self._runs_before(row, first):
            start: int | None = self._left
        else:
            start = self._x(inside[0].column) if inside else None
        if start is not None:
            yield (
                f'<path class="carried" d="M{start} {y}H{self._left + self._width}" '
                f'stroke="{_LINE}" stroke-width="2"/>'
            )
        for place, mark in enumerate(inside):
            x = self._x(mark.column)
            following = self._x(inside[place + 1].column) if place + 1 < len(inside) else self._left + self._width + 9
            yield self._mark(mark, x, y, following - x - 4)

    def _runs_before(self, row: int, first: int) -> bool:
        """Whether the service has an image from before the window."""
        if any(mark.column < first for mark in self._chart.marks[row]):
            return True
        offered = next((column for column in self._window.columns if column in self._chart.selections), None)
        if offered is None:
            return False
        chosen = self._chart.selections[offered][row]
        return chosen >= 0 and self._chart.images[chosen].day(self._chart.zone) < self._chart.columns[first].day

    def _mark(self, mark: Mark, x: int, y: int, room: int) -> str:
        image = self._chart.images[mark.image]
        shown = label(self._chart, mark.image, room)
        text = f'<text class="ink" x="{x - 5}" y="{y - 12}" fill="{_INK}">{escape(shown)}</text>' if shown else ""
        day = self._chart.columns[mark.column].day
        ident = "" if self._window.paper else f' id="m{mark.image}"'
        ran = image.basis is Basis.DEPLOYED
        dot = (
            f'<rect class="dot" x="{x - 5}" y="{y - 5}" width="10" height="10" fill="{_MARK}"/>'
            if ran
            else f'<circle class="dot" cx="{x}" cy="{y}" r="5" fill="{_MARK}"/>'
        )
        now = is_running(self._chart, mark.row, mark.image)
        halo = f'<circle class="halo" cx="{x}" cy="{y}" r="8.5" fill="none" stroke="{_NOW}" stroke-width="2"/>'
        title = f"{self._chart.names[mark.row]} {image.tag}, {'ran from' if ran else 'built on'} {day}"
        return (
            f'<g class="mark"{ident}><title>{escape(title)}{", runs now" if now else ""}</title>'
            f"{halo if now else ''}{dot}{text}</g>"
        )
