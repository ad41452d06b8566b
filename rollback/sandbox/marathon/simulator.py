"""The fleet: apps, their tasks and the deployments that change them, moved on by the clock at every request.

Nothing runs in the background. `advance` lets everything happen that is due, in the order of its time, so the
outcome does not depend on how often somebody looks.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from rollback.sandbox.clock import Clock, system
from rollback.sandbox.container_behavior import ContainerBehavior, ContainerBehaviors, ContainerOutcome
from rollback.sandbox.marathon.app_definition import Definition, complete, needs_restart
from rollback.sandbox.marathon.app_state import AppState, failure_of, stamp_of
from rollback.sandbox.marathon.deployment import ActionKind, DeploymentAction, SimulatedDeployment, plan
from rollback.sandbox.marathon.rolling_update import beyond_instances, replacement
from rollback.sandbox.marathon.task import Task, TaskTransition
from rollback.sandbox.marathon.task_launch import behavior_of, new_task

_LEADER_AGE_S = 30 * 86_400  # how long the leader has been one when the simulator starts
_OFFER_S = 0.1  # seconds at speed 1 until a new instance, which waits in the queue, gets an offer
_SCALE_CHECK_S = 300  # until what is too many after a stopped deployment is killed
_MOST_VERSIONS = 50  # Marathon's --zk_max_versions
_LONG_BACKOFF = 40  # failures after which 1 s, growing by 15 % each, has reached the usual limit of 300 s


class Locked(Exception):
    """Deployments hold an app of an update.

    Args:
        deployments: their ids.
    """

    def __init__(self, deployments: tuple[str, ...]) -> None:
        super().__init__(deployments)
        self.deployments = deployments


class Simulator:
    """The state of one Marathon.

    Args:
        behaviours: how containers behave, by image.
        clock: what time it is.
        speed: how many times faster than in life tasks start, pass their checks, die and back off.
        repeats_versions: give every rolled back deployment the one version that the leader began with, as Marathon
            1.9.109 and later do; False: the present moment, as those before.
    """

    def __init__(
        self,
        behaviors: ContainerBehaviors | None = None,
        clock: Clock = system,
        speed: float = 1.0,
        *,
        repeats_versions: bool = True,
    ) -> None:
        self.behaviors = behaviors or ContainerBehaviors()
        self.speed = speed
        self.apps: dict[str, AppState] = {}
        self.deployments: dict[str, SimulatedDeployment] = {}
        self.lock = threading.RLock()  # held by whoever reads or writes for longer than one call
        self._clock = clock
        self.at = clock().timestamp()
        self._last_stamp = ""
        self._leader_since = stamp_of(self.at - _LEADER_AGE_S)
        self._repeats_versions = repeats_versions
        self._seed = f"{self.at}"
        self._made = 0

    # --- what a client requests -----------------------------------------------------------------------------

    def put(
        self,
        wanted: Mapping[str, Definition | None],
        *,
        force: bool = False,
        restart: bool = False,
        version: str = "",
    ) -> tuple[str, str]:
        """Change several apps in one deployment, all or nothing.

        Args:
            wanted: whole definitions by id; None destroys the app.
            force: cancel deployments that hold one of the apps.
            restart: replace tasks also where nothing differs.
            version: what the definitions get as their version; a new one by default.

        Returns:
            The id of the deployment and its version. It may be through already.

        Raises:
            Locked: a deployment holds one of the apps. The definitions are stored as versions all the same.
        """
        with self.lock:
            self.advance()
            version = version or self.stamp()
            before = {app_id: app.definition for app_id, app in self.apps.items()}
            after = {
                **before,
                **{app_id: definition for app_id, definition in wanted.items() if definition is not None},
            }
            for app_id, definition in wanted.items():
                if definition is None:
                    after.pop(app_id, None)
            changed = [a for a in wanted if restart or before.get(a) != after.get(a)]
            replaced = [
                a for a in changed if a in before and a in after and (restart or needs_restart(before[a], after[a]))
            ]
            for app_id in changed:
                if app_id in self.apps and app_id in after:
                    self._store(self.apps[app_id], version, after[app_id])
            deployment = SimulatedDeployment(
                self._uuid(),
                version,
                plan(before, after, replaced),
                {app_id: before.get(app_id) for app_id in changed},
                self.at,
            )
            holding = tuple(d.id for d in self.deployments.values() if set(d.apps) & set(deployment.apps))
            if holding and not force:
                raise Locked(holding)
            for held in holding:
                del self.deployments[held]
            for app_id in changed:
                if app_id in after:
                    self._define(app_id, version, after[app_id], app_id in replaced)
            if deployment.steps:
                self.deployments[deployment.id] = deployment
            self.advance()
            return deployment.id, version

    def roll_back(self, deployment_id: str) -> tuple[str, str]:
        """Cancel a deployment by a new one that brings the former definitions back.

        The version of those is not newer than the one that is cancelled, and every such call gives the same one:
        about the time at which the leader began (seen on Marathon 1.10; the stored definition is overwritten).

        Raises:
            KeyError: no such deployment runs.
        """
        with self.lock:
            self.advance()
            version = self._leader_since if self._repeats_versions else ""
            return self.put(self.deployments[deployment_id].before, force=True, version=version)

    def change_leader(self) -> None:
        """Let another leader take over: from now on rolled back deployments get another version."""
        with self.lock:
            self.advance()
            self._leader_since = self.stamp()

    def stop(self, deployment_id: str) -> None:
        """Stop acting for a deployment and leave everything as it is.

        Raises:
            KeyError: no such deployment runs.
        """
        with self.lock:
            self.advance()
            for app_id in self.deployments.pop(deployment_id).apps:
                app = self.apps[app_id]
                trying = sum(task.live for task in app.tasks) + app.waiting
                app.surplus = max(0, trying - app.instances)  # they stay in the launch queue

    def kill(self, ids: Iterable[str]) -> list[Task]:
        """Kill tasks; what an app then lacks is launched again."""
        with self.lock:
            self.advance()
            wanted = set(ids)
            found = [task for app in self.apps.values() for task in app.tasks if task.id in wanted and task.live]
            for task in found:
                task.kill(self.at, self.speed)
            self.advance()
            return found

    def reset_delay(self, app_id: str) -> None:
        """Launch at once what backs off after failures."""
        with self.lock:
            self.apps[app_id].not_before = self.apps[app_id].offered_at = 0.0
            self.advance()

    def install(self, body: Definition, since: datetime, history: Iterable[tuple[datetime, Definition]] = ()) -> None:
        """Add an app that has been there for long, its tasks in the state that their image brings about.

        Args:
            body: its definition, as a client would send it.
            since: when that definition was deployed.
            history: earlier definitions, oldest first, with the times of their deployment.
        """
        with self.lock:
            app_id = body["id"]
            versions = {stamp_of(at.timestamp()): complete(app_id, earlier) for at, earlier in history}
            version = stamp_of(since.timestamp())
            definition = complete(app_id, body)
            app = AppState(definition, version, version, version, {**versions, version: definition})
            app.worn = version
            self.apps[app_id] = app
            behavior = self._behaviour(app)
            if behavior.fate in (
                ContainerOutcome.CRASHES,
                ContainerOutcome.UNPULLABLE,
                ContainerOutcome.DIES,
                ContainerOutcome.NO_OFFERS,
            ):
                app.waiting, app.waiting_since = app.instances, since.timestamp()
                if behavior.fate is not ContainerOutcome.NO_OFFERS and app.instances:
                    task = self._task(app, behavior)
                    self._fail(app, task, "TASK_FAILED", failures=_LONG_BACKOFF)
                return
            for _ in range(app.instances):
                task = self._task(app, behavior)
                task.staged_at = since.timestamp()
                late = [event for event in task.coming if event[1] is TaskTransition.GIVEN_UP]
                for at, turn in sorted(task.coming, key=lambda event: event[0]):
                    if turn is not TaskTransition.GIVEN_UP:
                        task.turn(min(since.timestamp() + at - self.at, self.at), turn)
                task.coming = late
                app.tasks.append(task)

    # --- time -------------------------------------------------------------------------------------------------

    def stamp(self) -> str:
        """A new version: the present moment to the millisecond, later than every one before."""
        text = stamp_of(self.at)
        if text <= self._last_stamp:
            last = datetime.fromisoformat(self._last_stamp.replace("Z", "+00:00"))
            text = stamp_of(last.timestamp() + 0.0011)
        self._last_stamp = text
        return text

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        with self.lock:
            now = max(self._clock().timestamp(), self.at)
            self._settle()
            while (due := self._next()) is not None and due <= now:
                self.at = max(due, self.at)
                for app in list(self.apps.values()):
                    self._turn(app)
                self._settle()
            self.at = now

    def _next(self) -> float | None:
        times = [task.next_at for app in self.apps.values() for task in app.tasks]
        times += [app.trim_at for app in self.apps.values() if app.trim_at > self.at]
        waiting = [max(app.not_before, app.offered_at) for app in self.apps.values() if app.waiting]
        times += [at for at in waiting if at > self.at]
        return min((at for at in times if at is not None), default=None)

    def _turn(self, app: AppState) -> None:
        for task in list(app.tasks):
            for event in sorted((e for e in task.coming if e[0] <= self.at), key=lambda e: e[0]):
                if event not in task.coming:  # an earlier one of them ended it
                    break
                task.coming.remove(event)
                at, turn = event
                if turn is TaskTransition.GONE:
                    app.tasks.remove(task)
                elif turn is TaskTransition.ENDS:
                    self._fail(app, task, "TASK_FAILED", failures=app.failures + 1)
                elif turn is TaskTransition.GIVEN_UP:
                    self._fail(app, task, "TASK_KILLED", failures=app.failures)
                else:
                    task.turn(at, turn)

    def _fail(self, app: AppState, task: Task, state: str, *, failures: int) -> None:
        task.coming = []
        if task in app.tasks:
            app.tasks.remove(task)
        if task.silent:
            return
        if state == "TASK_FAILED" and app.is_present(task):
            task.state = state
            app.failed = [*app.failed, task][-app.instances :]
        app.failure = failure_of(task, state, self.at)
        if app.is_present(task) and failures:
            app.failures = failures
            pause = app.definition["backoffSeconds"] * app.definition["backoffFactor"] ** min(failures - 1, 200)
            app.not_before = self.at + min(pause, app.definition["maxLaunchDelaySeconds"]) / self.speed

    # --- what follows from it -----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Start and finish actions, launch and kill, until nothing more follows."""
        again = True
        while again:
            again = False
            for deployment in list(self.deployments.values()):
                if deployment.step == 0:
                    deployment.step = 1
            holders = {app_id: deployment for deployment in self.deployments.values() for app_id in deployment.apps}
            for app_id in list(self.apps):
                self._replace_tasks(app_id, holders.get(app_id))
            for deployment in list(self.deployments.values()):
                for action in deployment.current:
                    if self._through(action):
                        deployment.done.add(action)
                        again = True
                if not deployment.current:
                    deployment.step, deployment.done = deployment.step + 1, set()
                    again = True
                if deployment.step > len(deployment.steps):
                    del self.deployments[deployment.id]
                    for app_id in deployment.apps:
                        if any(DeploymentAction(ActionKind.STOP, app_id) in step for step in deployment.steps):
                            del self.apps[app_id]

    def _through(self, action: DeploymentAction) -> bool:
        app = self.apps[action.app_id]
        if action.kind is ActionKind.START:
            return True
        if action.kind is ActionKind.STOP:
            return not app.tasks
        up = sum(task.counts for task in app.present())
        known = [task for task in app.tasks if task.state != "TASK_UNREACHABLE"]
        if action.kind is ActionKind.RESTART:
            return up == app.instances and len(known) == up
        return len(known) == app.instances and all(task.counts for task in known)

    def _replace_tasks(self, app_id: str, holder: SimulatedDeployment | None) -> None:
        """Launch and kill what an app's situation requires."""
        app = self.apps[app_id]
        kind = holder.present(app_id) if holder else None
        live = [task for task in app.tasks if task.live]
        if holder and kind is None and not holder.is_through_with(app_id):
            app.waiting = 0  # its step has not come
        elif kind is ActionKind.RESTART:
            surplus, missing = replacement(app)
            self._kill(surplus)
            self._launch(app, missing)
        elif kind is ActionKind.STOP:
            self._kill(live)
        else:
            scaling = kind is ActionKind.SCALE
            self._kill(beyond_instances(app, self.at, _SCALE_CHECK_S / self.speed, scaling=scaling))
            self._launch(app, app.instances + app.surplus - len(live))

    def _kill(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            task.kill(self.at, self.speed)

    def _launch(self, app: AppState, count: int) -> None:
        """Launch tasks, or let them wait where a back-off or the lack of offers holds them up."""
        if count <= 0:
            app.waiting, app.failed = 0, []
            return
        if not app.waiting:
            app.waiting_since, app.offered_at = self.at, self.at + _OFFER_S / self.speed
        app.waiting = count
        if self.at < max(app.not_before, app.offered_at) or not self.has_offers(app):
            return
        app.failed = []
        for _ in range(count):
            app.tasks.append(self._task(app, self._behaviour(app)))
        app.waiting = 0

    def overdue(self, app: AppState) -> bool:
        """Whether what waits does so for an offer, as every new instance does, and not because of failures."""
        return app.waiting > 0 and self.at >= app.not_before

    def has_offers(self, app: AppState) -> bool:
        """Whether some agent has room for an app."""
        return self._behaviour(app).fate is not ContainerOutcome.NO_OFFERS

    def _behaviour(self, app: AppState) -> ContainerBehavior:
        return behavior_of(self.behaviors, app)

    def _task(self, app: AppState, behavior: ContainerBehavior) -> Task:
        return new_task(app, behavior, self._uuid(), self._made, self.at, self.speed)

    # --- definitions --------------------------------------------------------------------------------------------

    def _define(self, app_id: str, version: str, definition: Definition, replaced: bool) -> None:
        app = self.apps.get(app_id)
        if app is None:
            self.apps[app_id] = AppState(definition, version, version, version, {version: definition})
            return
        app.definition = definition
        app.version = app.scaling_version = version
        app.surplus = 0
        if replaced:
            app.config_version, app.scaled = version, set()
            app.failures, app.not_before = 0, 0.0
        app.scaled.add(version)

    def _store(self, app: AppState, version: str, definition: Definition) -> None:
        app.versions[version] = definition
        unused = sorted(app.versions.keys() - app.scaled - {version})
        for oldest in unused[: max(len(app.versions) - _MOST_VERSIONS, 0)]:
            del app.versions[oldest]

    def _uuid(self) -> str:
        self._made += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._seed} {self._made}"))
