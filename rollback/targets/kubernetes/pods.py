"""Pods: whether they are ready, why they are not, and how they failed, in the server's own words. Pure.

Members: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from rollback.core.apps import Failure

_OVERDUE = timedelta(seconds=30)  # after the end of its grace period, a pod that is still there cannot be ended
# Reasons for which a container waits and that are failures; all others are steps on its way.
_FAILED_TO_START = {
    *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"),
}
_HASH_OF = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}
_PULL_REASONS = {"ErrImagePull", "ImagePullBackOff"}  # they alternate: one failure


def uid(pod: Mapping[str, Any]) -> str:
    """Its uid."""
    return str(pod["metadata"]["uid"])


def owner(pod: Mapping[str, Any]) -> str:
    """The uid of what controls an object; empty if nothing does."""
    for reference in pod["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def belongs_to(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of what a pod belongs to in the end; the pod itself if nothing controls it.

    The ReplicaSet of a Deployment, or of a Rollout, is called like it, and its pods are labeled with the rest.
    """
    kind, name = controller(pod)
    if kind in {"", "Node"}:  # a static pod is its node's
        return "Pod", str(pod["metadata"]["name"])
    labels = pod["metadata"].get("labels") or {}
    for label, title in _HASH_OF.items():
        if kind == "ReplicaSet" and labels.get(label) and name.endswith(f"-{labels[label]}"):
            return title, name.removesuffix(f"-{labels[label]}")
    return kind, name


def controller(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of what controls an object; empty if nothing does."""
    for reference in entry["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["kind"]), str(reference["name"])
    return "", ""


def digest(pod: Mapping[str, Any], container: str) -> str | None:
    """The digest of the image that a container runs; empty if the runtime does not say it, None if it never ran.

    Most runtimes report `repository@sha256:…`, some with `docker-pullable://` before it. A bare `sha256:…` is that of
    the image's configuration, by which nothing can be pulled.
    """
    for status in _container_statuses(pod):
        if status.get("name") == container and status.get("imageID"):
            _, at, found = str(status["imageID"]).partition("@")
            return found if at and found.startswith("sha256:") else ""
    return None


def is_over(pod: Mapping[str, Any]) -> bool:
    """Whether all its containers have ended for good; such a pod, evicted for instance, stays in the list."""
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def is_terminating(pod: Mapping[str, Any]) -> bool:
    """Whether it is being terminated."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_unreachable(pod: Mapping[str, Any], now: datetime) -> bool:
    """Whether it was to have ended long ago: its node is lost, and nobody can end it before that is back.

    The deletion timestamp is the end of its grace period.
    """
    stamp = pod["metadata"].get("deletionTimestamp")
    if not stamp:
        return False
    ends = datetime.strptime(str(stamp), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return now - ends > _OVERDUE


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its condition Ready is true."""
    return condition(pod, "Ready").get("status") == "True" and not is_terminating(pod)


def is_running(pod: Mapping[str, Any]) -> bool:
    """Whether one of its containers runs."""
    return any("running" in (one.get("state") or {}) for one in _container_statuses(pod))


def condition(entry: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition in the status of an object; empty if it has none of this type."""
    for one in (entry.get("status") or {}).get("conditions") or ():
        if one.get("type") == kind:
            found: Mapping[str, Any] = one
            return found
    return {}


def newest_failure(listed: Iterable[Mapping[str, Any]]) -> Failure | None:
    """The newest failure of any container in these pods."""
    found = max((one for pod in listed for one in _failures(pod)), default=None, key=lambda one: one[0])
    return found[1] if found else None


def unplaced(listed: Iterable[Mapping[str, Any]]) -> str:
    """Why a pod has no node, in the scheduler's words; empty if all have one. An autoscaler may yet bring one."""
    for pod in listed:
        scheduled = condition(pod, "PodScheduled")
        if scheduled.get("status") == "False":
            return f"{scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    return ""


def waiting(listed: Iterable[Mapping[str, Any]]) -> str:
    """What a pod that is not ready waits for; empty if nothing is known."""
    for pod in listed:
        if is_ready(pod) or is_terminating(pod):
            continue
        for status in _container_statuses(pod):
            held = (status.get("state") or {}).get("waiting") or {}
            if held.get("reason") and held["reason"] not in {"PodInitializing", "ContainerCreating"}:
                return _words(str(held["reason"]), str(held.get("message") or ""))
        ready = condition(pod, "Ready")
        if ready.get("message"):
            return str(ready["message"])
    return ""


def _container_statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    for member in ("initContainerStatuses", "containerStatuses"):
        yield from status.get(member) or ()


def _failures(pod: Mapping[str, Any]) -> Iterator[tuple[str, Failure]]:
    """The failures of a pod's containers, each with its time for sorting."""
    if is_over(pod) and pod["status"]["phase"] == "Failed":
        words = _words(str(pod["status"].get("reason") or "Failed"), str(pod["status"].get("message") or ""))
        yield "", Failure(uid(pod), words)
    for status in _container_statuses(pod):
        state, name = status.get("state") or {}, status.get("name", "")
        held = state.get("waiting") or {}
        reason = str(held.get("reason") or "")
        ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
        if reason in _FAILED_TO_START:
            kind = "pull" if reason in _PULL_REASONS else reason
            yield "9999", Failure(f"{uid(pod)} {name} {kind}", _words(reason, str(held.get("message") or "")))
        elif ended and (ended.get("exitCode") or not _is_init(pod, str(name))):
            # While it runs again, the count of restarts is that of its ends; until then it is one behind.
            ends = int(status.get("restartCount", 0)) + (0 if "running" in state else 1)
            words = f"container {name} ended: {ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}"
            message = " ".join(str(ended.get("message") or "").split())
            yield str(ended.get("finishedAt") or ""), Failure(f"{uid(pod)} {name} {ends}", _words(words, message))


def _is_init(pod: Mapping[str, Any], name: str) -> bool:
    """Whether it is an init container, which is to end; a sidecar among them is not."""
    return any(
        one.get("name") == name and one.get("restartPolicy") != "Always"
        for one in (pod.get("spec") or {}).get("initContainers") or ()
    )


def _words(reason: str, message: str) -> str:
    return f"{reason}: {message}" if message else reason
