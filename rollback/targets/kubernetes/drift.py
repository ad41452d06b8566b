"""What a rollback of images leaves as it is: how a workload's pod template has changed since a date. Pure.

Images are left aside. Of environment variables the names alone are shown, since the values may be secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollback.targets.kubernetes import workloads
from rollback.targets.kubernetes.workloads import CONTAINER_LISTS

_HASH_LABEL = "pod-template-hash"  # of the ReplicaSet, not of the Deployment
_SHOWN_APART = {"name", "image", "env", "resources"}


def drift(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What has changed, a few words each.

    Args:
        then: the pod template as of the date.
        now: the present one.
    """
    return (*_containers(then, now), *_pod(then, now))


def replicas(then: int | None, now: int) -> tuple[str, ...]:
    """How the number of replicas has changed since the Deployment got another pod template; empty if not known."""
    return () if then is None or then == now else (f"replicas was {then} when it was replaced, is {now}",)


def _containers(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before = {str(one["name"]): one for _, one in workloads.containers(then)}
    after = {str(one["name"]): one for _, one in workloads.containers(now)}
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"container {name} is gone"
        elif name not in before:
            yield f"container {name} is new"
        else:
            whose = f"{name}: " if len({*before, *after}) > 1 else ""
            yield from (f"{whose}{words}" for words in _container(before[name], after[name]))


def _container(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before, after = ({str(one["name"]): one for one in side.get("env") or ()} for side in (then, now))
    for key in sorted({*before, *after}):
        if key not in after:
            yield f"env {key} is gone"
        elif key not in before:
            yield f"env {key} is new"
        elif before[key] != after[key]:
            yield f"env {key} has another value"
    yield from _resources(then.get("resources") or {}, now.get("resources") or {})
    yield from _changed(then, now, _SHOWN_APART)


def _resources(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for member in ("requests", "limits"):
        before, after = then.get(member) or {}, now.get(member) or {}
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"{member}.{name} was {before.get(name, 'not set')}, is {after.get(name, 'not set')}"


def _pod(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for key in ("labels", "annotations"):
        before, after = (
            {
                name: value
                for name, value in ((side.get("metadata") or {}).get(key) or {}).items()
                if name != _HASH_LABEL
            }
            for side in (then, now)
        )
        if before != after:
            yield f"pod {key} changed"
    yield from (f"pod {words}" for words in _changed(then["spec"], now["spec"], set(CONTAINER_LISTS)))


def _changed(then: Mapping[str, Any], now: Mapping[str, Any], without: set[str]) -> Iterator[str]:
    for key in sorted({*then, *now} - without):
        if (then.get(key) or None) != (now.get(key) or None):
            yield f"{key} changed"
