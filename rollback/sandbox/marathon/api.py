"""Marathon's HTTP API: a request in, an answer out."""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable, Collection
from typing import Any

from rollback.sandbox.http_messages import Request, Response, as_json
from rollback.sandbox.marathon import json_views, label_selector
from rollback.sandbox.marathon.app_definition import absolute
from rollback.sandbox.marathon.app_state import AppState
from rollback.sandbox.marathon.app_updates import Changes
from rollback.sandbox.marathon.simulator import Locked, Simulator
from rollback.sandbox.marathon.validation import Rejected, check_stamp, read_json, rejected

VERSION = "1.10.19"
_EMBEDDED = re.compile(r"^(?:group\.)?(?:apps?\.)?")
_LOCKED = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)


class MarathonApi:
    """Answers requests to `/v2/…` and `/ping`.

    Args:
        fleet: what it shows and changes.
        leader: host and port that it calls itself.
    """

    def __init__(self, fleet: Simulator, leader: str = "127.0.0.1:8080") -> None:
        self.fleet = fleet
        self.leader = leader
        self.framework_id = f"{uuid.uuid4()}-0001"  # each is a cluster of its own
        self.hidden: set[str] = set()  # apps that the user may not see: absent from lists, 404 on their own
        self.readonly: set[str] = set()  # apps that the user may not change: 403
        self.pods: list[dict[str, Any]] = []  # definitions that are listed and nothing more
        self._changes = Changes(fleet, self.visible)
        routes: tuple[tuple[str, dict[str, Callable[..., Response]]], ...] = (
            ("/ping", {"GET": self._ping}),
            ("/v2/info", {"GET": self._info}),
            ("/v2/leader", {"GET": self._leader}),
            ("/v2/deployments", {"GET": self._deployments}),
            ("/v2/deployments/([^/]+)", {"DELETE": self._delete_deployment}),
            ("/v2/queue", {"GET": self._queue}),
            ("/v2/queue/(.+)/delay", {"DELETE": self._reset_delay}),
            ("/v2/tasks", {"GET": self._tasks}),
            ("/v2/tasks/delete", {"POST": self._kill_tasks}),
            ("/v2/groups", {"GET": self._group}),
            ("/v2/groups/versions", {"GET": self._group_versions}),
            ("/v2/groups/(.+)", {"GET": self._group}),
            ("/v2/pods", {"GET": self._pods, "HEAD": self._pods}),
            ("/v2/pods/::status", {"GET": self._pod_statuses}),
            ("/v2/apps", {"GET": self._apps, "POST": self._create, "PUT": self._bulk, "PATCH": self._bulk}),
            (r"/v2/apps/(.*)/\*", {"GET": self._below}),
            ("/v2/apps/(.+)/versions", {"GET": self._versions}),
            ("/v2/apps/(.+)/versions/([^/]+)", {"GET": self._version}),
            ("/v2/apps/(.+)/tasks", {"GET": self._app_tasks, "DELETE": self._kill_app_tasks}),
            ("/v2/apps/(.+)/tasks/([^/]+)", {"DELETE": self._kill_app_tasks}),
            ("/v2/apps/(.+)/restart", {"POST": self._restart}),
            (
                "/v2/apps/(.+)",
                {"GET": self._app, "PUT": self._update, "PATCH": self._update, "DELETE": self._destroy},
            ),
        )
        self._routes = [(re.compile(pattern), methods) for pattern, methods in routes]

    def answer(self, request: Request) -> Response:
        """Answer one request; requests are answered one after the other."""
        path = request.path if request.path == "/" else request.path.rstrip("/")
        for pattern, methods in self._routes:
            found = pattern.fullmatch(path)
            if not found:
                continue
            answer = methods.get("GET" if request.method == "HEAD" and "HEAD" not in methods else request.method)
            if not answer:
                return as_json(405, {"message": "Method Not Allowed"}, {"Allow": ",".join(methods)})
            with self.fleet.lock:
                self.fleet.advance()
                try:
                    return answer(request, *found.groups())
                except Rejected as refusal:
                    return refusal.response
                except Locked as lock:
                    return as_json(409, {"message": _LOCKED, "deployments": [{"id": d} for d in lock.deployments]})
        return as_json(500, {"message": "URI not found"})

    def visible(self, app_id: str, details: bool = False) -> AppState:
        """An app that the user may see.

        Raises:
            Rejected: 404, also for one that is hidden; 403 is not for reading.
        """
        if app_id in self.fleet.apps and app_id not in self.hidden:
            return self.fleet.apps[app_id]
        raise rejected(404, f"App '{app_id}' does not exist", **({"details": []} if details else {}))

    def _shown(self) -> list[str]:
        return [app_id for app_id in sorted(self.fleet.apps) if app_id not in self.hidden]

    # --- reading --------------------------------------------------------------------------------------------

    def _ping(self, _: Request) -> Response:
        return Response(200, b"pong", {"Content-Type": "text/plain;charset=utf-8"})

    def _leader(self, _: Request) -> Response:
        return as_json(200, {"leader": self.leader})

    def _info(self, _: Request) -> Response:
        port = int(self.leader.rsplit(":", 1)[1])
        return as_json(
            200,
            {
                "name": "marathon",
                "version": VERSION,
                "buildref": "sandbox",
                "elected": True,
                "leader": self.leader,
                "frameworkId": self.framework_id,
                "marathon_config": {
                    "master": "zk://master.mesos:2181/mesos",
                    "failover_timeout": 604800,
                    "framework_name": "marathon",
                    "ha": True,
                    "checkpoint": True,
                    "local_port_min": 10000,
                    "local_port_max": 20000,
                    "executor": "//cmd",
                    "hostname": self.leader.rsplit(":", 1)[0],
                    "task_launch_timeout": 300000,
                    "features": ["vips", "task_killing", "external_volumes", "secrets", "gpu_resources"],
                },
                "zookeeper_config": {"zk": "zk://zk-1.zk:2181/marathon", "zk_timeout": 10000, "zk_max_versions": 50},
                "http_config": {"http_port": port, "https_port": None},
            },
        )

    def _apps(self, request: Request) -> Response:
        embed = _embeds(request)
        found = [self.fleet.apps[app_id] for app_id in self._shown()]
        wanted, command = request.first("id").lower(), request.first("cmd").lower()
        found = [a for a in found if wanted in a.definition["id"].lower()]
        found = [a for a in found if command in str(a.definition.get("cmd", "")).lower()]
        for label in request.query.get("label", ()):
            try:
                found = [a for a in found if label_selector.fits(label, a.definition["labels"])]
            except ValueError as error:
                raise rejected(422, f"Could not parse the label selector '{label}': {error}") from error
        return as_json(200, {"apps": [json_views.app(self.fleet, a, embed) for a in found]})

    def _app(self, request: Request, app_id: str) -> Response:
        state = self.visible(absolute(app_id), details=True)
        return as_json(200, {"app": json_views.app(self.fleet, state, json_views.EVERYTHING | _embeds(request))})

    def _below(self, request: Request, group_id: str) -> Response:
        prefix = absolute(group_id).rstrip("/") + "/"
        found = [self.fleet.apps[a] for a in self._shown() if a.startswith(prefix)]
        if not found:
            raise rejected(404, f"Group '{absolute(group_id)}' does not exist", details=[])
        return as_json(
            200, {"*": [json_views.app(self.fleet, a, json_views.EVERYTHING | _embeds(request)) for a in found]}
        )

    def _versions(self, _: Request, app_id: str) -> Response:
        state = self.visible(absolute(app_id), details=True)
        # Marathon promises no order. This one is arbitrary, and the same every time.
        return as_json(200, {"versions": sorted(state.versions, key=lambda v: zlib.crc32(v.encode()))})

    def _version(self, _: Request, app_id: str, version: str) -> Response:
        check_stamp(version)
        state = self.visible(absolute(app_id), details=True)
        if version not in state.versions:
            raise rejected(404, f"App '{absolute(app_id)}' does not exist in version {version}", details=[])
        return as_json(200, json_views.stored(state, version))

    def _deployments(self, _: Request) -> Response:
        shown = [d for d in self.fleet.deployments.values() if not set(d.apps) & self.hidden]
        return as_json(200, [json_views.deployment(self.fleet, d) for d in shown])

    def _queue(self, _: Request) -> Response:
        return as_json(200, json_views.queue(self.fleet, self.hidden))

    def _tasks(self, _: Request) -> Response:
        return as_json(200, {"tasks": json_views.tasks(self.fleet, self._shown())})

    def _app_tasks(self, _: Request, app_id: str) -> Response:
        self.visible(absolute(app_id), details=True)
        return as_json(200, {"tasks": json_views.tasks(self.fleet, [absolute(app_id)])})

    def _group(self, _: Request, group_id: str = "/") -> Response:
        if group_id.endswith("/versions"):
            return self._group_versions(_)
        found = json_views.group(self.fleet, absolute(group_id), self.hidden)
        if found is None:
            raise rejected(404, f"Group '{absolute(group_id)}' does not exist", details=[])
        return as_json(200, found)

    def _group_versions(self, _: Request) -> Response:
        return as_json(200, sorted({v for a in self._shown() for v in self.fleet.apps[a].versions}))

    def _pods(self, _: Request) -> Response:
        return as_json(200, self.pods)

    def _pod_statuses(self, _: Request) -> Response:
        return as_json(
            200, [{"id": pod["id"], "spec": pod, "status": "STABLE", "instances": []} for pod in self.pods]
        )

    # --- writing --------------------------------------------------------------------------------------------

    def _writable(self, ids: Collection[str]) -> None:
        if set(ids) & self.readonly:
            raise rejected(403, "Not Authorized to perform this action!")

    def _accepted(self, made: tuple[str, str], status: int = 200) -> Response:
        deployment_id, version = made
        return as_json(
            status,
            {"version": version, "deploymentId": deployment_id},
            {"Marathon-Deployment-Id": deployment_id},
        )

    def _create(self, request: Request) -> Response:
        definition = self._changes.created(read_json(request))
        self._writable([definition["id"]])
        made = self.fleet.put({definition["id"]: definition}, force=request.flag("force"))
        shown = json_views.app(self.fleet, self.fleet.apps[definition["id"]], ())
        del shown["versionInfo"]
        where = f"http://{request.headers.get('host') or self.leader}/v2/apps{definition['id']}"
        headers = {"Marathon-Deployment-Id": made[0], "Location": where}
        return as_json(201, {**shown, "deployments": [{"id": made[0]}]}, headers)

    def _update(self, request: Request, app_id: str) -> Response:
        own = absolute(app_id)
        before = own in self.fleet.apps
        partial = request.flag("partialUpdate", True) or request.method == "PATCH"
        body = read_json(request)
        wanted = self._changes.wanted(own, body, may_create=request.method == "PUT", partial=partial)
        self._writable([own])
        return self._accepted(self.fleet.put({own: wanted}, force=request.flag("force")), 200 if before else 201)

    def _bulk(self, request: Request) -> Response:
        partial = request.flag("partialUpdate", True) or request.method == "PATCH"
        wanted = self._changes.bulk(read_json(request), may_create=request.method == "PUT", partial=partial)
        self._writable(wanted)
        return self._accepted(self.fleet.put(wanted, force=request.flag("force")))

    def _destroy(self, request: Request, app_id: str) -> Response:
        own = absolute(app_id)
        self.visible(own)
        self._writable([own])
        return self._accepted(self.fleet.put({own: None}, force=request.flag("force", True)))

    def _restart(self, request: Request, app_id: str) -> Response:
        own = absolute(app_id)
        state = self.visible(own)
        self._writable([own])
        return self._accepted(self.fleet.put({own: state.definition}, force=request.flag("force"), restart=True))

    def _delete_deployment(self, request: Request, deployment_id: str) -> Response:
        running = self.fleet.deployments.get(deployment_id)
        if not running:
            raise rejected(404, f"DeploymentPlan {deployment_id} does not exist", details=[])
        self._writable(running.apps)
        if request.flag("force"):
            self.fleet.stop(deployment_id)
            return Response(202)
        return self._accepted(self.fleet.roll_back(deployment_id))

    def _reset_delay(self, _: Request, app_id: str) -> Response:
        self.visible(absolute(app_id))
        self.fleet.reset_delay(absolute(app_id))
        return Response(204)

    def _kill_tasks(self, request: Request) -> Response:
        body = read_json(request)
        ids = body.get("ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            raise rejected(422, "Invalid JSON", details=[{"path": "/ids", "errors": ["error.path.missing"]}])
        return self._kill([t for a in self._shown() for t in self.fleet.apps[a].tasks if t.id in ids], request)

    def _kill_app_tasks(self, request: Request, app_id: str, task_id: str = "") -> Response:
        tasks = self.visible(absolute(app_id), details=True).tasks
        host = request.first("host")
        chosen = [t for t in tasks if task_id in ("", t.id) and host in ("", t.host)]
        return self._kill(chosen, request, single=bool(task_id))

    def _kill(self, chosen: list[Any], request: Request, single: bool = False) -> Response:
        self._writable({t.app_id for t in chosen})
        if request.flag("scale"):
            wanted = {
                a: {
                    **self.fleet.apps[a].definition,
                    "instances": max(0, self.fleet.apps[a].instances - sum(t.app_id == a for t in chosen)),
                }
                for a in {t.app_id for t in chosen}
            }
            made = self.fleet.put(wanted, force=request.flag("force"))
            self.fleet.kill(t.id for t in chosen)
            return self._accepted(made)
        shown = [json_views.task(self.fleet.apps[t.app_id], t) for t in chosen]
        self.fleet.kill(t.id for t in chosen)
        if single:
            return as_json(200, {"task": shown[0]}) if shown else as_json(404, {"message": "No such task"})
        return as_json(200, {"tasks": shown})


def _embeds(request: Request) -> set[str]:
    """What `embed=` requests; the prefixes `apps.`, `app.`, `group.apps.` and none mean the same."""
    asked = {_EMBEDDED.sub("", name) for name in request.query.get("embed", ())}
    return asked | ({"lastTaskFailure"} if "failures" in asked else set())
