"""Marathon's JSON, read into our values and written back. Pure; the HTTP API and the `dcos` program both speak it.

Members and their meaning: https://mesosphere.github.io/marathon/api-console/index.html (Marathon 1.5 to 1.10).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from rollback.core.apps import App, Change, Deployment, Failure, Remark, Status
from rollback.core.timestamps import Instant
from rollback.errors import TargetError
from rollback.targets.base import UNREADABLE

# What a partial update loses when it is left out, unlike every other member (Marathon 1.10, AppConversion.scala).
_LOST_WHEN_LEFT_OUT = ("resourceLimits", "executorResources")
_WRITTEN = ("container", *_LOST_WHEN_LEFT_OUT)
# What Marathon reports about an app beside its configuration, and the number of instances, which autoscalers move.
_NOT_CONFIGURED = frozenset(
    {
        *("version", "versionInfo", "instances", "deployments", "tasks", "tasksStaged", "tasksRunning"),
        *("tasksHealthy", "tasksUnhealthy", "tasksStats", "taskStats", "lastTaskFailure", "readinessCheckResults"),
        "readiness",
    }
)


def app(entry: Mapping[str, Any]) -> App:
    """Read an app as `GET /v2/apps` or `GET /v2/groups` gives it.

    Raises:
        TargetError: not an app.
    """
    try:
        return App(
            id=str(entry["id"]),
            image=_image(entry),
            version=version(entry),
            instances=int(entry.get("instances", 1)),
            checked=bool(entry.get("healthChecks") or entry.get("readinessChecks")),
            deployments=_deployments(entry),
            definition={key: copy.deepcopy(entry[key]) for key in _WRITTEN if entry.get(key) is not None},
            marks={
                key: _mark(member)
                for key, member in entry.items()
                if key not in _NOT_CONFIGURED and key not in _WRITTEN and member not in (None, [], {})
            },
            start_grace_s=max(
                [0.0, *(float(check.get("gracePeriodSeconds") or 0) for check in entry.get("healthChecks") or ())]
            ),
            stop_grace_s=float(entry.get("taskKillGracePeriodSeconds") or 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = "Marathon's answer cannot be read: an app is not as expected"
        raise TargetError(what, why=repr(error), hint=UNREADABLE) from error


def _mark(member: Any) -> str:
    """A fingerprint of a member, for telling whether it has changed: it may hold secrets, so it is not kept."""
    return hashlib.sha256(json.dumps(member, sort_keys=True).encode()).hexdigest()


def apps(group: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The definitions in a group and in the groups inside it, as `GET /v2/groups` gives them."""
    yield from group.get("apps") or ()
    for inner in group.get("groups") or ():
        yield from apps(inner)


def update(change: Change) -> dict[str, Any]:
    """Build the smallest body of a partial update that changes the image and loses nothing.

    Marathon replaces each member of the body whole: a container with nothing but its image would lose volumes, port
    mappings and parameters. So the captured container goes along complete, and nothing else of the definition does,
    since it may have been changed on purpose meanwhile.

    Raises:
        TargetError: the app has no image that could be replaced.
    """
    if not change.app.image:
        raise TargetError(
            f"{change.app.id} runs no image, so there is none to change", hint="leave it out with --skip"
        )
    body: dict[str, Any] = {"id": change.app.id, **copy.deepcopy(dict(change.definition))}
    body["container"]["docker"]["image"] = change.image
    return body


def deployment(entry: Mapping[str, Any]) -> Deployment:
    """Read an entry of `GET /v2/deployments`.

    Its version is not the time at which it began if it rolls another one back, so nothing is said about that time.

    Raises:
        TargetError: not a deployment.
    """
    try:
        held = (*(entry.get("affectedApps") or ()), *(entry.get("affectedPods") or ()))
        return Deployment(str(entry["id"]), tuple(map(str, held)), str(entry.get("version") or ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            "Marathon's answer cannot be read: a deployment is not as expected", why=repr(error), hint=UNREADABLE
        ) from error


def status(
    entry: Mapping[str, Any], queue: Iterable[Mapping[str, Any]] = (), present: Collection[str] = ()
) -> Status:
    """Judge how far an app is.

    The counts in the app (`tasksRunning`, …) take old and new tasks together and leave out what waits in the queue,
    so the tasks themselves are counted.

    Args:
        entry: the app, with `tasks`, and with `lastTaskFailure` and `readinessCheckResults` where there are any.
        queue: the entries of `GET /v2/queue`.
        present: the versions that name its present configuration, beside its own; see `Configurations`.

    Raises:
        TargetError: not an app.
    """
    seen = app(entry)
    current = {*present, *versions(entry)}
    try:
        live = [task for task in entry.get("tasks") or () if not _ended(task)]
        ours = [task for task in live if str(task.get("version") or "") in current]
        old = [task for task in live if str(task.get("version") or "") not in current]
        lost = [task for task in old if _unreachable(task)]
        running = [task for task in ours if _runs(task)]
        held_back = {
            result.get("taskId") for result in entry.get("readinessCheckResults") or () if not result.get("ready")
        }
        healthy = [task for task in running if _healthy(task, entry) and task.get("id") not in held_back]
        delay, unplaced = _waiting(seen.id, queue)
        return Status(
            id=seen.id,
            image=seen.image,
            version=seen.version,
            instances=seen.instances,
            deployments=seen.deployments,
            ready=len(healthy),
            started=len(running),
            stale=len(old) - len(lost),
            failure=failure(entry, current),
            waiting=delay or _health_message(running, held_back),
            unplaced=unplaced,
            fingerprint=seen.fingerprint,
            live=frozenset(str(task.get("id")) for task in ours if not _unreachable(task)),
            healthy=frozenset(str(task.get("id")) for task in healthy),
            draining=sum(task.get("state") == "TASK_KILLING" for task in old),
            unreachable=len(lost),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise TargetError(
            f"Marathon's answer about {seen.id} cannot be read", why=repr(error), hint=UNREADABLE
        ) from error


def oldest_start(tasks: Iterable[Mapping[str, Any]]) -> Instant | None:
    """When the oldest of an app's live tasks was started; None if none was, or a time cannot be read."""
    try:
        started = [str(task["startedAt"]) for task in tasks if task.get("startedAt") and not _ended(task)]
        return min(map(Instant.parse, started), default=None)
    except (ValueError, AttributeError):
        return None


def lost_instances(app_id: str, tasks: Iterable[Mapping[str, Any]]) -> Remark | None:
    """What the user should know of an app's tasks before it is changed; None if there is nothing."""
    lost = sum(_unreachable(task) for task in tasks)
    if not lost:
        return None
    return Remark(
        app_id,
        f"{lost} instance{'s' if lost > 1 else ''} on a lost agent (TASK_UNREACHABLE)",
        "nobody can end it before the agent is back, and it does not keep the new version from being up",
    )


def failure(entry: Mapping[str, Any], present: Collection[str] = ()) -> Failure | None:
    """The app's `lastTaskFailure`, if it is the present configuration's: Marathon keeps it for ever.

    Args:
        entry: the app.
        present: the versions that name its present configuration, beside its own.
    """
    last = entry.get("lastTaskFailure")
    if not last or str(last.get("version") or "") not in {*present, *versions(entry)}:
        return None
    words = str(last.get("message") or "").strip() or str(last.get("state") or "the task failed")
    return Failure(failure_key(entry), words)


def failure_key(entry: Mapping[str, Any]) -> str:
    """What distinguishes one `lastTaskFailure` from another; empty if there is none."""
    last = entry.get("lastTaskFailure")
    return f"{last.get('taskId', '')} {last.get('timestamp', '')}" if isinstance(last, Mapping) and last else ""


def version(entry: Mapping[str, Any]) -> str:
    """The version of the last change of the configuration. The app's own `version` moves with mere scaling, too."""
    changed = (entry.get("versionInfo") or {}).get("lastConfigChangeAt")
    return str(changed or entry.get("version") or "")


def versions(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The versions that an app's present configuration is sure to have: that of its last change, and its own."""
    own = str(entry.get("version") or "")
    return tuple(dict.fromkeys(text for text in (version(entry), own) if text))


def same_configuration(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two definitions of one app differ in nothing but versions and the number of instances."""
    first, second = app({**one, "id": other.get("id")}), app(other)
    return (first.image, first.fingerprint) == (second.image, second.fingerprint)


def _image(entry: Mapping[str, Any]) -> str:
    """The image reference, which Docker and Mesos containers keep in the same place; empty for a bare command."""
    docker = (entry.get("container") or {}).get("docker") or {}
    return str(docker.get("image") or "")


def _deployments(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(held["id"]) for held in entry.get("deployments") or ())


def _ended(task: Mapping[str, Any]) -> bool:
    """Whether a task that is still listed is over, in the words of Mesos."""
    return str(task.get("state", "")) in {
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    }


def _unreachable(task: Mapping[str, Any]) -> bool:
    """Whether the agent of a task is lost: nobody knows whether it runs, and nobody can end it."""
    return task.get("state") == "TASK_UNREACHABLE"


def _runs(task: Mapping[str, Any]) -> bool:
    """Whether a task runs. Marathon before 1.4 gives no `state`, only when the task started."""
    return task["state"] == "TASK_RUNNING" if "state" in task else bool(task.get("startedAt"))


def _healthy(task: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether every health check of the app is answered well; none answered yet is not healthy."""
    if not entry.get("healthChecks"):
        return True
    results = task.get("healthCheckResults") or ()
    return bool(results) and all(result.get("alive") for result in results)


def _waiting(app_id: str, queue: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """What the app's instances that are not launched wait for: the end of a back-off, or a place to run.

    Every new instance is in the queue without a delay (`overdue`) for a moment, so that is no lack of resources yet.
    """
    for waiting in queue:
        if (waiting.get("app") or {}).get("id") != app_id:
            continue
        delay = waiting.get("delay") or {}
        if delay.get("overdue"):
            return "", _offers(waiting)
        left = float(delay.get("timeLeftSeconds") or 0)
        if left > 0:
            return f"back-off {left:.0f} s", ""
    return "", ""


def _health_message(running: Iterable[Mapping[str, Any]], held_back: Iterable[Any]) -> str:
    """What the checks of a running task say against it."""
    for task in running:
        for result in task.get("healthCheckResults") or ():
            if not result.get("alive"):
                # Of checks that its executor runs, Marathon learns no cause.
                known = "it fails" if result.get("lastFailure") else "no success yet"
                return f"health check: {result.get('lastFailureCause') or known}"
    return "readiness check: not passed yet" if any(held_back) else ""


def _offers(waiting: Mapping[str, Any]) -> str:
    """That no offer fits, and what the offers lacked where Marathon says it."""
    summary = waiting.get("processedOffersSummary") or {}
    reasons = [
        str(reason.get("reason")) for reason in summary.get("rejectSummaryLastOffers") or () if reason.get("declined")
    ]
    return f"no offers: {', '.join(reasons)}" if reasons else "no offers"
