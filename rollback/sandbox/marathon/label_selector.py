"""Label selectors of `GET /v2/apps?label=`: `k`, `k==v`, `k!=v`, `k in (a, b)`, `k notin (a, b)`, comma for "and"."""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORD = r"(?:[A-Za-z0-9._-]|\\.)+"
_TERM = re.compile(
    rf"\s*(?P<key>{_WORD})(?:\s*(?P<sign>==|!=)\s*(?P<value>{_WORD})"
    rf"|\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\))?\s*(?:,|$)"
)


def fits(selector: str, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy a selector. Also `!=` and `notin` need the label to be there.

    Raises:
        ValueError: not a selector.
    """
    at, fit = 0, True
    while at < len(selector):
        term = _TERM.match(selector, at)
        if not term:
            raise ValueError(f"cannot be read from character {at} on")
        at = term.end()
        value = labels.get(_plain(term["key"]))
        if value is None:
            fit = False
        elif term["sign"]:
            fit &= (value == _plain(term["value"])) == (term["sign"] == "==")
        elif term["set"]:
            among = value in [_plain(v.strip()) for v in term["values"].split(",")]
            fit &= among == (term["set"] == "in")
    return fit


def _plain(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word)
