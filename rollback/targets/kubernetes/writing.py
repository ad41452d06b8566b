"""The JSON patch (RFC 6902) that changes images, and nothing else. Pure.

It first tests the object's uid and the whole pod template, so that it never overwrites what somebody else has changed
meanwhile; scaling does not matter. A template that gets its old images back is identical to the old one, so that
Kubernetes goes on with the old ReplicaSet and its pods.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
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
    template = workloads.template(entry)
    return [
        *_tests(entry, change),
        *(
            {"op": "replace", "path": f"/spec/template{path}/image", "value": change.images.get(name, change.image)}
            for name, path in _pointers(template, change, entry).items()
        ),
        *_change_cause(entry, change),
    ]


def restore_patch(entry: Mapping[str, Any], change: Change, captured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The patch that brings a captured pod template back.

    Args:
        entry: the workload as it was last read.
        change: its image is written into the template, since the captured reference may name another one by now;
            without one, the captured containers had different images and get them back.
        captured: the pod template.

    Raises:
        TargetError: it is another object of the same name, or has no such container.
    """
    return [
        *_tests(entry, change),
        {"op": "replace", "path": "/spec/template", "value": with_image(captured, change)},
        *_change_cause(entry, change),
    ]


def with_image(template: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """A pod template with the image of a change in all selected containers, as far as it has one for them."""
    copied: dict[str, Any] = copy.deepcopy(dict(template))
    for member in workloads.CONTAINER_LISTS:
        for one in copied["spec"].get(member) or ():
            if one["name"] in change.app.selected:
                one["image"] = change.images.get(one["name"], change.image) or one["image"]
    return copied


def has_annotations(entry: Mapping[str, Any]) -> bool:
    """Whether a workload has any annotation."""
    return bool(entry["metadata"].get("annotations"))


def _tests(entry: Mapping[str, Any], change: Change) -> list[dict[str, Any]]:
    """Operations that fail if it is another object, or if its pod template has changed since it was read."""
    app, uid = change.app, entry["metadata"]["uid"]
    if app.definition.get("uid") not in (None, uid):
        raise TargetError(
            f"{app.id} is another object than when it was read",
            why=f"its uid was {app.definition.get('uid')}, and is {uid}",
            hint="somebody has deleted it and created it again: plan again",
        )
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/spec/template", "value": workloads.template(entry)},
    ]


def _pointers(template: Mapping[str, Any], change: Change, entry: Mapping[str, Any]) -> dict[str, str]:
    """By name, the JSON pointers of the selected containers in a pod template.

    Raises:
        TargetError: there is no such container.
    """
    selected = change.app.selected
    found = {str(one["name"]): path for path, one in workloads.containers(template) if one["name"] in selected}
    missing = [name for name in selected if name not in found]
    if missing or not found:
        raise TargetError(
            f"{change.app.id} has no container {', '.join(missing) or 'with an image that could be changed'}",
            why=f"it has {', '.join(workloads.images(entry))}",
            hint="somebody else may have changed it meanwhile: plan again",
        )
    return found


def _change_cause(entry: Mapping[str, Any], change: Change) -> list[dict[str, Any]]:
    images = workloads.images(entry)
    before = ", ".join(dict.fromkeys(images.get(name, "") for name in change.app.selected))
    after = ", ".join(change.brings) or "their captured images"
    run = f" {change.run}" if change.run else ""
    cause = f"rollback{run}: {', '.join(change.app.selected)} {before} -> {after}"
    if has_annotations(entry):
        pointer = CHANGE_CAUSE.replace("/", "~1")
        return [{"op": "add", "path": f"/metadata/annotations/{pointer}", "value": cause}]
    return [
        # Nothing can be added to a map that is not there, and the test keeps annotations that were added meanwhile.
        {"op": "test", "path": "/metadata/annotations", "value": None},
        {"op": "add", "path": "/metadata/annotations", "value": {CHANGE_CAUSE: cause}},
    ]
