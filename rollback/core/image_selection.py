"""One image per repository as of a date: the one released then, or the nearest earlier one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum

from rollback.core import deployed
from rollback.core.history import History
from rollback.core.image import Basis, CreatedFrom, DeployedImage, Image, builds
from rollback.core.timestamps import Instant, with_local
from rollback.errors import BadInput, Reason, Refused

_AGO = re.compile(r"(an?|\d{1,5}) (minute|hour|day|week)s? ago", re.ASCII)
_MOST_DATES = 5  # named in an error
_TO_THE_MINUTE = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)([Zz]|[+-]\d\d:\d\d)")

NOTHING_BEFORE = "nothing on or before the date"


class Match(str, Enum):
    """How an image relates to the date."""

    EXACT = "exact"  # released that day
    CARRIED = "carried"  # released earlier and still the newest then
    MISSING = "missing"  # nothing on or before the date
    UNDATED = "undated"  # nothing on or before the date, but images whose time is unknown
    TIED = "tied"  # several builds of one time: which of them is newer, nobody knows
    GONE = "gone"  # what ran then is known, and the registry no longer has it


@dataclass(frozen=True)
class AsOf:
    """A date or a time to which a fleet goes back; `text` is as the user gave it, or what a relative form means."""

    text: str
    day: date | None = None
    instant: Instant | None = None


@dataclass(frozen=True)
class Choice:
    """The image of one repository as of a date.

    Attributes:
        repo: the repository.
        image: the image; None if there is none, or no one.
        match: how it relates to the date.
        released: its release date; on the deployed basis, the day on which the app got it.
        released_that_day: whether the release date is that of the date itself.
        reason: why there is no image; empty if there is one.
        candidates: every image of the newest time: with an image those of the same build, else the tied ones.
        basis: `built`, or `deployed` if it rests on what an app ran.
        note: on the deployed basis, why the built one decides all the same, or what it would have chosen; may be
            empty.
        apps: on the deployed basis, the choice of each app that the target remembers.
        other_apps: on the deployed basis, the choice of every other app; None on the built one, where all apps have
            the same.
    """

    repo: str
    image: Image | None
    match: Match
    released: date | None = None
    released_that_day: bool = False
    reason: str = ""
    candidates: tuple[Image, ...] = ()
    basis: Basis = Basis.BUILT
    note: str = ""
    apps: Mapping[str, Choice] = field(default_factory=dict)
    other_apps: Choice | None = None

    def of(self, app_id: str) -> Choice:
        """The choice for one app."""
        return self.apps.get(app_id) or self.other_apps or self


@dataclass(frozen=True)
class Selection:
    """One choice per repository, in the order of the history's `repos`.

    Attributes:
        as_of: the date or time.
        choices: the choices.
        until: the last moment that counts.
        basis: what the history rests on.
    """

    as_of: AsOf
    choices: tuple[Choice, ...]
    until: Instant | None = None
    basis: Basis = Basis.BUILT


def parse_as_of(text: str, now: datetime, days: tzinfo = timezone.utc, offered: Sequence[date] = ()) -> AsOf:
    """Read what a user gives as `--date`: a date, a time with its zone, or a relative moment.

    `yesterday` and `3 days ago` are the end of that day, `2 hours ago` is that instant. A relative moment is known
    by the time that it means from here on.

    Args:
        text: as it was given.
        now: the present time.
        days: the zone whose days count.
        offered: dates of the history, newest first, for the error.

    Raises:
        BadInput: none of them.
    """
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return AsOf(text, day=date.fromisoformat(text))
        relative = _relative(text, now.astimezone(days))
        if relative:
            return AsOf(relative.isoformat(timespec="seconds"), instant=Instant(relative.astimezone(timezone.utc)))
        short = _TO_THE_MINUTE.fullmatch(text)
        return AsOf(text, instant=Instant.parse(f"{short[1]}:00{short[2]}" if short else text))
    except (ValueError, OverflowError) as error:
        timed = ":" in text or isinstance(error, OverflowError) or re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII)
        dates = ", ".join(map(str, offered[:_MOST_DATES]))
        raise BadInput(
            f"--date: {text!r:.60} is neither a date nor a time",
            why=str(error)
            if timed
            else "a date has the form 2026-11-20; yesterday, 3 days ago and 2 hours ago are read, too",
            hint=(f"use a date of this history: {dates}" if dates else "write 2026-11-20")
            + (", or a time with its zone: 2026-11-20T14:30+01:00" if ":" in text else ""),
        ) from error


def _relative(text: str, now: datetime) -> datetime | None:
    """The moment that a relative form means; None if it is none."""
    words = text.strip().lower()
    days_ago = {"today": 0, "yesterday": 1}.get(words)
    found = _AGO.fullmatch(words)
    if found:
        count, unit = 1 if found[1] in {"a", "an"} else int(found[1]), found[2]
        if unit in {"minute", "hour"}:
            return now - timedelta(**{f"{unit}s": count})
        days_ago = count * (7 if unit == "week" else 1)
    if days_ago is None:
        return None
    return datetime.combine(now.date() - timedelta(days=days_ago), time.max, now.tzinfo)


def select(history: History, as_of: AsOf) -> Selection:
    """Choose one image per repository.

    Raises:
        Refused: the history does not offer this date, or does not reach to this time.
    """
    if as_of.instant is not None:
        _refuse_unreached(history, as_of.instant)
    elif as_of.day not in history.dates:
        raise Refused([_not_offered(history, as_of)])
    until = as_of.instant or _end_of(as_of.day, history.zone)
    choices = tuple(_choose(history, repo, as_of) for repo in history.repos)
    if history.basis is not Basis.BUILT and until:
        choices = tuple(_with_deployed(history, choice, until) for choice in choices)
    return Selection(as_of, choices, until, history.basis)


def _end_of(day: date | None, days: tzinfo) -> Instant | None:
    """The last microsecond of a day."""
    return Instant(datetime.combine(day, time.max, days).astimezone(timezone.utc)) if day else None


def _choose(history: History, repo: str, as_of: AsOf) -> Choice:
    days = history.zone
    if as_of.instant is not None:
        until = as_of.instant
        day = until.day(days)
        reach = history.reach(repo)
        if reach and until < reach:
            return Choice(repo, None, Match.MISSING, reason=_gap(history, reach))
        candidates: Iterable[Image] = (image for image in history.of(repo) if image.created <= until)
    elif as_of.day is not None:
        day = as_of.day
        candidates = (image for image in history.of(repo) if image.day(days) <= day)
    newest = max((image.created for image in candidates), default=None)
    if newest is None:
        return _none(history, repo)
    of_that_time = tuple(image for image in history.of(repo) if image.created == newest)
    released = newest.day(days)
    that_day = released == day
    if builds(of_that_time) > 1:
        named = " and ".join(f"{image.tag} ({image.digest[:19]})" for image in of_that_time)
        reason = f"{named} were both created at {newest}, so which of them is newer is unknown"
        return Choice(repo, None, Match.TIED, released, that_day, reason, of_that_time)
    match = Match.EXACT if that_day else Match.CARRIED
    return Choice(repo, of_that_time[0], match, released, that_day, candidates=of_that_time)


def _with_deployed(history: History, built: Choice, until: Instant) -> Choice:
    """The choice on the deployed basis: each app gets what it had itself, where that is known.

    For the repository as a whole it is the newest image that any of its apps got until then.
    """
    repo = built.repo
    spans = deployed.by_app(history.deployed, repo)
    then = {app_id: deployed.at(entries, until) for app_id, entries in spans.items()}
    built = settled(built, [entry.digest for entry in then.values() if entry and entry.certain and entry.digest])
    day = until.day(history.zone)
    apps = {
        app_id: _ran(history, entry, day, built)
        if entry and entry.certain
        else replace(built, note=_unknown(spans[app_id], entry, until))
        for app_id, entry in then.items()
    }
    other = replace(built, note="what it ran then is not known; its image rests on when it was built")
    ran = [(entry.since, app_id) for app_id, entry in then.items() if entry and entry.certain]
    newest = apps[max(ran)[1]] if ran else other
    return replace(newest, apps=apps, other_apps=other)


def _ran(history: History, entry: DeployedImage, day: date, built: Choice) -> Choice:
    """The choice of an app that is known to have run an image; it says where the built basis would differ."""
    image = history.ran(entry)
    since = entry.since.day(history.zone)
    if image is None:
        name = f"{entry.repo}{f':{entry.tag}' if entry.tag else ''}{f'@{entry.digest}' if entry.digest else ''}"
        lost = "the registry no longer has it" if entry.tag else "no tag in the registry names it"
        reason = f"{entry.app} ran {name} then, and {lost}"
        return Choice(entry.repo, None, Match.GONE, since, since == day, reason, basis=Basis.DEPLOYED)
    match = Match.EXACT if since == day else Match.CARRIED
    same = tuple(one for one in history.images if one.repo == entry.repo and one.build == image.build)
    differs = built.image is not None and built.image.build != image.build
    note = f"by when images were built it would get {built.image.tag}" if built.image and differs else ""
    return Choice(entry.repo, image, match, since, since == day, candidates=same, basis=Basis.DEPLOYED, note=note)


def _unknown(entries: Sequence[DeployedImage], entry: DeployedImage | None, until: Instant) -> str:
    """Why an app's memory does not decide."""
    if entry:
        name = entry.tag or entry.digest[:19] or "an image"
        return (
            f"uncertain: it was configured with {name} at {with_local(str(entry.since))}, and may not have run it; "
            "its image rests on when it was built"
        )
    if until < entries[0].since:
        since = with_local(str(entries[0].since))
        return f"what it ran before {since} is not remembered; its image rests on when it was built"
    return "it ran no image of this repository then; its image rests on when it was built"


def _none(history: History, repo: str) -> Choice:
    undated = history.undated(repo)
    if undated:
        return Choice(repo, None, Match.UNDATED, reason=undated)
    if history.of(repo):
        return Choice(repo, None, Match.MISSING, reason=NOTHING_BEFORE)
    return Choice(repo, None, Match.MISSING, reason=f"{NOTHING_BEFORE}: {history.without_image(repo)}")


def settled(choice: Choice, digests: Collection[str]) -> Choice:
    """Decide a tie by what an app runs or ran; never by the text of a tag.

    Args:
        choice: of one repository.
        digests: what its apps run, or ran at the date.

    Returns:
        The choice with the one build among the candidates that an app has; unchanged if that is none, or several.
    """
    had = [image for image in choice.candidates if image.digest in digests]
    if choice.match is not Match.TIED or builds(had) != 1:
        return choice
    match = Match.EXACT if choice.released_that_day else Match.CARRIED
    return replace(choice, image=had[0], match=match, reason="", candidates=tuple(had))


def _not_offered(history: History, as_of: AsOf) -> Reason:
    day = as_of.day
    if not history.dates or day is None:
        return Reason(
            f"{as_of.text} is not a date of this history",
            why="it offers no date at all",
            hint="make a new one with `rollback get`, and look at what it skips",
        )
    earlier = next((offered for offered in history.dates if offered < day), None)
    later = next((offered for offered in reversed(history.dates) if offered > day), None)
    near = [str(offered) for offered in (earlier, later) if offered]
    nearest = f"the nearest date{'s are' if len(near) > 1 else ' is'} {' and '.join(near)}"
    older = "" if earlier else "; it is older than this history"
    return Reason(
        f"{day} is not a date of this history",
        why=f"nothing was released that day{older}; {nearest}",
        hint=f"use --date={earlier or later}"
        + ("" if earlier else ", or look further back: `rollback get`, a larger --last"),
    )


def _refuse_unreached(history: History, instant: Instant) -> None:
    """A time is exact only where the history has no gap."""
    if any(image.created_from is CreatedFrom.DAY for image in history.images) or not history.last:
        raise Refused(
            [
                Reason(
                    f"{instant} is a time, and this history knows only days",
                    why="it has `all` and `rollbacks` alone",
                    hint="give a date, or make a new history with `rollback get`",
                )
            ]
        )
    if history.generated and instant > history.generated:
        raise Refused(
            [
                Reason(
                    f"{instant} is later than this history",
                    why=f"it was made at {with_local(str(history.generated), seconds=True)}",
                    hint="make a new one with `rollback get`",
                )
            ]
        )
    for repo in history.repos if history.basis is Basis.BUILT else ():
        reach = history.reach(repo)
        if reach and instant < reach:
            raise Refused(
                [
                    Reason(
                        f"{instant} is further back than this history holds every image of {repo}",
                        why=_gap(history, reach),
                        hint="give a date that it offers, or look further back: `rollback get`, a larger --last",
                    )
                ]
            )


def _gap(history: History, reach: Instant) -> str:
    return f"its newest {history.last} images reach to {with_local(str(reach), seconds=True)}"
