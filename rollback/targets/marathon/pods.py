"""Marathon's pods, as far as they run images: they are named in plans and never changed. Pure.

`GET /v2/pods` gives their definitions, `GET /v2/pods/::status`, which `dcos` prints, the same below `spec`. An image
that is not Docker's is none of a registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollback.core.apps import App, Container
from rollback.errors import TargetError
from rollback.targets.base import UNREADABLE
from rollback.targets.capabilities import Unmanaged

NOT_SUPPORTED = "pods are not supported"


def unmanaged(entries: Iterable[Mapping[str, Any]]) -> Unmanaged:
    """The pods that run images.

    Raises:
        TargetError: one of them is not a pod.
    """
    apps = tuple(_app(entry) for entry in entries)
    return Unmanaged(tuple(app for app in apps if app.containers))


def unknown(error: TargetError) -> Unmanaged:
    """What is said where the pods cannot be read."""
    return Unmanaged(not_looked_at=(f"pods: {error.why or error.what}",))


def _app(entry: Mapping[str, Any]) -> App:
    try:
        spec = entry.get("spec") or entry
        containers = tuple(
            Container(str(one.get("name") or ""), str(one["image"]["id"]))
            for one in spec.get("containers") or ()
            if (one.get("image") or {}).get("kind", "DOCKER") == "DOCKER" and one.get("image")
        )
        return App(str(entry["id"]), "", "", 1, checked=False, containers=containers, unmanaged=NOT_SUPPORTED)
    except (KeyError, TypeError, AttributeError) as error:
        what = "Marathon's answer cannot be read: a pod is not as expected"
        raise TargetError(what, why=repr(error), hint=UNREADABLE) from error
