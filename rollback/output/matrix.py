"""The history of a fleet at one glance: services down, dates across, newest right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from rollback.core.history import History
from rollback.core.image import Basis, Image
from rollback.core.image_selection import Choice, Match, Selection
from rollback.core.matching import service_of
from rollback.core.plain_text import counted
from rollback.output.shortening import brief, fit_names
from rollback.output.terminal import Style, TerminalInfo
from rollback.output.text_format import basis_text, table

_LEFT = 2  # columns before the names
_GAP = 2  # columns between two dates
_DAY = 5  # `11-20`
_LEAST = 4  # dates that have to fit with their tags, or the tags give way to more dates
_WIDEST = 160  # columns of a log in which the tags have to fit; the list below it names every image in full
_LONGEST_NAME = 24  # columns for a service on a terminal of up to 96; a quarter of it where there are more


@dataclass(frozen=True)
class _Column:
    day: date
    released: dict[str, Image]
    width: int


def matrix_text(history: History, surface: TerminalInfo, chosen: Selection | None = None) -> str:
    """Draw the matrix.

    Args:
        history: what there is.
        surface: where it is shown; without a width every date is there, with one the oldest give way.
        chosen: the selection whose date and images are highlighted.
    """
    if not history.dates:
        return "no image of this environment: there is no date to go back to\n"
    names = _names(history, surface)
    edge = _LEFT + max(map(len, names.values())) + _GAP
    columns, tags = _columns(history, surface, edge)
    hidden = len(history.dates) - len(columns)
    picked = _picked(history, chosen)
    lines = [*_head(columns, surface, edge, picked[0])]
    for repo, name in names.items():
        row = _row(history, repo, columns, surface, tags=tags, image=picked[1].get(repo), day=picked[0])
        lines.append(f"{' ' * _LEFT}{name:<{edge - _LEFT}}{row}".rstrip())
    if surface.width and len(lines) + 2 > surface.height:  # the dates above are out of sight
        lines += _foot(columns, surface, edge, picked[0])
    lines.append("")
    note = [f"{surface.released} released", f"{surface.carried * 2} carried on"]
    if history.basis is not Basis.BUILT:
        note = [f"{surface.deployed} ran", f"{surface.released} built", note[1]]
    if hidden:
        note.append(f"{counted(hidden, 'older date')} further left")
    together = f"{' ' * _LEFT}{'   '.join(note)}"
    narrow = surface.width and len(together) >= surface.width
    lines += [
        surface.paint(one, Style.QUIET) for one in ([f"{' ' * _LEFT}{one}" for one in note] if narrow else [together])
    ]
    if hidden and surface.width:
        lines += ["", *_dates(history, surface.width)]
    return "\n".join(lines) + "\n"


def _dates(history: History, width: int) -> list[str]:
    """Every date and how many services were released on it, newest first, as many in a line as fit."""
    released = history.by_day()
    cells = [f"{day} ({len(images)})" for day, images in released.items()]
    size = max(map(len, cells)) + 2
    at_once = max((width - 1) // size, 1)
    lines = ["".join(f"{cell:<{size}}" for cell in cells[at : at + at_once]) for at in range(0, len(cells), at_once)]
    return ["All dates (services released):", *(f"{' ' * _LEFT}{line}".rstrip() for line in lines)]


def list_text(history: History) -> str:
    """The dates, newest first, each with the images of that day in full: a line per date, however long."""
    return "".join(
        f"{day}  {'  '.join(f'{image.repo}:{image.tag}{_basis(image, history)}' for image in images.values())}\n"
        for day, images in history.by_day().items()
    )


def _basis(image: Image, history: History) -> str:
    return "" if history.basis is Basis.BUILT else f" ({basis_text(image.basis)})"


def selection_text(chosen: Selection, surface: TerminalInfo) -> str:
    """What every service would get, a line each."""
    rows = []
    for name, choice in _chosen_rows(chosen):
        if choice.image is None:
            rows.append((name, "-", f"{choice.reason}: stays as it is"))
            continue
        note = "released that day" if choice.match is Match.EXACT else f"carried, released {choice.released}"
        if choice.basis is Basis.DEPLOYED:
            note = "ran, deployed that day" if choice.match is Match.EXACT else f"ran, since {choice.released}"
        elif chosen.basis is not Basis.BUILT:
            note = f"built, {note}{f'; {choice.note}' if choice.note else ''}"
        tag = brief(choice.image.tag) if surface.width else choice.image.tag
        rows.append((name, tag, note))
    lines = [f"As of {chosen.as_of.text}:"]
    for line, row in zip(table(rows, surface, shrinkable=(1,), names=0), rows, strict=True):
        lines.append(surface.paint(line, Style.CARE) if row[1] == "-" else line)
    return "\n".join(lines) + "\n"


def _chosen_rows(chosen: Selection) -> Iterator[tuple[str, Choice]]:
    """A row for each repository; on the deployed basis, one for each app that the target remembers."""
    for choice in chosen.choices:
        if choice.apps:
            yield from choice.apps.items()
        else:
            yield service_of(choice.repo), choice


def _names(history: History, surface: TerminalInfo) -> dict[str, str]:
    """What each repository is called; by its whole path where two services share a name."""
    short = [service_of(repo) for repo in history.repos]
    names = dict(zip(history.repos, short if len(set(short)) == len(short) else history.repos, strict=True))
    if surface.width is None:
        return names
    forms = fit_names(names.values(), max(_LONGEST_NAME, surface.width // 4), surface.more)
    return {repo: forms[name] for repo, name in names.items()}


def _columns(history: History, surface: TerminalInfo, edge: int) -> tuple[list[_Column], str]:
    """The newest dates that fit, oldest first, and how tags are shown: `whole`, `bare` or not at all.

    On a terminal the environment's ending is left off, since the line above the matrix names it.
    """
    released = history.by_day()

    def made(tags: str) -> list[_Column]:
        return [
            _Column(
                day, images, max([_DAY, *(len(_label(image, history, surface, tags)) for image in images.values())])
            )
            for day, images in released.items()
        ]

    if surface.width is None:
        for tags in ("whole", "bare", ""):
            every = made(tags)
            if edge + sum(column.width + _GAP for column in every) <= _WIDEST:
                break
        return every[::-1], tags
    for tags in ("whole", "bare", ""):
        fitting = _fitting(made(tags), surface.width - edge)
        if len(fitting) == len(released) or not tags or (tags == "bare" and len(fitting) >= _LEAST):
            break
    return fitting[::-1], tags


def _fitting(newest_first: Sequence[_Column], room: int) -> list[_Column]:
    fitting: list[_Column] = []
    for column in newest_first:
        room -= column.width + (_GAP if fitting else 0)
        if room < 0 and fitting:
            break
        fitting.append(column)
    return fitting


def _label(image: Image, history: History, surface: TerminalInfo, tags: str) -> str:
    """A mark's width in front of the tag, in whatever form is requested."""
    if not tags:
        return " "
    tag = brief(image.tag) if surface.width else image.tag
    if tags == "bare" and history.tag_env:
        tag = tag.removesuffix(f"-{history.tag_env}")
    return f" {tag}"


def _head(columns: Sequence[_Column], surface: TerminalInfo, edge: int, day: date | None) -> list[str]:
    years, days = " " * edge, " " * edge
    year = 0
    for column in columns:
        note = str(column.day.year) if column.day.year != year else ""
        year = column.day.year
        years += f"{note:<{column.width + _GAP}}"
        text = f"{column.day:%m-%d}"
        days += surface.paint(text, Style.CHOSEN if column.day == day else Style.STRONG)
        days += " " * (column.width + _GAP - _DAY)
    lines = [surface.paint(years.rstrip(), Style.QUIET), days.rstrip()]
    if day in [column.day for column in columns] and not surface.colour:
        start = edge + sum(c.width + _GAP for c in columns if day is not None and c.day < day)
        lines.append(" " * start + "^" * _DAY)
    return lines


def _foot(columns: Sequence[_Column], surface: TerminalInfo, edge: int, day: date | None) -> list[str]:
    """The same below the services: the dates next to them, and the years last."""
    years, days, *marker = _head(columns, surface, edge, day)
    return [days, *marker, years]


def _row(
    history: History,
    repo: str,
    columns: Sequence[_Column],
    surface: TerminalInfo,
    *,
    tags: str,
    image: Image | None,
    day: date | None,
) -> str:
    running = _began_before(history, repo, columns[0].day)
    row = ""
    for place, column in enumerate(columns):
        new = column.released.get(repo)
        last = place == len(columns) - 1
        follows = not last and repo in columns[place + 1].released
        width = column.width + (0 if last else _GAP)
        line = width - 1 if follows or last else width  # a blank before the next mark
        if new:
            running = True
            label = _label(new, history, surface, tags)[1:]
            text = (surface.deployed if new.basis is Basis.DEPLOYED else surface.released) + label
            ink = (Style.CHOSEN,) if image and new.digest == image.digest and new.tag == image.tag else (Style.GOOD,)
            row += surface.paint(text, *ink)
            rest = line - len(text)
            drawn = f" {surface.carried * (rest - 1)}" if rest > 1 and not last and not follows else ""
            row += surface.paint(drawn, Style.QUIET) + " " * (width - len(text) - len(drawn))
        elif running:
            drawn = surface.carried * (column.width if last else line)
            at_date = day == column.day and image is not None
            row += surface.paint(drawn, Style.STRONG if at_date else Style.QUIET) + " " * (width - len(drawn))
        else:
            row += " " * width
    return row


def _began_before(history: History, repo: str, day: date) -> bool:
    """Whether an image of a repository is there, or ran, from before a day on."""
    if any(one.day(history.zone) < day for one in history.of(repo)):
        return True
    return any(
        one.repo == repo and one.certain and one.since.day(history.zone) < day and history.ran(one)
        for one in history.deployed
    )


def _picked(history: History, chosen: Selection | None) -> tuple[date | None, dict[str, Image]]:
    if chosen is None:
        return None, {}
    as_of = chosen.as_of
    day = as_of.day or (as_of.instant.time.astimezone(history.zone).date() if as_of.instant else None)
    return day, {choice.repo: choice.image for choice in chosen.choices if choice.image}
