"""How Marathon shows its state: apps with what is reported about them, tasks, deployments, the queue, groups."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

from rollback.sandbox.marathon.app_state import AppState, slave_of, stamp_of
from rollback.sandbox.marathon.deployment import SimulatedDeployment
from rollback.sandbox.marathon.simulator import Simulator
from rollback.sandbox.marathon.task import Task

EVERYTHING = frozenset({"tasks", "lastTaskFailure", "readiness"})
"""What `GET /v2/apps/{id}` embeds beyond what the list always has."""
_REASONS = (
    *("UnfulfilledRole", "UnfulfilledConstraint", "NoCorrespondingReservationFound", "AgentMaintenance"),
    *("InsufficientMemory", "InsufficientCpus", "InsufficientDisk", "InsufficientGpus", "InsufficientPorts"),
    *("DeclinedScarceResources", "InsufficientNetworkBandwidth"),
)


def bare(app: AppState) -> dict[str, Any]:
    """An app's definition with its versions, as Marathon emits it everywhere."""
    return {
        **app.definition,
        "version": app.version,
        "versionInfo": {"lastScalingAt": app.scaling_version, "lastConfigChangeAt": app.config_version},
    }


def stored(app: AppState, version: str) -> dict[str, Any]:
    """One stored definition: no wrapper and nothing that is only reported."""
    return {**app.versions[version], "version": version}


def app(fleet: Simulator, state: AppState, embed: Collection[str]) -> dict[str, Any]:
    """An app with its counts and deployments, and what else is requested."""
    tasks = state.tasks
    shown = {
        **bare(state),
        "tasksStaged": sum(t.state == "TASK_STAGING" for t in tasks),
        "tasksRunning": sum(t.state == "TASK_RUNNING" for t in tasks),
        "tasksHealthy": sum(t.state == "TASK_RUNNING" and t.alive is True and t.checked for t in tasks),
        "tasksUnhealthy": sum(t.state == "TASK_RUNNING" and t.alive is False for t in tasks),
        "deployments": [{"id": d.id} for d in fleet.deployments.values() if state.definition["id"] in d.apps],
    }
    if "tasks" in embed:
        shown["tasks"] = [task(state, t) for t in (*tasks, *state.failed)]
    if "lastTaskFailure" in embed and state.failure:
        shown["lastTaskFailure"] = dict(state.failure)
    if "readiness" in embed and state.definition.get("readinessChecks"):
        shown["readinessCheckResults"] = _readiness(state)
    if "taskStats" in embed:
        shown["taskStats"] = _stats(state)
    return shown


def task(state: AppState, seen: Task) -> dict[str, Any]:
    """A task, as it appears inside its app and in `/v2/tasks`."""
    shown: dict[str, Any] = {
        "appId": seen.app_id,
        "healthCheckResults": [],
        "host": seen.host,
        "id": seen.id,
        "ipAddresses": [{"ipAddress": f"172.17.0.{2 + sum(seen.ports) % 250}", "protocol": "IPv4"}],
        "ports": list(seen.ports),
        "servicePorts": [
            m["servicePort"] for m in (state.definition.get("container") or {}).get("portMappings") or ()
        ],
        "slaveId": slave_of(seen.host),
        "stagedAt": stamp_of(seen.staged_at),
        "state": seen.state,
    }
    if seen.state != "TASK_FAILED":
        shown["version"] = seen.version
    if seen.started_at is not None:
        shown["startedAt"] = stamp_of(seen.started_at)
    if seen.checked and seen.alive is not None and seen.turned_at is not None:
        when = stamp_of(seen.turned_at)
        shown["healthCheckResults"] = [
            {
                "alive": seen.alive,
                "consecutiveFailures": 0 if seen.alive else 1,
                "instanceId": seen.id.rsplit("._app", 1)[0].replace(".instance-", ".marathon-"),
                **(
                    {"firstSuccess": when, "lastSuccess": when}
                    if seen.alive
                    else {"lastFailure": when}
                    if seen.silent
                    else {"lastFailure": when, "lastFailureCause": "503 Service Unavailable"}
                ),
            }
        ]
    return shown


def deployment(fleet: Simulator, seen: SimulatedDeployment) -> dict[str, Any]:
    """An entry of `/v2/deployments`."""
    return {
        "id": seen.id,
        "version": seen.version,
        "affectedApps": list(seen.apps),
        "affectedPods": [],
        "steps": [{"actions": [{"action": a.kind.value, "app": a.app_id} for a in step]} for step in seen.steps],
        "currentActions": [
            {
                "action": action.kind.value,
                "app": action.app_id,
                "readinessCheckResults": _readiness(fleet.apps[action.app_id]),
            }
            for action in seen.current
        ],
        "currentStep": seen.step,
        "totalSteps": len(seen.steps),
    }


def queue(fleet: Simulator, hidden: Collection[str] = ()) -> dict[str, Any]:
    """`/v2/queue`: instances that are not launched, and whether failures or missing offers hold them up."""
    return {
        "queue": [
            {
                "count": state.waiting,
                "role": state.definition.get("role", "*"),
                "since": stamp_of(state.waiting_since),
                "delay": {
                    "timeLeftSeconds": max(0, math.ceil(state.not_before - fleet.at)),
                    "overdue": fleet.overdue(state),
                },
                "processedOffersSummary": {
                    "processedOffersCount": 5 if fleet.overdue(state) else 0,
                    "unusedOffersCount": 5 if fleet.overdue(state) else 0,
                    "rejectSummaryLastOffers": _rejections(fleet, state),
                    "rejectSummaryLaunchAttempt": [],
                },
                "app": bare(state),
            }
            for app_id, state in sorted(fleet.apps.items())
            if state.waiting and app_id not in hidden
        ]
    }


def group(fleet: Simulator, group_id: str, hidden: Collection[str] = ()) -> dict[str, Any] | None:
    """A group with all that is below it; None if there is no such group."""
    inside = [a for a in sorted(fleet.apps) if a not in hidden and a.startswith(group_id.rstrip("/") + "/")]
    if not inside and group_id != "/":
        return None
    depth = len([part for part in group_id.split("/") if part])
    children = sorted({_ancestor(a, depth + 1) for a in inside if a.count("/") > depth + 1})
    versions = [fleet.apps[a].version for a in inside]
    return {
        "id": group_id,
        "apps": [app(fleet, fleet.apps[a], ()) for a in inside if a.count("/") == depth + 1],
        "groups": [group(fleet, child, hidden) for child in children],
        "pods": [],
        "dependencies": [],
        "version": max(versions, default="1970-01-01T00:00:00.000Z"),
    }


def tasks(fleet: Simulator, ids: Iterable[str]) -> list[dict[str, Any]]:
    """The tasks of some apps."""
    return [task(fleet.apps[a], t) for a in ids for t in (*fleet.apps[a].tasks, *fleet.apps[a].failed)]


def _rejections(fleet: Simulator, state: AppState) -> list[dict[str, Any]]:
    """Why the last offers were declined: Marathon lists every reason, also those that declined none."""
    if not fleet.overdue(state):
        return []
    declined = 0 if fleet.has_offers(state) else 5
    return [
        {"reason": reason, "declined": declined if reason == "InsufficientCpus" else 0, "processed": declined}
        for reason in _REASONS
    ]


def _ancestor(app_id: str, depth: int) -> str:
    return "/" + "/".join(app_id.strip("/").split("/")[:depth])


def _readiness(state: AppState) -> list[dict[str, Any]]:
    checks = state.definition.get("readinessChecks") or ()
    return [
        {"name": check["name"], "taskId": t.id, "ready": t.ready}
        for check in checks
        for t in state.tasks
        if t.state == "TASK_RUNNING"
    ]


def _stats(state: AppState) -> dict[str, Any]:
    def count(tasks: list[Task]) -> dict[str, Any]:
        return {
            "stats": {
                "counts": {
                    "staged": sum(t.state == "TASK_STAGING" for t in tasks),
                    "running": sum(t.state == "TASK_RUNNING" for t in tasks),
                    "healthy": sum(t.alive is True and t.checked for t in tasks),
                    "unhealthy": sum(t.alive is False for t in tasks),
                }
            }
        }

    current = [t for t in state.tasks if state.is_present(t)]
    stats = {"withLatestConfig": count(current), "totalSummary": count(state.tasks)}
    if len(current) < len(state.tasks):
        stats["withOutdatedConfig"] = count(state.outdated())
    return stats
