"""The two ways to the API server: a `kubectl proxy` for everything, or one kubectl process per request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol
from urllib.parse import urlencode

from rollback.errors import ProgramStopped
from rollback.system.unix_http import AnswerLost, HttpAnswer, NotSent, UnixHttpClient
from rollback.targets.kubernetes.kubectl import Kubectl
from rollback.targets.kubernetes.kubectl_failures import raise_if_not_sent
from rollback.targets.kubernetes.kubectl_proxy import KubectlProxy

_ANSWER_LIMIT = 64 << 20  # bytes; 500 large Deployments are 6 MB, and etcd stores no object above 1.5 MB


class PatchType(str, Enum):
    """Formats of a patch; the value is its content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class KubernetesRequest:
    """A request to the API server.

    Attributes:
        method: `GET`, `POST`, `PATCH` or `DELETE`.
        path: such as `/apis/apps/v1/namespaces/shop-prod/deployments/web`.
        query: its parameters.
        body: what is sent as JSON; None for nothing.
        content_type: of the body.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    content_type: str = "application/json"

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET" and "dryRun" not in self.query


class KubernetesTransport(Protocol):
    """A way to the API server; may be used from several threads."""

    def send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        """Send a request and return the server's answer, whatever its status.

        Raises:
            NotSent: it did not reach the API server; `LoginFailed` and `Untrusted` are why it did not.
            AnswerLost: it was sent, and no whole answer came.
            AnswerTooLarge: the answer is larger than the limit.
            TargetError: kubectl cannot be started.
        """
        ...

    def close(self) -> None:
        """End what runs; harmless when called twice."""
        ...


class ProxyTransport:
    """Sends requests through one `kubectl proxy`, which is started again if it dies.

    Args:
        kubectl: how kubectl is called.

    Raises:
        ProxyUnavailable: a proxy cannot be had.
        TargetError: kubectl cannot be started.
    """

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._lock = threading.Lock()
        self._proxy = KubectlProxy(kubectl)
        self._client = UnixHttpClient(self._proxy.socket, _ANSWER_LIMIT)

    def send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        """See `KubernetesTransport.send`."""
        answer = self._send(request, timeout_s)
        if answer.status == 401:
            # client-go discards the credentials of an exec plug-in after a 401, so the next request logs in again.
            answer = self._send(request, timeout_s)
        return answer

    def close(self) -> None:
        """See `KubernetesTransport.close`."""
        self._client.close()
        self._proxy.stop()

    def _send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        body = None if request.body is None else json.dumps(request.body).encode()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = request.content_type
        client = self._client
        try:
            answer = client.send(request.method, request.target, body, headers, timeout_s)
        except NotSent as error:
            if not isinstance(error.__cause__, (ConnectionRefusedError, FileNotFoundError)):
                raise
            self._restart(client)
            answer = self._client.send(request.method, request.target, body, headers, timeout_s)
        if answer.status in (500, 502) and "json" not in answer.headers.get("content-type", ""):
            text = answer.body.decode(errors="replace")  # kubectl's own, not the API server's
            raise_if_not_sent(text, details=self._proxy.last_words())
            raise AnswerLost(text)
        return answer

    def _restart(self, used: UnixHttpClient) -> None:
        """Start the proxy again, unless another thread has done that since `used` was current.

        That nobody listens is the proof that it is dead: a process that was killed counts as running for a moment.
        """
        with self._lock:
            if self._client is not used:
                return
            used.close()
            self._proxy.stop()
            self._proxy = KubectlProxy(self._kubectl)
            self._client = UnixHttpClient(self._proxy.socket, _ANSWER_LIMIT)


class CommandTransport:
    """Runs one kubectl per request: slower by 100 to 300 ms, and each logs in by itself.

    Needs kubectl 1.20 or newer (`--patch-file`). Bodies go through standard input: a pod template may hold secrets.

    Args:
        kubectl: how kubectl is called.
    """

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def send(self, request: KubernetesRequest, timeout_s: float) -> HttpAnswer:
        """See `KubernetesTransport.send`."""
        stdin = "" if request.body is None else json.dumps(request.body)
        try:
            done = self._kubectl.run(*_arguments(request), stdin=stdin, timeout_s=timeout_s)
        except ProgramStopped as error:
            raise AnswerLost(error.what) from error
        if done.code == 0:
            return HttpAnswer(200, {"content-type": "application/json"}, done.stdout.encode())
        said = done.quote
        status = _status_of(said)
        if status is None:
            raise_if_not_sent(f"{done.stdout[:200]} {said}")
            raise AnswerLost(said or f"kubectl ended with code {done.code} and printed nothing")
        return HttpAnswer(status["code"], {"content-type": "application/json"}, json.dumps(status).encode())

    def close(self) -> None:
        """Nothing runs between two requests."""


# The resource, its group and version, its namespace and its name.
_OBJECT = re.compile(r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)/namespaces/([^/]+)/([^/]+)/([^/]+)")
_REASON = re.compile(r"Error from server \((?P<reason>\w+)\): (?P<message>.*)", re.S)
_CODES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "Gone": 410,
    "UnsupportedMediaType": 415,
    "Invalid": 422,
    "TooManyRequests": 429,
    "InternalError": 500,
    "ServerTimeout": 500,
    "ServiceUnavailable": 503,
    "Timeout": 504,
}


def _arguments(request: KubernetesRequest) -> list[str]:
    """The kubectl command for a request; there is no `--raw` for a patch."""
    verb = {"GET": "get", "POST": "create", "DELETE": "delete"}.get(request.method)
    if verb:
        body = [] if request.body is None else ["--filename=-"]
        return [verb, f"--raw={request.target}", *body]
    found = _OBJECT.fullmatch(request.path)
    if not found:
        raise ValueError(f"not the path of an object: {request.path}")
    namespace, resource, name = found.group(3, 4, 5)
    kind = f"{resource}.{found['version']}.{found['group']}" if found["group"] else resource
    options = [f"--field-manager={request.query['fieldManager']}"] if "fieldManager" in request.query else []
    options += ["--dry-run=server"] if "dryRun" in request.query else []
    patch_type = {PatchType.JSON: "json", PatchType.MERGE: "merge"}[PatchType(request.content_type)]
    source = [f"--type={patch_type}", "--patch-file=/dev/stdin", "--output=json"]
    return ["patch", kind, name, f"--namespace={namespace}", *source, *options]


def _status_of(said: str) -> dict[str, Any] | None:
    """The `Status` that kubectl has turned into words; None if the API server did not say this."""
    found = _REASON.search(said)
    if found:
        reason, message = found["reason"], found["message"].strip()
        return {"code": _CODES.get(reason, 500), "reason": reason, "message": message}
    if "You must be logged in to the server" in said:
        return {"code": 401, "reason": "Unauthorized", "message": said}
    if "The request is invalid" in said:
        return {"code": 422, "reason": "Invalid", "message": said}
    if "the server doesn't have a resource type" in said:
        return {"code": 404, "reason": "NotFound", "message": said}
    return None
