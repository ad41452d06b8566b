"""A marker: an app without instances, whose labels keep facts where everybody who reaches the target sees them. Pure.

Creating an app is atomic in Marathon: of two machines one gets the answer that it is there already.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rollback.errors import TargetError


def body(marker: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The definition of a marker: it never runs, and says so if somebody scales it up."""
    return {
        "id": marker,
        "cmd": "echo 'a marker of rollback: it keeps facts in its labels and runs nothing'; sleep 60",
        "instances": 0,
        "cpus": 0.01,
        "mem": 16,
        "labels": dict(labels),
    }


def is_taken(error: TargetError) -> bool:
    """Whether a refusal means that there is such an app already, and not that a deployment holds it."""
    return "already exists" in f"{error.what} {error.why}"


def labels_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an app as Marathon shows it."""
    return {str(key): str(value) for key, value in (entry.get("labels") or {}).items()}


def has(labels: Mapping[str, str] | None, wanted: Mapping[str, str]) -> bool:
    """Whether a marker is there and has all of some labels."""
    return labels is not None and wanted.items() <= labels.items()


def beside(name: str, env: str, app_ids: Collection[str]) -> str:
    """The id of a marker, beside an environment's apps: `/<department>/<env>/<name>`.

    An environment has one, whichever of its apps a run is about: where there is a marker already it is that one, else
    the first department by name that has the environment.

    Args:
        name: the marker's name.
        env: deployment name of the environment.
        app_ids: every app of the target, markers included.

    Raises:
        TargetError: no app has the environment as a segment of its id.
    """
    there = sorted(app_id for app_id in app_ids if app_id.endswith(f"/{env}/{name}"))
    for app_id in (*there, *sorted(app_ids)):
        before, found, _ = f"{app_id}/".partition(f"/{env}/")
        if found:
            return f"{before}/{env}/{name}"
    raise TargetError(
        f"there is no place for a marker of {env} on the target",
        why=f"no app has a segment {env!r}",
        hint="set shared_state: folder in the settings",
    )
