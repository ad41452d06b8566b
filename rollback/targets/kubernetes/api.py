"""The Kubernetes API, as far as rollback needs it: get, list, create, patch, delete; typed, bounded, with our errors.

    api = KubernetesApi(KubectlOptions(context="prod-eu"))
    workloads = api.list("/apis/apps/v1/namespaces/shop-prod/deployments", "the deployments cannot be read")
    api.patch(path, [{"op": "test", …}, {"op": "replace", …}], "the image of web cannot be changed")

Objects are dictionaries, as the server sends them, with `managedFields`; fields that are zero are absent. Every
`what` is the beginning of an error's text. All methods may be called from several threads.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rollback.errors import TargetError
from rollback.system.unix_http import AnswerLost, AnswerTooLarge, HttpAnswer, NotSent
from rollback.targets.kubernetes import api_errors
from rollback.targets.kubernetes.kubectl import ContextInfo, Kubectl, KubectlOptions
from rollback.targets.kubernetes.kubectl_failures import LoginFailed, Untrusted
from rollback.targets.kubernetes.kubectl_proxy import ProxyUnavailable
from rollback.targets.kubernetes.transport import (
    CommandTransport,
    KubernetesRequest,
    KubernetesTransport,
    PatchType,
    ProxyTransport,
)

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

FIELD_MANAGER = "rollback"  # `managedFields` names it as the owner of what we write
_PAGE = 500  # objects per answer of a list, as kubectl does
_MOST_PAGES = 200
_PAUSES_S = (0.25, 0.5, 1.0, 2.0)  # between attempts
_LEAST_S = 0.1  # for the last attempt
_LONGEST_PAUSE_S = 10.0  # however long a `Retry-After` is
_TRANSIENT = frozenset({500, 502, 503, 504})


class KubernetesApi:
    """The API server behind a context of the kubeconfig; contacted at the first request.

    Args:
        options: which context, and how kubectl is called.
        connect: makes the way to the server; by default a proxy, or single commands where there can be none.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        options: KubectlOptions,
        *,
        connect: Callable[[Kubectl], KubernetesTransport] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._make_transport = connect or _connect
        self._sleep = sleep
        self._lock = threading.Lock()
        self._transport: KubernetesTransport | None = None
        self._kubectl: Kubectl | None = None
        self._context: ContextInfo | None = None

    @property
    def context(self) -> ContextInfo:
        """What the kubeconfig says about the context; contacts no server.

        Raises:
            TargetError: no kubectl, no kubeconfig, or no such context.
        """
        with self._lock:
            return self._prepare()[1]

    def get(self, path: str, what: str, **query: str) -> JsonObject:
        """Read one object.

        Raises:
            NotFound: it does not exist. Forbidden: not with this login.
            LoginRefused: the credentials are not accepted, or there are none.
            TargetError: the server cannot be reached, or its answer cannot be used.
        """
        return self._object(KubernetesRequest("GET", path, query), what)

    def list(self, path: str, what: str, **query: str) -> tuple[JsonObject, ...]:
        """Read all objects of a collection, in one request per 500.

        A namespace that does not exist has no objects: do not believe an empty answer without reading the namespace.

        Args:
            path: of the collection.
            what: the beginning of an error's text.
            query: such as `labelSelector` or `fieldSelector`.

        Raises:
            NotFound: there is no such kind; and as for `get`.
        """
        for attempt in range(len(_PAUSES_S) + 1):
            items: list[JsonObject] = []
            following = ""
            for _ in range(_MOST_PAGES):
                more = {"continue": following} if following else {}
                request = KubernetesRequest("GET", path, {**query, "limit": str(_PAGE), **more})
                answer = self._send(request, what)
                if answer.status == 410 and following and attempt < len(_PAUSES_S):
                    break  # the list is too old to be continued
                page = self._parse(answer, request, what)
                items += _items(page, what, self.context)
                following = str((page.get("metadata") or {}).get("continue") or "")
                if not following:
                    return tuple(items)
            else:
                break
        raise api_errors.unusable(f"the list has no end after {len(items)} objects", what, self.context)

    def patch(
        self,
        path: str,
        change: Sequence[Mapping[str, Any]] | Mapping[str, Any],
        what: str,
        *,
        dry_run: bool = False,
    ) -> JsonObject:
        """Change an object and return it as it is then.

        Args:
            path: of the object.
            change: operations of a JSON patch (RFC 6902), or a mapping as a merge patch (RFC 7386).
            what: the beginning of an error's text.
            dry_run: check rights, schema and admission, and change nothing.

        Raises:
            Invalid: a `test` failed, or the result would be invalid; the server does not say which.
            Conflict: `metadata.resourceVersion` was given and is not the current one.
            NoAnswer: sent, and no answer came; it may have been carried out.
            NotFound, Forbidden, LoginRefused, TargetError: as for `get`; nothing was written.
        """
        kind = PatchType.MERGE if isinstance(change, Mapping) else PatchType.JSON
        return self._object(KubernetesRequest("PATCH", path, _writing(dry_run=dry_run), change, kind.value), what)

    def create(self, path: str, definition: Mapping[str, Any], what: str, *, dry_run: bool = False) -> JsonObject:
        """Create an object in the collection at `path` and return it.

        Raises:
            AlreadyExists: there is one of this name; and as for `patch`.
        """
        return self._object(KubernetesRequest("POST", path, _writing(dry_run=dry_run), definition), what)

    def delete(self, path: str, what: str, *, uid: str = "", version: str = "") -> None:
        """Delete an object.

        Args:
            path: of the object.
            what: the beginning of an error's text.
            uid: delete it only if it is this one, and not another one of the same name.
            version: delete it only if this is still its `resourceVersion`.

        Raises:
            Conflict: it has another uid or version; and as for `patch`.
        """
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if wanted := {name: value for name, value in (("uid", uid), ("resourceVersion", version)) if value}:
            options["preconditions"] = wanted
        self._object(KubernetesRequest("DELETE", path, {}, options), what)

    def close(self) -> None:
        """End the proxy; harmless when called twice. A later request would start another one."""
        with self._lock:
            transport, self._transport = self._transport, None
        if transport:
            transport.close()

    def _prepare(self) -> tuple[Kubectl, ContextInfo]:
        """Find kubectl and the context; call it with the lock held."""
        self._kubectl = self._kubectl or Kubectl(self._options)
        self._context = self._context or self._kubectl.context_info()
        return self._kubectl, self._context

    def _connected(self) -> KubernetesTransport:
        with self._lock:
            kubectl, _ = self._prepare()
            self._transport = self._transport or self._make_transport(kubectl)
            return self._transport

    def _object(self, request: KubernetesRequest, what: str) -> JsonObject:
        return self._parse(self._send(request, what), request, what)

    def _parse(self, answer: HttpAnswer, request: KubernetesRequest, what: str) -> JsonObject:
        if not 200 <= answer.status < 300:
            raise api_errors.refusal(answer, request, what, self.context)
        try:
            body = json.loads(answer.body)
            if not isinstance(body, dict):
                raise TypeError("not an object")
        except (ValueError, TypeError) as error:
            if request.writes:
                raise api_errors.lost(f"the answer is not JSON: {error}", request, what, self.context) from error
            raise api_errors.unusable(f"the answer is not JSON: {error}", what, self.context) from error
        return body

    def _send(self, request: KubernetesRequest, what: str) -> HttpAnswer:
        """Send a request, again where that is harmless, and return the answer, whatever its status."""
        deadline = time.monotonic() + self._options.timeout_s
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._attempt(request, what, max(deadline - time.monotonic(), _LEAST_S))
            except _RepeatableError as error:
                wait_s = max(pause_s or 0.0, error.wait_s)
                if pause_s is None or time.monotonic() + wait_s >= deadline:
                    raise error.failure from error.__cause__
                log.debug("%s; trying again in %g s: %s", what, wait_s, error.failure.why)
                self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, request: KubernetesRequest, what: str, timeout_s: float) -> HttpAnswer:
        """Send a request once.

        Raises:
            _RepeatableError: it failed in a way in which nothing was written.
            TargetError: it failed otherwise.
        """
        try:
            answer = self._connected().send(request, timeout_s)
        except (LoginFailed, Untrusted) as error:
            raise api_errors.not_sent(error, what, self.context) from error
        except NotSent as error:
            raise _RepeatableError(api_errors.not_sent(error, what, self.context)) from error
        except AnswerLost as error:
            failure = api_errors.lost(str(error), request, what, self.context)
            if request.writes:
                raise failure from error
            raise _RepeatableError(failure) from error
        except AnswerTooLarge as error:
            raise api_errors.lost(f"the answer is too large: {error}", request, what, self.context) from error
        if answer.status == 429 or (answer.status in _TRANSIENT and request.method == "GET"):
            raise _RepeatableError(api_errors.refusal(answer, request, what, self.context), _retry_after(answer))
        return answer


class _RepeatableError(Exception):
    """A request failed, nothing was written, and it may be sent again after `wait_s` seconds."""

    def __init__(self, failure: TargetError, wait_s: float = 0.0) -> None:
        super().__init__(failure.what)
        self.failure, self.wait_s = failure, wait_s


def _connect(kubectl: Kubectl) -> KubernetesTransport:
    """A proxy; single commands where there can be none."""
    try:
        return ProxyTransport(kubectl)
    except ProxyUnavailable as error:
        log.warning("kubectl proxy cannot be used (%s): every request runs kubectl, which is slower", error)
        return CommandTransport(kubectl)


def _writing(*, dry_run: bool) -> dict[str, str]:
    """The query of a request that writes, or would write."""
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}


def _retry_after(answer: HttpAnswer) -> float:
    """The seconds that the server wants us to wait, within reason."""
    try:
        return min(max(float(answer.headers.get("retry-after", "")), 0.0), _LONGEST_PAUSE_S)
    except ValueError:
        return 0.0


def _items(page: Mapping[str, Any], what: str, context: ContextInfo) -> list[JsonObject]:
    items = page.get("items", ())
    if items is None:  # how Go writes a list that was never filled
        return []
    if "items" not in page or not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise api_errors.unusable("the answer is not a list of objects", what, context)
    return items
