"""What a rollback of images leaves as it is: how an app's configuration has changed since a date. Pure.

Marathon keeps about the last fifty definitions of each app (`--zk_max_versions`), in no promised order. A version
that is listed need never have run: a refused update leaves one behind, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollback.core.timestamps import Instant

_SHOWN_WITH_VALUES = ("instances", "cpus", "mem", "disk", "gpus")
_COMPARED = (
    *(
        "cmd",
        "args",
        "user",
        "labels",
        "constraints",
        "healthChecks",
        "readinessChecks",
        "upgradeStrategy",
        "networks",
    ),
    *("dependencies", "secrets", "acceptedResourceRoles", "resourceLimits", "fetch"),
    *("portDefinitions", "residency"),
)


def version_at(versions: Iterable[str], until: Instant) -> str:
    """The newest version that is not later than a time; empty if none reaches back so far."""
    stamped = [(Instant.parse(version), version) for version in versions]
    return max((pair for pair in stamped if pair[0] <= until), default=(until, ""))[1]


def drift(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """What has changed, a few words each; of environment variables the names alone, since the values may be secret.

    Args:
        then: an app's definition as of the date.
        now: its present one.
    """
    changes = []
    for name in _SHOWN_WITH_VALUES:
        before, after = then.get(name), now.get(name)
        if before != after:
            changes.append(f"{name} was {_number(before)}, is {_number(after)}")
    before_env, after_env = then.get("env") or {}, now.get("env") or {}
    for key in sorted({*before_env, *after_env}):
        if key not in after_env:
            changes.append(f"env {key} is gone")
        elif key not in before_env:
            changes.append(f"env {key} is new")
        elif before_env[key] != after_env[key]:
            changes.append(f"env {key} has another value")
    changes += [f"{name} changed" for name in _COMPARED if (then.get(name) or None) != (now.get(name) or None)]
    if _around_image(then) != _around_image(now):
        changes.append("container changed beside its image")
    return tuple(changes)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "not set"


def _around_image(definition: Mapping[str, Any]) -> Any:
    container = definition.get("container") or {}
    docker = {key: value for key, value in (container.get("docker") or {}).items() if key != "image"}
    return {**container, "docker": docker}
