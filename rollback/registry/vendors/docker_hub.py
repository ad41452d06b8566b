"""Docker Hub: manifests are limited in number, and only GETs count.

https://docs.docker.com/docker-hub/usage/pulls/: a GET of a manifest is a pull, a HEAD is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = "dockerhub"
_NUMBER = re.compile(r"\s*(\d+)(?:\s*;\s*w\s*=\s*(\d+))?")


def remaining(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Read the limit out of an answer's headers: pulls that are left, and the window in seconds; None without."""
    found = _NUMBER.match(headers.get("ratelimit-remaining", ""))
    return (int(found[1]), int(found[2] or 21600)) if found else None


def warning(headers: Mapping[str, str], needed: int, who: str) -> str:
    """What to say before starting, if the work will not fit into the limit; empty if it will.

    Args:
        headers: of any answer about a manifest.
        needed: manifests that are not known yet.
        who: the user that sends the requests.
    """
    left = remaining(headers)
    if left is None or left[0] >= needed:
        return ""
    return (
        f"Docker Hub lets {who} pull {left[0]} more manifests within {left[1] / 3600:g} h, and this takes at least "
        f"{needed}: log in, wait, or request fewer repositories at a time; the cache keeps what was read"
    )
