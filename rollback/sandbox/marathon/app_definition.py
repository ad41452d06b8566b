"""App definitions: the defaults that Marathon adds, and what a partial update really does to one.

Rules as in Marathon 1.10 (`raml/AppConversion.scala` and its normalization): each top-level member is replaced
whole, nothing below is merged, and members that it does not know vanish at any depth.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

Definition = dict[str, Any]
"""A complete app as Marathon stores it, without `version` and everything that is only reported about it."""

DEFAULTS: Mapping[str, Any] = {
    "acceptedResourceRoles": ["*"],
    "backoffFactor": 1.15,
    "backoffSeconds": 1,
    "cpus": 1,
    "disk": 0,
    "executor": "",
    "gpus": 0,
    "instances": 1,
    "killSelection": "YOUNGEST_FIRST",
    "maxLaunchDelaySeconds": 300,
    "mem": 128,
    "networks": [{"mode": "host"}],
    "requirePorts": False,
    "role": "*",
    "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0},
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
}
MEMBERS = frozenset(DEFAULTS) | {
    "args",
    "check",
    "cmd",
    "constraints",
    "container",
    "dependencies",
    "env",
    "executorResources",
    "fetch",
    "healthChecks",
    "id",
    "labels",
    "portDefinitions",
    "readinessChecks",
    "residency",
    "resourceLimits",
    "secrets",
    "taskKillGracePeriodSeconds",
    "tty",
    "user",
}
# A partial update forgets these unless they are sent again: a quirk of Marathon's conversion.
_LOST = ("resourceLimits", "executorResources")
# Emitted only when they hold something.
_OMITTED_WHEN_EMPTY = ("args", "constraints", "dependencies", "env", "fetch", "healthChecks", "readinessChecks")
_CONTAINER = ("type", "docker", "linuxInfo", "volumes", "portMappings")
_DOCKER = ("image", "forcePullImage", "privileged", "parameters", "credential", "pullConfig")
_PORT_MAPPING = ("containerPort", "hostPort", "labels", "name", "networkNames", "protocol", "servicePort")
_VOLUME = ("containerPath", "hostPath", "mode", "persistent", "external", "secret")
_CHECK_DEFAULTS: Mapping[str, Any] = {
    "gracePeriodSeconds": 300,
    "intervalSeconds": 60,
    "maxConsecutiveFailures": 3,
    "timeoutSeconds": 20,
    "delaySeconds": 15,
    "protocol": "HTTP",
}
_CHECK = (*_CHECK_DEFAULTS, "command", "ignoreHttp1xx", "ipProtocol", "path", "port", "portIndex")
_READINESS_DEFAULTS: Mapping[str, Any] = {
    "name": "readinessCheck",
    "protocol": "HTTP",
    "path": "/",
    "portName": "http-api",
    "intervalSeconds": 30,
    "timeoutSeconds": 10,
    "httpStatusCodesForReady": [200],
    "preserveLastResponse": False,
}


def complete(app_id: str, body: Mapping[str, Any], before: Definition | None = None) -> Definition:
    """Make a whole definition from a body, filling in defaults.

    Args:
        app_id: the app's absolute id; it wins over one in the body.
        body: what a client sent; already valid.
        before: the app's present definition, whose assigned service ports are used again.
    """
    definition = copy.deepcopy(dict(DEFAULTS))
    definition.update(_known(body))
    return _normalized(app_id, definition, before)


def updated(before: Definition, body: Mapping[str, Any]) -> Definition:
    """Apply a partial update: what was sent replaces its member whole, what Marathon forgets is lost."""
    definition = copy.deepcopy({name: value for name, value in before.items() if name not in _LOST})
    definition.update(_known(body))
    return _normalized(before["id"], definition, before)


def needs_restart(before: Definition, after: Definition) -> bool:
    """Tell whether going from one to the other replaces tasks: any difference but the number of instances."""
    return {**before, "instances": 0} != {**after, "instances": 0}


def image_of(definition: Mapping[str, Any]) -> str:
    """The image reference of an app; empty if it has none."""
    docker = (definition.get("container") or {}).get("docker") or {}
    return str(docker.get("image", ""))


def absolute(app_id: str) -> str:
    """An id with one leading slash and no trailing one."""
    return "/" + "/".join(part for part in app_id.split("/") if part)


def _known(body: Mapping[str, Any]) -> Definition:
    """The members that Marathon knows; null counts as absent."""
    sent = {name: copy.deepcopy(value) for name, value in body.items() if name in MEMBERS and value is not None}
    if "portDefinitions" not in sent and isinstance(body.get("ports"), list):
        sent["portDefinitions"] = [{"port": port} for port in body["ports"]]
    if "fetch" not in sent and isinstance(body.get("uris"), list):
        sent["fetch"] = [{"uri": uri} for uri in body["uris"]]
    return sent


def _normalized(app_id: str, definition: Definition, before: Definition | None) -> Definition:
    definition["id"] = app_id
    definition["labels"] = definition.get("labels") or {}
    modes = {network.get("mode", "container") for network in definition["networks"]}
    if definition.get("container"):
        definition["container"] = _container(app_id, definition["container"], modes, before)
    if modes == {"host"}:
        ports = definition.get("portDefinitions") or ([] if definition.get("container") else [{"port": 0}])
        definition["portDefinitions"] = [
            {
                "port": port,
                "protocol": "tcp",
                "labels": {},
                **entry,
                **({"port": port} if not entry.get("port") else {}),
            }
            for entry, port in zip(ports, _service_ports(app_id, before, len(ports)), strict=True)
        ]
    else:
        definition.pop("portDefinitions", None)
        definition.pop("requirePorts", None)
    for name, defaults, members in (
        ("healthChecks", _CHECK_DEFAULTS, _CHECK),
        ("readinessChecks", _READINESS_DEFAULTS, tuple(_READINESS_DEFAULTS)),
    ):
        if definition.get(name):
            definition[name] = [_only({**defaults, **check}, members) for check in definition[name]]
    for check in definition.get("healthChecks") or ():
        if check["protocol"] != "COMMAND" and "port" not in check:
            check.setdefault("portIndex", 0)
        if "HTTP" in check["protocol"]:
            check.setdefault("path", "/")
            check.setdefault("ipProtocol", "IPv4")
    if "dependencies" in definition:
        definition["dependencies"] = sorted(absolute(d) for d in definition["dependencies"])
    for name in _OMITTED_WHEN_EMPTY:
        if name in definition and not definition[name]:
            del definition[name]
    return {name: definition[name] for name in sorted(definition)}


def _container(app_id: str, sent: Mapping[str, Any], modes: Iterable[str], before: Definition | None) -> Definition:
    container = _only(sent, _CONTAINER)
    container["type"] = container.get("type") or "DOCKER"  # also where a Mesos container ran before
    container["volumes"] = [_only(volume, _VOLUME) for volume in container.get("volumes") or ()]
    if container.get("docker"):
        docker = _only(container["docker"], _DOCKER)
        docker.setdefault("forcePullImage", False)
        if container["type"] == "DOCKER":
            docker.setdefault("parameters", [])
            docker.setdefault("privileged", False)
        container["docker"] = docker
    if set(modes) == {"host"}:
        container.pop("portMappings", None)
        return container
    bridge = "container/bridge" in modes
    mappings = container.get("portMappings")
    if mappings is None:
        mappings = [{"containerPort": 0, "name": "default"}]
    ports = _service_ports(app_id, before, len(mappings))
    container["portMappings"] = [
        {
            "labels": {},
            "protocol": "tcp",
            **({"hostPort": 0} if bridge else {}),
            **_only(mapping, _PORT_MAPPING),
            "servicePort": mapping.get("servicePort") or port,
        }
        for mapping, port in zip(mappings, ports, strict=True)
    ]
    return container


def _service_ports(app_id: str, before: Definition | None, count: int) -> list[int]:
    """Ports for mappings that name none: those that the app has already, then others from 10000 to 20000."""
    container = (before or {}).get("container") or {}
    own = [mapping["servicePort"] for mapping in container.get("portMappings") or ()]
    own += [entry["port"] for entry in (before or {}).get("portDefinitions") or ()]
    fresh = [
        10000 + int.from_bytes(hashlib.sha256(f"{app_id} {index}".encode()).digest()[:4], "big") % 10001
        for index in range(count)
    ]
    return (own + fresh[len(own) :])[:count]


def _only(document: Mapping[str, Any], members: Iterable[str]) -> Definition:
    return {name: document[name] for name in members if document.get(name) is not None}
