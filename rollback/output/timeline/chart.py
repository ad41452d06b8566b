"""What the page shows, as values: columns of days, rows of services, marks, selections and past runs. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timezone, tzinfo
from itertools import takewhile

from rollback.core import image_selection
from rollback.core.history import History
from rollback.core.image import Basis, CreatedFrom, Image, builds
from rollback.core.image_selection import AsOf
from rollback.core.matching import service_of
from rollback.core.timestamps import Instant
from rollback.output.text_format import short
from rollback.state.record import Record

NOTHING = -1  # in a selection: the service has no image as of the date, or several of one time
_ON_AXIS = 200  # runs, the newest, whose days are columns; the table has all
_NO_OUTCOME = "no outcome"


@dataclass(frozen=True)
class Column:
    """A day on the axis; only those that the history offers can be chosen."""

    day: date
    offered: bool


@dataclass(frozen=True)
class Mark:
    """An image at its place in the chart: the row of its repository, the column of its day."""

    row: int
    column: int
    image: int


@dataclass(frozen=True)
class PastRun:
    """A run on the same axis.

    Attributes:
        id: the run's id.
        what: `run to 2026-11-20` or `undo of …`.
        by: who.
        reason: why; may be empty.
        at: when it began.
        verdict: the first words of its report, or `no outcome`.
        summary: the rest of that line.
        column: that of its day.
        to: the column of the date to which it went; None where that is not on the axis.
    """

    id: str
    what: str
    by: str
    reason: str
    at: Instant
    verdict: str
    summary: str
    column: int
    to: int | None = None
    undoes: str = ""


@dataclass(frozen=True)
class Running:
    """What runs now, as far as anybody knows.

    Attributes:
        references: by repository, the image reference of each app that runs it.
        source: how it is known, e.g. `queried at 04:12`.
    """

    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Chart:
    """Everything on the page.

    Attributes:
        history: what there was.
        names: one per row, short where that is clear.
        columns: oldest first.
        images: all that a mark or a selection refers to, by index.
        marks: per row, oldest first.
        selections: by column of an offered day, the image of every row (or `NOTHING`).
        runs: newest first.
        running: what runs now.
    """

    history: History
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    images: tuple[Image, ...]
    marks: tuple[tuple[Mark, ...], ...]
    selections: Mapping[int, tuple[int, ...]]
    runs: tuple[PastRun, ...]
    running: Running

    @property
    def zone(self) -> tzinfo:
        """The zone of the days."""
        return self.history.zone


def build(history: History, records: Sequence[Record], running: Running | None = None) -> Chart:
    """Lay out a history and the runs of its environment on one axis.

    Args:
        history: may be empty, then only runs are shown.
        records: the runs, in any order.
        running: what runs now; where it was not queried, it is what the newest run left behind.
    """
    zone = history.zone
    newest = sorted(records, key=lambda record: record.header.at, reverse=True)
    days = dict.fromkeys(history.dates, True)
    for record in newest[:_ON_AXIS]:
        days.setdefault(_day(record, zone), False)
    columns = tuple(Column(day, days[day]) for day in sorted(days))
    place = {column.day: number for number, column in enumerate(columns)}
    lay_out = _by_build if history.basis is Basis.BUILT else _by_deployment
    images, marks, selections = lay_out(history, place)
    return Chart(
        history,
        _names(history.repos),
        columns,
        images,
        marks,
        selections,
        tuple(_past(record, place, zone) for record in newest),
        running if running and running.references else left_behind(newest, history.repos),
    )


def left_behind(newest_first: Sequence[Record], repos: Sequence[str]) -> Running:
    """What past runs left behind: of each app, what the newest run that names it says."""
    of_app: dict[str, str] = {}
    references: dict[str, tuple[str, ...]] = {}
    newest = ""
    for record in newest_first:
        repo_of = {step.get("app"): step.get("repo") for step in record.header.steps if step.get("app")}
        for row in record.outcome.get("services") or ():
            app, stands = str(row.get("app")), str(row.get("stands") or "")
            repo = str(repo_of.get(row.get("app")))
            if repo in repos and stands and app not in of_app:
                of_app[app] = stands
                references[repo] = tuple(dict.fromkeys((*references.get(repo, ()), stands)))
                newest = newest or record.header.run
    return Running(references, f"as runs left it, the newest being {newest}") if references else Running()


def is_running(chart: Chart, row: int, number: int) -> bool:
    """Whether an image runs now, in at least one app of its row's repository."""
    references = chart.running.references.get(chart.history.repos[row], ())
    return any(_is_of(reference, chart.images[number]) for reference in references)


def differs(chart: Chart, row: int, number: int) -> bool | None:
    """Whether a row's apps run anything but an image; None where nobody knows what runs, or no image is chosen."""
    references = chart.running.references.get(chart.history.repos[row], ())
    if not references or number == NOTHING:
        return None
    return not all(_is_of(reference, chart.images[number]) for reference in references)


def _is_of(reference: str, image: Image) -> bool:
    digest = reference.partition("@")[2]
    return image.digest == digest if digest and image.digest else image.tag == short(reference)


def built(image: Image, history: History) -> str:
    """When an image was built, or since when it ran; a history of the older form knows only the day."""
    if image.basis is Basis.DEPLOYED:
        return f"ran since {image.day(history.zone)}"
    if image.created_from is CreatedFrom.DAY:
        return str(image.day(history.zone))
    text = f"{image.created.time.astimezone(history.zone):%Y-%m-%d %H:%M} {history.timezone}"
    return text if history.basis is Basis.BUILT else f"built {text}"


def _names(repos: Sequence[str]) -> tuple[str, ...]:
    short = [service_of(repo) for repo in repos]
    return tuple(short if len(set(short)) == len(short) else repos)


_Layout = tuple[tuple[Image, ...], tuple[tuple[Mark, ...], ...], dict[int, tuple[int, ...]]]


def _by_build(history: History, place: Mapping[date, int]) -> _Layout:
    """The images, the marks of each row and the selections, by when images were built."""
    images = tuple(sorted(history.images, key=lambda image: image.order))
    rows = {repo: row for row, repo in enumerate(history.repos)}
    every: list[list[tuple[date, int]]] = [[] for _ in history.repos]
    for number, image in enumerate(images):
        every[rows[image.repo]].append((image.day(history.zone), number))
    marks = tuple(_marks(row, of_row, place) for row, of_row in enumerate(every))
    selections = {place[day]: tuple(_newest(of_row, day, images) for of_row in every) for day in history.dates}
    return images, marks, selections


def _by_deployment(history: History, place: Mapping[date, int]) -> _Layout:
    """The same on the deployed basis: an image that ran is there once for each day on which an app got it."""
    noon = time(12)

    def on(image: Image, day: date) -> Image:
        if image.basis is Basis.BUILT:
            return image
        then = datetime.combine(day, noon, history.zone).astimezone(timezone.utc)
        return replace(image, created=Instant(then), created_from=CreatedFrom.DEPLOYED)

    numbers: dict[Image, int] = {}
    marks: list[list[Mark]] = [[] for _ in history.repos]
    for day, released in sorted(history.by_day().items()):
        for repo, image in released.items():
            number = numbers.setdefault(on(image, day), len(numbers))
            row = history.repos.index(repo)
            marks[row].append(Mark(row, place[day], number))
    selections = {}
    for day in history.dates:
        chosen = image_selection.select(history, AsOf(str(day), day)).choices
        selections[place[day]] = tuple(
            numbers.setdefault(on(choice.image, choice.released), len(numbers))
            if choice.image and choice.released
            else NOTHING
            for choice in chosen
        )
    return tuple(numbers), tuple(map(tuple, marks)), selections


def _marks(row: int, of_row: Sequence[tuple[date, int]], place: Mapping[date, int]) -> tuple[Mark, ...]:
    """The newest image of each day on the axis; those between two dates offered cannot be chosen by date."""
    by_day = {day: number for day, number in of_row if day in place}
    return tuple(Mark(row, place[day], number) for day, number in by_day.items())


def _newest(of_row: Sequence[tuple[date, int]], day: date, images: Sequence[Image]) -> int:
    """The newest image of the day or before it, as `image_selection.select` chooses it for a date."""
    until = bisect_right([released for released, _ in of_row], day)
    if not until:
        return NOTHING
    newest = of_row[until - 1][1]
    equals = takewhile(
        lambda image: image.created == images[newest].created,
        (images[of_row[place][1]] for place in range(until - 1, -1, -1)),
    )
    return NOTHING if builds(equals) > 1 else newest


def _day(record: Record, zone: tzinfo) -> date:
    return _at(record).time.astimezone(zone).date()


def _at(record: Record) -> Instant:
    return Instant.parse(record.header.at)


def _past(record: Record, place: Mapping[date, int], zone: tzinfo) -> PastRun:
    header = record.header
    to = None
    if header.kind == "run":
        try:
            text = header.as_of
            day = date.fromisoformat(text) if len(text) == 10 else Instant.parse(text).time.astimezone(zone).date()
            to = place.get(day)
        except ValueError:
            to = None
    return PastRun(
        header.run,
        f"run to {header.as_of}" if header.kind == "run" else f"{header.kind} of {header.as_of}",
        header.by,
        header.reason,
        _at(record),
        str(record.outcome.get("verdict") or _NO_OUTCOME),
        str(record.outcome.get("summary") or "killed, or still running"),
        place.get(_day(record, zone), NOTHING),
        to,
        header.as_of if header.kind != "run" else "",
    )
