"""Ids of Marathon's apps, and which Marathon it is. Pure; shared by everything that speaks to a Marathon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollback.errors import TargetError

DEFAULT = "/{department}/{env}/{project}/{service}"
EXAMPLE = "/shop/prod/web/billing-api"


def mistakes(pattern: str, section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """What is wrong with a pattern of app ids."""
    if "{service}" not in pattern or "{env}" not in pattern:
        yield "app_id", "it needs {service} and {env}, or it would fit other apps too"
    if not pattern.startswith("/"):
        yield "app_id", "an app's id begins with /"


def identity(info: Mapping[str, Any]) -> str:
    """The identity of a Marathon: the id of its framework, which stays through restarts and changes of address.

    Args:
        info: the answer to `GET /v2/info`.

    Raises:
        TargetError: it has none; Mesos has not registered it yet.
    """
    found = info.get("frameworkId")
    if not isinstance(found, str) or not found:
        raise TargetError(
            "this Marathon has no frameworkId", why="it is not registered with Mesos yet", hint="wait until it is up"
        )
    return f"marathon {found}"
