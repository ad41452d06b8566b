"""What an answer of the API server means: one of our errors, in the server's own words."""

from __future__ import annotations

import json
import re
from typing import Any

from rollback.errors import LoginRefused, NoAnswer, TargetError
from rollback.system.unix_http import HttpAnswer, NotSent
from rollback.targets.kubernetes.kubectl import ContextInfo, words
from rollback.targets.kubernetes.kubectl_failures import LoginFailed, LoginUnknown, Untrusted
from rollback.targets.kubernetes.transport import KubernetesRequest


class NotFound(TargetError):
    """The object, its namespace or its kind does not exist."""


class Forbidden(TargetError):
    """The user may not do this, or an admission policy does not allow it."""


class AlreadyExists(TargetError):
    """There is an object of this name already; nothing was created."""


class Conflict(TargetError):
    """The object has changed, or it is another one of the same name; nothing was written."""


class Invalid(TargetError):
    """The object would be invalid, or a `test` of the patch failed (the server does not say which)."""


class Unreachable(TargetError):
    """The API server was not reached, or gave no usable answer; nothing was written."""


def refusal(answer: HttpAnswer, request: KubernetesRequest, what: str, context: ContextInfo) -> TargetError:
    """Turn an answer that is not a success into the error to raise.

    Args:
        answer: the answer.
        request: what it answers.
        what: what was tried, as the beginning of a sentence: `the deployments of shop-prod cannot be read`.
        context: where it was tried.
    """
    status = _status(answer)
    reason, message = str(status.get("reason", "")), str(status.get("message") or _page_title(answer))
    why = place(f"HTTP {answer.status}{f' {reason}' if reason else ''}: {message}", context)
    kubectl = f"kubectl --context {context.name}"
    if answer.status == 401:
        return LoginRefused(what, why=why, hint=f"log in again as {context.user}, then try: {kubectl} version")
    if answer.status == 403:
        hint = f"grant the right (deploy/kubernetes/rbac.yaml lists all), then check it: {kubectl} auth can-i --list"
        return Forbidden(what, why=why, hint=f"{hint}{_namespace_option(request)}")
    if answer.status == 404:
        return NotFound(
            what, why=why, hint=f"check name and namespace: {kubectl} get all{_namespace_option(request)}"
        )
    if answer.status == 409:
        kind = AlreadyExists if reason == "AlreadyExists" else Conflict
        return kind(what, why=why, hint="somebody else has changed it meanwhile: plan again")
    if answer.status in (400, 422):
        return Invalid(what, why=why, hint="somebody else may have changed it meanwhile: plan again")
    if answer.status == 429:
        return TargetError(what, why=why, hint="the API server is overloaded: try again later")
    if request.writes and answer.status >= 500 and "failed calling webhook" not in message:
        # A timeout between API server and etcd, for instance, leaves open whether it was stored.
        return NoAnswer(what, why=why, hint="read it again to see whether it was written")
    return TargetError(what, why=why, hint=f"try again; if it persists: {kubectl} get --raw=/readyz?verbose")


def not_sent(error: NotSent, what: str, context: ContextInfo) -> TargetError:
    """The error for a request that did not reach the API server: nothing was written."""
    why, kubectl = place(str(error), context), f"kubectl --context {context.name}"
    if isinstance(error, LoginUnknown):
        hint = (
            f"kubectl is too old or too new for the login of {context.user!r}: set `program` to another version of it"
        )
        return LoginRefused(what, why=why, hint=hint)
    if isinstance(error, LoginFailed):
        return LoginRefused(what, why=why, hint=f"log in again as {context.user}, then try: {kubectl} version")
    if isinstance(error, Untrusted):
        hint = f"correct certificate-authority-data or server of cluster {context.cluster!r} in the kubeconfig"
        return TargetError(what, why=why, hint=hint)
    return Unreachable(what, why=why, hint=f"check address, network and VPN, then try: {kubectl} version")


def lost(reason: str, request: KubernetesRequest, what: str, context: ContextInfo) -> TargetError:
    """The error for a request whose answer did not come: a write may have been carried out."""
    why = place(reason, context)
    if request.writes:
        return NoAnswer(what, why=why, hint="read it again to see whether it was written")
    return Unreachable(what, why=why, hint=f"try again, or try: kubectl --context {context.name} version")


def unusable(reason: str, what: str, context: ContextInfo) -> TargetError:
    """The error for an answer that is not what the API says, such as the page of a login portal."""
    hint = f"check that this is a Kubernetes API server: kubectl --context {context.name} version"
    return TargetError(what, why=place(reason, context), hint=hint)


def place(reason: str, context: ContextInfo) -> str:
    """A reason with where it comes from."""
    return f"{words(reason)} (context {context.name}, {context.server or 'no server'})"


def _status(answer: HttpAnswer) -> dict[str, Any]:
    """The `Status` object in an answer; empty if there is none."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _page_title(answer: HttpAnswer) -> str:
    """The title of an HTML page, or the beginning of another text."""
    text = answer.body[:4000].decode(errors="replace")
    title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return title[1] if title else text[:200]


def _namespace_option(request: KubernetesRequest) -> str:
    found = re.search(r"/namespaces/([^/]+)", request.path)
    return f" --namespace {found[1]}" if found else ""
