"""Which tags belong to an environment, which of them move, and which names an image best."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from rollback.errors import BadInput

PATTERN = "{version}-{env}"
_PLACEHOLDER = re.compile(r"\{(\w+)(?::((?:[^{}]|\{\d*,?\d*\})+))?\}")


@dataclass(frozen=True)
class EnvironmentTags:
    """The tags of one environment.

    Attributes:
        environment: the tag name of the environment, e.g. `master`.
        pattern: has `{env}`, and any other `{name}` for one or more characters, or `{name:expression}` for what a
            regular expression fits.
        others: the tag names of all configured environments. A tag that fits several belongs to the longest name.
    """

    environment: str
    pattern: str = PATTERN
    others: frozenset[str] = field(default_factory=frozenset)

    def fits(self, tag: str) -> bool:
        """Whether a tag belongs to the environment.

        It fits the pattern as a whole, or is the environment's name itself: with the usual pattern `1-master` and
        `master` are master's, `1-premaster` and `-master` are not.
        """
        if not _fits(tag, self.environment, self.pattern):
            return False
        return not any(
            len(other) > len(self.environment) and _fits(tag, other, self.pattern) for other in self.others
        )

    def near_miss(self, tag: str) -> str:
        """Why a tag that does not belong to the environment should be named: it would if case were ignored."""
        if any(_fits(tag, name, self.pattern) for name in {self.environment, *self.others}):
            return ""
        near = _fits(tag, self.environment, self.pattern, any_case=True)
        return f"differs from {self.pattern} with {self.environment} only in case" if near else ""

    def moves(self, tag: str) -> bool:
        """Whether a tag is of the kind that names one image today and another tomorrow.

        That is the environment's bare name, and every tag whose part beside the environment has no digit:
        `latest-master`, `stable-master`.
        """
        return not any(character.isdigit() for character in self._version(tag))

    def best(self, tags: Iterable[str]) -> str:
        """The tag that names an image best: one that does not move, and of those the most exact version."""
        return min(tags, key=lambda tag: (self.moves(tag), -self._version(tag).count("."), len(tag), tag))

    def _version(self, tag: str) -> str:
        """What a tag says beside the environment."""
        if tag == self.environment:
            return ""
        found = _expression(self.environment, self.pattern, any_case=False).fullmatch(tag)
        return "".join(found.groups()) if found else tag.replace(self.environment, "")


def check_pattern(pattern: str) -> None:
    """Make sure that a pattern can be used.

    Raises:
        BadInput: it has no `{env}`, or an expression in it is not one.
    """
    if "{env}" not in pattern:
        raise BadInput("it needs {env}, or tags of every environment would do")
    try:
        for _name, expression in _PLACEHOLDER.findall(pattern):
            if re.compile(expression).groups:
                raise BadInput(f"the expression {expression!r} has a group", hint="write it as (?:…)")
        _expression("env", pattern, any_case=False)
    except re.error as error:
        raise BadInput(f"an expression in it cannot be read: {error}") from error


def _fits(tag: str, environment: str, pattern: str, *, any_case: bool = False) -> bool:
    if (tag.casefold() == environment.casefold()) if any_case else (tag == environment):
        return True
    return bool(_expression(environment, pattern, any_case=any_case).fullmatch(tag))


@lru_cache(maxsize=64)  # used once per tag, of which there can be a hundred thousand, and environment
def _expression(environment: str, pattern: str, *, any_case: bool) -> re.Pattern[str]:
    """A group for each placeholder but `{env}`."""
    text, end = "", 0
    for found in _PLACEHOLDER.finditer(pattern):
        text += re.escape(pattern[end : found.start()])
        end = found.end()
        name, expression = found.groups()
        text += re.escape(environment) if name == "env" else f"({expression or '.+'})"
    return re.compile(text + re.escape(pattern[end:]), re.IGNORECASE if any_case else 0)
