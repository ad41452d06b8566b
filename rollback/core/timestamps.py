"""Points in time to the nanosecond, as registries, records and users write them (RFC 3339 and its relatives)."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone, tzinfo
from typing import NamedTuple

# RFC 3339 as Go, Python and shell builders write it; a space instead of the T is allowed by its section 5.6.
# Beside it what cannot be misread: `date`'s +0100, a space before the offset, a comma before the fraction (ISO 8601),
# and the form of Go's time.Time.String(), which adds the zone's name and the monotonic clock.
_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))? ?"
    r"([Zz]|UTC|GMT|[+-]\d\d:?\d\d)"
    r"(?: (?:[A-Z]{2,5}|[+-]\d\d(?:\d\d)?))?(?: m=[+-]\d+\.\d+)?",
    re.ASCII,
)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ZONE_NAME = re.compile(rf"{_LOCAL.pattern} ?(?P<zone>[A-Za-z][A-Za-z/_]+)", re.ASCII)
_SECONDS = re.compile(r"\d{9,13}", re.ASCII)
_EXAMPLE = "2026-11-20T17:31:05Z"


class Instant(NamedTuple):
    """A point in time to the nanosecond; compares by time.

    Attributes:
        time: an aware UTC datetime, to the microsecond.
        nano: the nanoseconds below that microsecond, 0 to 999. Two images of one build can differ only here.
    """

    time: datetime
    nano: int = 0

    @classmethod
    def parse(cls, text: str) -> Instant:
        """Read a time with an offset and any number of fraction digits: RFC 3339, and what cannot be misread.

        Python 3.10 reads neither `Z` nor nine digits, hence the pattern.

        Raises:
            ValueError: not such a time, or not a possible one; the text says what is wrong with it.
        """
        found = _STAMP.fullmatch(text)
        if not found:
            raise ValueError(f"{text[:60]!r} {_fault(text)}")
        day, clock, fraction, zone = found.groups()
        if zone[0] in "+-" and (zone[1:3] > "23" or zone[-2:] > "59"):
            raise ValueError(f"{zone} is not an offset from UTC")
        digits = f"{fraction or '0':0<9}"
        offset = f"{zone[:3]}:{zone[-2:]}" if zone[0] in "+-" else "+00:00"
        try:
            time = datetime.fromisoformat(f"{day}T{clock}.{digits[:6]}{offset}").astimezone(timezone.utc)
        except OverflowError as error:  # 0001-01-01T00:00:00+14:00 has no UTC form
            raise ValueError(f"{text!r} is outside the calendar") from error
        return cls(time, int(digits[6:9]))

    def day(self, zone: tzinfo = timezone.utc) -> date:
        """The day that it is in `zone`; a day beyond either end of the calendar is the calendar's last one there."""
        try:
            return self.time.astimezone(zone).date()
        except OverflowError:
            return self.time.date()

    def __str__(self) -> str:
        """RFC 3339 with Z, with no more digits than it needs."""
        text = self.time.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        digits = f"{self.time.microsecond:06}{self.nano:03}".rstrip("0")
        return f"{text}.{digits}Z" if digits else f"{text}Z"


def with_local(text: str, zone: tzinfo | None = None, *, seconds: bool = False) -> str:
    """A time as a user reads it, in UTC and beside it in the local zone: `2026-11-22 03:12 UTC (04:12 CET)`.

    Args:
        text: RFC 3339; what is no such time is returned as it is.
        zone: the local zone; None for that of this machine.
        seconds: whether seconds are shown.
    """
    try:
        time = Instant.parse(text).time
        local = time.astimezone(zone)
    except (ValueError, OverflowError):
        return text
    clock = "%H:%M:%S" if seconds else "%H:%M"
    utc = f"{time:%Y-%m-%d} {time.strftime(clock)} UTC"
    if not local.utcoffset():
        return utc
    day = "" if local.date() == time.date() else f"{local:%Y-%m-%d} "
    return f"{utc} ({day}{local.strftime(clock)} {local:%Z})"


def end_of_day(day: str, until: Instant) -> str:
    """The last second of a day with its offset from UTC, `23:59:59 -08:00`; `23:59:59 UTC` where that is none.

    Args:
        day: the day, `2026-11-20`.
        until: the moment at which it ends in the zone in question.

    Raises:
        ValueError: the day is none, or does not end at that moment in any zone.
    """
    end = datetime.combine(date.fromisoformat(day), datetime.max.time())
    offset = end - until.time.replace(tzinfo=None)
    zone = end.replace(tzinfo=timezone(offset)).strftime("%z")
    return f"{end:%H:%M:%S} {f'{zone[:3]}:{zone[3:5]}' if offset else 'UTC'}"


def _fault(text: str) -> str:
    """What is wrong with a text that is no time with an offset."""
    named = _ZONE_NAME.fullmatch(text)
    if named:
        return f"names its zone {named['zone']}, which has no one meaning: write the offset, as in {_EXAMPLE}"
    if _LOCAL.fullmatch(text):
        return f"is not a time with a zone, such as {_EXAMPLE}"
    if _DAY.fullmatch(text):
        return f"is a day without a time, and not a time with a zone, such as {_EXAMPLE}"
    if _SECONDS.fullmatch(text):
        return f"is a bare number, and not a time with a zone, such as {_EXAMPLE}"
    return f"is not a time with a zone, such as {_EXAMPLE}"
