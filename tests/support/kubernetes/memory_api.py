"""An API server in memory, as far as the target asks it, that counts the requests; nothing happens by itself."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Mapping
from typing import Any

from rollback.system.unix_http import HttpAnswer
from rollback.targets.kubernetes.transport import KubernetesRequest

Json = dict[str, Any]


class MemoryApi:
    """Satisfies `KubernetesTransport`.

    Attributes:
        objects: by API path, the objects.
        forbidden: paths of collections that the user may not list, or to which they may not add.
        requests: what was asked, in order.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {"/api/v1/namespaces/shop": {"metadata": {"name": "shop", "uid": "ns"}}}
        self.forbidden: set[str] = set()
        self.requests: list[KubernetesRequest] = []
        self._lock = threading.Lock()
        self._created = 0

    def add(self, collection: str, name: str, **members: Any) -> Json:
        """Put an object into a collection, such as `/apis/apps/v1/namespaces/shop/deployments`."""
        meta = {"namespace": "shop", "name": name, "uid": f"{collection} {name}", "generation": 1}
        made = {**members, "metadata": {**meta, **members.get("metadata", {})}}
        self.objects[f"{collection}/{name}"] = made
        return made

    @property
    def reads(self) -> list[str]:
        """Paths that were read, in order."""
        return [request.path for request in self.requests if request.method == "GET"]

    @property
    def dry_runs(self) -> list[str]:
        """Paths of objects of which a change was tried, in order."""
        return [request.path for request in self.requests if "dryRun" in request.query]

    @property
    def writes(self) -> list[Any]:
        """What was written, in order."""
        return [request.body for request in self.requests if request.writes]

    def send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        """See `KubernetesTransport`."""
        assert timeout_s > 0
        with self._lock:
            self.requests.append(request)
            return self._answer(request)

    def close(self) -> None:
        """See `KubernetesTransport`."""

    def _answer(self, request: KubernetesRequest) -> HttpAnswer:
        if request.path in self.forbidden:
            return _status(403, "Forbidden", f'User "u" cannot list {request.path.rpartition("/")[2]}')
        if request.method == "GET" and "limit" in request.query:
            listed = [one for path, one in sorted(self.objects.items()) if path.rpartition("/")[0] == request.path]
            start, size = int(request.query.get("continue", 0)), int(request.query["limit"])
            following = str(start + size) if start + size < len(listed) else ""
            return _ok({"metadata": {"continue": following}, "items": listed[start : start + size]})
        if request.method == "POST":
            return self._create(request)
        found = self.objects.get(request.path)
        if found is None:
            return _status(404, "NotFound", "not found")
        if request.method == "GET":
            return _ok(found)
        if request.method == "DELETE":
            return self._delete(request, found)
        changed = copy.deepcopy(found)
        if isinstance(request.body, Mapping):
            _merge(changed, request.body)
            if changed["metadata"].get("resourceVersion") != found["metadata"].get("resourceVersion"):
                return _status(409, "Conflict", "the object has been modified")
        elif not all(_apply(changed, operation) for operation in request.body):
            return _status(422, "Invalid", "the server rejected our request")
        if "dryRun" not in request.query:
            self.objects[request.path] = changed
            if "resourceVersion" in changed["metadata"]:
                changed["metadata"]["resourceVersion"] = str(int(changed["metadata"]["resourceVersion"]) + 1)
        return _ok(changed)

    def _create(self, request: KubernetesRequest) -> HttpAnswer:
        path = f"{request.path}/{request.body['metadata']['name']}"
        if path in self.objects:
            return _status(409, "AlreadyExists", "already exists")
        self._created += 1
        mark = {"uid": f"uid-{self._created}", "resourceVersion": "1"}
        self.objects[path] = {**request.body, "metadata": {**request.body["metadata"], **mark}}
        return _ok(self.objects[path])

    def _delete(self, request: KubernetesRequest, found: Json) -> HttpAnswer:
        if not request.body.get("preconditions", {}).items() <= found["metadata"].items():
            return _status(409, "Conflict", "a precondition does not match")
        del self.objects[request.path]
        return _ok({})


def _merge(entry: Json, change: Mapping[str, Any]) -> None:
    """Carry out a merge patch (RFC 7386)."""
    for key, value in change.items():
        if isinstance(value, Mapping):
            _merge(entry.setdefault(key, {}), value)
        elif value is None:
            entry.pop(key, None)
        else:
            entry[key] = value


def _apply(entry: Json, operation: Mapping[str, Any]) -> bool:
    """Carry out one operation of a JSON patch (RFC 6902); whether it could be."""
    *parents, last = (part.replace("~1", "/") for part in operation["path"].split("/")[1:])
    place: Any = entry
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if operation["op"] == "test":
        return bool(place.get(last) == operation["value"])
    place[last] = operation["value"]
    return True


def _ok(body: Any) -> HttpAnswer:
    return HttpAnswer(200, {}, json.dumps(body).encode())


def _status(code: int, reason: str, message: str) -> HttpAnswer:
    return HttpAnswer(code, {}, json.dumps({"kind": "Status", "reason": reason, "message": message}).encode())
