"""The settings of a target `kubernetes`: what they mean for an environment, and what is wrong with them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollback.errors import BadInput
from rollback.targets.kubernetes.workloads import KINDS, WorkloadKind

APP_ID = "{namespace}/{kind}/{service}"
EXAMPLE = "shop-prod/deployment/billing"
# `tuple`: a text or a list of texts.
TYPES: Mapping[str, type] = {
    "context": str,
    "namespace": tuple,
    "program": str,
    "kubeconfig": str,
    "kinds": list,
    "environments": list,
    "accept_owners": list,
}
_PLACEHOLDER = re.compile(r"\{\w*\}")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Scope:
    """Where the apps of an environment are.

    Attributes:
        context: the context of the kubeconfig.
        namespaces: sorted.
        kinds: which kinds of workloads count as apps.
    """

    context: str
    namespaces: tuple[str, ...]
    kinds: tuple[WorkloadKind, ...]


def scope(name: str, section: Mapping[str, Any], env: str) -> Scope:
    """Where the apps of an environment are.

    Args:
        name: the target's name, for errors.
        section: the target's section, without mistakes.
        env: deployment name of the environment; empty to leave `{env}` open.

    Raises:
        BadInput: the environment is not one of this target's, or its name cannot be part of a namespace.
    """
    served = section.get("environments")
    if env and served and env not in served:
        raise BadInput(
            f"the environment {env} is not one of the target {name}",
            why=f"its settings list {', '.join(served)}",
            hint="choose another one with --target, or add it to environments: in the target's section",
        )
    namespaces = sorted({_filled(one, env) for one in _namespaces(section)})
    for one in namespaces:
        if env and not _NAMESPACE.fullmatch(one):
            raise BadInput(f"{one!r} cannot be the name of a namespace", hint=f"correct namespace: of {name}")
    return Scope(
        _filled(str(section["context"]), env),
        tuple(namespaces),
        tuple(KINDS[one] for one in section.get("kinds") or KINDS),
    )


def mistakes(pattern: str, section: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings, as pairs of a key and a sentence."""
    for key in ("context", "namespace"):
        if key not in section:
            yield key, f"it is required: the kubeconfig's current {key} may be another one by then"
    namespaces = _namespaces(section)
    for one in (*namespaces, str(section.get("context", ""))):
        unknown = [found for found in _PLACEHOLDER.findall(one) if found != "{env}"]
        if unknown:
            key = "namespace" if one in namespaces else "context"
            yield key, f"there is no {unknown[0]} here; {{env}} is the only placeholder"
    for one in namespaces:
        if not _NAMESPACE.fullmatch(_PLACEHOLDER.sub("env", one)):
            yield "namespace", f"{one!r} cannot be the name of a namespace"
    for one in section.get("kinds") or ():
        if one not in KINDS:
            yield "kinds", f"there is no kind {one!r}; there are {', '.join(KINDS)}"
    if "{service}" not in pattern:
        yield "app_id", "it needs {service}, or it would fit other apps too"
    varying = (*namespaces, str(section.get("context", "")), pattern)
    if not section.get("environments") and not any("{env}" in one for one in varying):
        yield (
            "environments",
            "nothing distinguishes the environments: put {env} into context, namespace or app_id, or list what this "
            "target serves: environments: [prod]",
        )


def _namespaces(section: Mapping[str, Any]) -> tuple[str, ...]:
    found = section.get("namespace", ())
    return (found,) if isinstance(found, str) else tuple(found)


def _filled(text: str, env: str) -> str:
    return text.replace("{env}", env) if env else text
