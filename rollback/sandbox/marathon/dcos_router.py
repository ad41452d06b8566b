"""DC/OS's front door: logins, the cluster's own pages, and Marathon behind `/service/marathon`.

Marathon's own address, `/v2/…` without a prefix, is that of a master's port 8080: no login is required there
unless it is set up to.
"""

from __future__ import annotations

import json
from typing import Any

from rollback.sandbox.container_behavior import ContainerBehavior, ContainerOutcome
from rollback.sandbox.http_messages import Request, Response, as_json
from rollback.sandbox.marathon.api import MarathonApi
from rollback.sandbox.marathon.app_definition import updated
from rollback.sandbox.marathon.fault_injection import Fault, FaultKind, Faults
from rollback.sandbox.marathon.login import Logins, page

CLUSTER_ID = "6f2c1d3a-7b9e-4c55-8a41-0d3f5be2c917"
CLUSTER_NAME = "rollback-sandbox"
_REMEMBERED = 10_000
_PREFIXES = ("/service/marathon", "/marathon")
_PROVIDER = {
    "authentication-type": "dcos-uid-password",
    "client-method": "dcos-usercredential-post-receive-authtoken",
    "config": {"start_flow_url": "/login"},
    "description": "Default DC/OS login provider",
}


class AdminRouter:
    """Answers everything on the cluster's address.

    Args:
        api: Marathon.
        logins: who may come in; None for a cluster without logins.
        direct_login: require a token at Marathon's own address too.
        controls: answer `POST /sandbox/faults`, by which a client brings mishaps about.
    """

    def __init__(
        self, api: MarathonApi, logins: Logins | None = None, *, direct_login: bool = False, controls: bool = False
    ) -> None:
        self.api = api
        self.logins = logins
        self.faults = Faults()
        self._direct_login = direct_login
        self._controls = controls
        self.seen: list[tuple[str, str]] = []  # method and path of the newest requests, in order

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        self.seen.append((request.method, request.path))
        del self.seen[:-_REMEMBERED]
        path = request.path
        if path.startswith("/acs/api/v1/auth/"):
            return self._auth(request)
        if path == "/dcos-metadata/dcos-version.json":
            return as_json(200, {"version": "2.1.0", "dcos-variant": "enterprise", "dcos-image-commit": "sandbox"})
        if path == "/sandbox/faults" and self._controls:
            return self._control(request)
        for prefix in _PREFIXES:
            if path.startswith(f"{prefix}/"):
                return self._guarded(request, path[len(prefix) :])
        if path == "/ping" or path.startswith("/v2/"):
            return self._guarded(request, path, ask=self._direct_login)
        if not self._is_authorized(request):
            return page(401, "Authorization Required", {"WWW-Authenticate": "acsjwt"})
        if path == "/metadata":
            return as_json(200, {"PUBLIC_IPV4": "127.0.0.1", "CLUSTER_ID": CLUSTER_ID})
        if path in ("/mesos/state-summary", "/mesos/master/state-summary"):
            return as_json(200, {"hostname": "127.0.0.1", "cluster": CLUSTER_NAME, "slaves": [], "frameworks": []})
        if path == "/pkgpanda/active.buildinfo.full.json":
            return as_json(200, {})
        return page(404, "Not Found")

    def foreign(self, app_id: str, change: dict[str, Any] | None = None) -> str:
        """Let somebody else deploy over an app, by force.

        Args:
            app_id: the app.
            change: a partial update; a new label if it is not given.

        Returns:
            The id of that deployment.
        """
        fleet = self.api.fleet
        with fleet.lock:
            before = fleet.apps[app_id].definition
            sent = change or {"labels": {**before["labels"], "touched-by": "somebody-else"}}
            return fleet.put({app_id: updated(before, sent)}, force=True)[0]

    def _is_authorized(self, request: Request) -> bool:
        return self.logins is None or self.logins.accepts(request)

    def _guarded(self, request: Request, path: str, ask: bool = True) -> Response:
        if ask and not self._is_authorized(request):
            return page(401, "Authorization Required", {"WWW-Authenticate": "acsjwt"})
        inner = Request(request.method, path, request.query, request.headers, request.body)
        return self.faults.apply(inner, self.api.answer)

    def _auth(self, request: Request) -> Response:
        if request.path.endswith("/providers"):
            return as_json(200, {"dcos-users": _PROVIDER} if self.logins else {})
        if request.path.endswith("/login") and self.logins:
            return self.logins.login(request)
        return as_json(404, {"title": "404 Not Found", "description": "There is no such page."})

    def _control(self, request: Request) -> Response:
        """Bring a mishap about: `{"fault": "drop", "path": "/v2/apps"}`, `{"fault": "hide", "app": "/a"}`, …."""
        try:
            order = json.loads(request.body)
            kind = order.pop("fault")
            self._inject(kind, order)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return as_json(400, {"message": f"not a fault: {error!r}"})
        return Response(204)

    def _inject(self, kind: str, order: dict[str, Any]) -> None:
        if kind == "expire-tokens":
            if self.logins:
                self.logins.expire_all()
        elif kind == "clear":
            self.faults.clear()
            self.api.hidden.clear()
            self.api.readonly.clear()
        elif kind == "hide":
            self.api.hidden.add(order["app"])
        elif kind == "readonly":
            self.api.readonly.add(order["app"])
        elif kind == "foreign":
            self.foreign(order["app"], order.get("change"))
        elif kind == "behave":
            image = order.pop("image")
            self.api.fleet.behaviors.attach(
                image, ContainerBehavior(**{**order, "fate": ContainerOutcome(order.get("fate", "runs"))})
            )
        else:
            self.faults.add(Fault(FaultKind(kind), **order))
