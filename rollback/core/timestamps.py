"""Points in time to the nanosecond, as registries and records write them (RFC 3339)."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone, tzinfo
from typing import NamedTuple

# RFC 3339 as Go, Python and shell builders write it; a space instead of the T is allowed by its section 5.6.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


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
        """Read an RFC 3339 stamp with an offset and any number of fraction digits.

        Python 3.10 reads neither `Z` nor nine digits, hence the pattern.

        Raises:
            ValueError: not such a stamp, or not a possible time.
        """
        found = _STAMP.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a time with a zone, such as 2026-11-20T17:31:05Z")
        day, clock, fraction, zone = found.groups()
        digits = f"{fraction or '0':0<9}"
        offset = "+00:00" if zone in "Zz" else zone
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
