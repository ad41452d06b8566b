"""Says no to bodies as Marathon does: which status, which message, which path.

Wrong JSON types and broken rules are both 422, with different messages (Marathon 1.10; its own documentation and
older versions say 400 for the former).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rollback.sandbox.http_messages import Request, Response, as_json
from rollback.sandbox.marathon.app_definition import Definition

_ID = re.compile(r"/?(?:(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])(?:\.(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9]))*/?)*")
_EXPECTED = {dict: "error.expected.jsobject", list: "error.expected.jsarray", str: "error.expected.jsstring"}
_NUMBER, _BOOLEAN = "error.expected.jsnumber", "error.expected.jsboolean"
_TYPES: Mapping[str, Any] = {
    "acceptedResourceRoles": list,
    "args": list,
    "backoffFactor": float,
    "backoffSeconds": float,
    "cmd": str,
    "constraints": list,
    "container": {
        "type": str,
        "docker": {"image": str, "forcePullImage": bool, "privileged": bool, "parameters": list},
        "volumes": list,
        "portMappings": list,
    },
    "cpus": float,
    "dependencies": list,
    "disk": float,
    "env": dict,
    "fetch": list,
    "gpus": float,
    "healthChecks": list,
    "id": str,
    "instances": float,
    "labels": dict,
    "maxLaunchDelaySeconds": float,
    "mem": float,
    "networks": list,
    "portDefinitions": list,
    "readinessChecks": list,
    "resourceLimits": dict,
    "upgradeStrategy": {"minimumHealthCapacity": float, "maximumOverCapacity": float},
    "user": str,
    "version": str,
}
_NOT_NEGATIVE = ("backoffSeconds", "cpus", "disk", "gpus", "instances", "maxLaunchDelaySeconds", "mem")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)")


class Rejected(Exception):
    """A request that Marathon turns down; carries the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def rejected(status: int, message: str, **members: Any) -> Rejected:
    """A refusal with Marathon's JSON body."""
    return Rejected(as_json(status, {"message": message, **members}))


def invalid(path: str, *errors: str, message: str = "Object is not valid") -> Rejected:
    """A 422 about one place in the body."""
    return rejected(422, message, details=[{"path": path, "errors": list(errors)}])


def read_json(request: Request) -> Any:
    """Read a body.

    Raises:
        Rejected: 415 for another content type, 400 for no JSON.
    """
    if not request.body:
        raise rejected(400, "Please specify data in JSON format", details="the body is empty")
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise rejected(415, "Unsupported Media Type")
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise rejected(400, "Invalid JSON", details=str(error)) from error


def check_types(body: Any, prefix: str = "") -> None:
    """Check the JSON types of an app or of an update of one.

    Args:
        body: what was sent.
        prefix: its place in a list, such as `(0)`.

    Raises:
        Rejected: 422, naming every wrong member.
    """
    found = list(_wrong_types(body, {} if not isinstance(body, dict) else _TYPES, prefix))
    if not found and isinstance(body, dict):
        found = list(_out_of_bounds(body, prefix))
    if found:
        details = [{"path": path, "errors": [error]} for path, error in found]
        raise rejected(422, "Invalid JSON", details=details)


def check_version_alone(body: Mapping[str, Any]) -> None:
    """`version` requests a stored definition, so nothing may come with it but `id`."""
    if body.get("version") is not None and set(body) - {"version", "id"}:
        raise invalid("/", "The 'version' field may only be combined with the 'id' field.")


def check_stamp(text: str) -> None:
    """A version is a timestamp."""
    if not _STAMP.fullmatch(text):
        raise rejected(422, f"Invalid timestamp provided '{text}'. Expecting ISO-8601 datetime string.")


def check_rules(definition: Definition, prefix: str = "") -> None:
    """Check a whole definition against Marathon's rules.

    Raises:
        Rejected: 422, naming every broken rule.
    """
    found = list(_broken(definition))
    if found:
        details = [{"path": f"{prefix}{path}", "errors": [error]} for path, error in found]
        raise rejected(422, "Object is not valid", details=details)


def check_names(app_id: str, others: Collection[str]) -> None:
    """An app cannot be called like a group, nor be a group.

    Args:
        app_id: of an app that is to be made.
        others: the ids of all others.

    Raises:
        Rejected: 422.
    """
    if any(other.startswith(f"{app_id}/") or app_id.startswith(f"{other}/") for other in others):
        raise invalid("/", "Groups and Applications may not have the same identifier.")


def _wrong_types(value: Any, wanted: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            yield path or "/", _EXPECTED[dict]
            return
        for name, inner in wanted.items():
            if value.get(name) is not None:
                yield from _wrong_types(value[name], inner, f"{path}/{name}")
    elif wanted is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield path, _NUMBER
    elif wanted is bool:
        if not isinstance(value, bool):
            yield path, _BOOLEAN
    elif not isinstance(value, wanted):
        yield path, _EXPECTED[wanted]


def _out_of_bounds(body: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name in _NOT_NEGATIVE:
        if body.get(name) is not None and body[name] < 0:
            yield f"{prefix}/{name}", "error.min"
    if isinstance(body.get("instances"), float):
        yield f"{prefix}/instances", "error.expected.jsnumber"
    if body.get("id") is not None and not _ID.fullmatch(body["id"]):
        yield f"{prefix}/id", "error.pattern"
    for name, value in (body.get("upgradeStrategy") or {}).items():
        if name in _TYPES["upgradeStrategy"] and not 0 <= value <= 1:
            yield f"{prefix}/upgradeStrategy/{name}", "error.max" if value > 1 else "error.min"
    for name, value in (body.get("env") or {}).items():
        if not isinstance(value, (str, dict)):
            yield f"{prefix}/env/{name}", _EXPECTED[str]
    for name, value in (body.get("labels") or {}).items():
        if not isinstance(value, str):
            yield f"{prefix}/labels/{name}", _EXPECTED[str]
    container = body.get("container") or {}
    for place, entries in (
        ("/healthChecks", body.get("healthChecks")),
        ("/networks", body.get("networks")),
        ("/container/volumes", container.get("volumes")),
        ("/container/portMappings", container.get("portMappings")),
    ):
        for index, entry in enumerate(entries or ()):
            if not isinstance(entry, dict):
                yield f"{prefix}{place}({index})", _EXPECTED[dict]


def _broken(definition: Definition) -> Iterator[tuple[str, str]]:
    container = definition.get("container") or {}
    docker = container.get("docker")
    if len(definition.get("cmd") or "long") < 2:
        yield "/cmd", "error.minLength"
    roles = ("*", str(definition["id"]).split("/")[1])  # the default role, and that of the top-level group
    if definition["role"] not in roles:
        yield "/role", f"got {definition['role']}, expected one of: {', '.join(roles)}"
    if container.get("type") == "DOCKER" and docker is None:
        yield "/container/docker", "not defined"
    elif container.get("type") not in (None, "DOCKER", "MESOS"):
        yield "/container/type", "error.unknown.enum.literal"
    if docker is not None and not docker.get("image"):
        yield "/container/docker/image", "must not be empty"
    if docker is None and not definition.get("cmd") and not definition.get("args"):
        yield "/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."
    if definition.get("cmd") and definition.get("args"):
        yield "/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."
    ports = len(container.get("portMappings") or definition.get("portDefinitions") or ())
    for index, check in enumerate(definition.get("healthChecks") or ()):
        if check["protocol"] == "COMMAND" or "port" in check:
            continue
        if check.get("portIndex", 0) >= ports:
            yield (
                f"/healthChecks({index})",
                "Health check port indices must address an element of the ports array or container port mappings.",
            )
    for index, volume in enumerate(container.get("volumes") or ()):
        if not volume.get("containerPath"):
            yield f"/container/volumes({index})/containerPath", "must not be empty"
    if definition["id"] in (definition.get("dependencies") or ()):
        yield "/dependencies", "an app cannot depend on itself"
