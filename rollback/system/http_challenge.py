"""What a server requires when it says 401: the WWW-Authenticate header (RFC 9110, section 11)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  (a term of the RFC's)
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|\s*,|$)")


@dataclass(frozen=True)
class Challenge:
    """One way in. `scheme` is in lower case; `parameters` by name, in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse(header: str) -> list[Challenge]:
    """Take the header apart. Quoted values may hold commas, as scopes do."""
    challenges: list[Challenge] = []
    at = 0
    while found := _SCHEME.match(header, at):
        at = found.end()
        parameters: dict[str, str] = {}
        while pair := _PARAMETER.match(header, at):
            name, quoted, plain = pair.groups()
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters.setdefault(name.lower(), value)
            at = pair.end()
        challenges.append(Challenge(found[1].lower(), parameters))
    return challenges
