"""The JSON patch (RFC 6902) that changes images, and nothing else. Pure.

It first tests the object's uid and the whole pod template, so that it never overwrites what somebody else has changed
meanwhile; scaling does not matter. A template that gets its old images back is identical to the old one, so that
Kubernetes goes on with the old ReplicaSet and its pods.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rollback.core.apps import Change
from rollback.errors import TargetError
from rollback.targets.kubernetes import workloads

CHANGE_CAUSE = "kubernetes.io/change-cause"  # `kubectl rollout history` shows it


def image_patch(entry: Mapping[str, Any], change: Change) -> list[dict[str, Any]]:
    """The patch for a change: all selected containers at once, and the reason for the history.

    Args:
        entry: the workload as it was last read.
        change: what to write.

    Raises:
        TargetError: it is another object of the same name, or has no such container.
    """
    app = change.app
    if app.definition.get("uid") not in (None, entry["metadata"]["uid"]):
        raise TargetError(
            f"{app.id} is another object than when it was read",
            why=f"its uid was {app.definition.get('uid')}, and is {entry['metadata']['uid']}",
            hint="somebody has deleted it and created it again: plan again",
        )
    template = workloads.template(entry)
    pointers = _pointers(template, app.selected)
    missing = [name for name in app.selected if name not in pointers]
    if missing or not pointers:
        raise TargetError(
            f"{app.id} has no container {', '.join(missing) or 'with an image that could be changed'}",
            why=f"it has {', '.join(workloads.images(entry))}",
            hint="somebody else may have changed it meanwhile: plan again",
        )
    return [
        {"op": "test", "path": "/metadata/uid", "value": entry["metadata"]["uid"]},
        {"op": "test", "path": "/spec/template", "value": template},
        *({"op": "replace", "path": f"{path}/image", "value": change.image} for path in pointers.values()),
        *_change_cause(entry, change),
    ]


def _pointers(template: Mapping[str, Any], selected: Collection[str]) -> dict[str, str]:
    """By name of a selected container, its JSON pointer in the workload."""
    return {
        str(one["name"]): f"/spec/template{path}"
        for path, one in workloads.containers(template)
        if one["name"] in selected
    }


def _change_cause(entry: Mapping[str, Any], change: Change) -> list[dict[str, Any]]:
    cause = f"rollback: {', '.join(change.app.selected)} {change.app.image} -> {change.image}"
    if entry["metadata"].get("annotations"):
        pointer = CHANGE_CAUSE.replace("/", "~1")
        return [{"op": "add", "path": f"/metadata/annotations/{pointer}", "value": cause}]
    return [
        # Nothing can be added to a map that is not there, and the test keeps annotations that were added meanwhile.
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {CHANGE_CAUSE: cause}},
    ]
