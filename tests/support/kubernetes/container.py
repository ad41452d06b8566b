"""One container as a kubelet would report it, as a function of time and of what its image does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from tests.support.kubernetes.image_behavior import ImageBehavior

_PULL_S = 0.1
# Between restarts; a kubelet's back-off goes from 10 s to 5 min
# (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
_BACK_OFF_S = (0.5, 1.0, 2.0)


def timestamp() -> str:
    """The current time as the API server writes times."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Container:
    """What one container of a pod does.

    Args:
        pod: the pod's definition.
        spec: the container's part of it.
        behavior: tells what its image does now.
        init: whether it is an init container that has to end before the next one starts (not a sidecar).
    """

    def __init__(
        self, pod: dict[str, Any], spec: dict[str, Any], behavior: Callable[[], ImageBehavior], *, init: bool = False
    ) -> None:
        meta = pod["metadata"]
        self.image: str = spec["image"]
        self.warning: tuple[str, str] | None = None  # reason and message of an event to report
        self._name = spec["name"]
        self._pod = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        self._behavior = behavior
        self._init = init
        self._restarts = 0
        self._last: dict[str, Any] = {}  # the last termination
        self._started: float | None = None
        self._started_at = ""
        self._waits_until = time.monotonic() + _PULL_S
        self._pull_failed = False
        self._completed = False
        self._id = "containerd://" + hashlib.sha256(f"{meta['uid']}{self._name}".encode()).hexdigest()

    def has_started(self, status: dict[str, Any]) -> bool:
        """Whether the next container may start: an init container has ended well, any other one runs."""
        return bool(status["ready"] if self._init else status["started"])

    @property
    def behavior(self) -> ImageBehavior:
        """What its image does now."""
        return self._behavior()

    def status(self) -> dict[str, Any]:
        """The container's status now, as in `status.containerStatuses[]`; may set `warning`."""
        behavior, now = self._behavior(), time.monotonic()
        self.warning = None
        if self._completed:
            return self._report({"terminated": self._last}, ready=True)
        if self._started is None:
            if now < self._waits_until:
                return self._wait("CrashLoopBackOff", self._back_off()) if self._last else self._creating()
            if behavior.pull_error:
                return self._pull(behavior.pull_error)
            if behavior.config_error:
                self.warning = ("Failed", f"Error: {behavior.config_error}")
                return self._wait("CreateContainerConfigError", behavior.config_error)
            self._started, self._started_at = now, timestamp()
            self._restarts += 1 if self._last else 0
        age = now - self._started
        if self._init and behavior.exits_after_s is None:
            return self._exit(0, "Completed", now)
        if behavior.exits_after_s is not None and age >= behavior.exits_after_s:
            return self._exit(behavior.exit_code, behavior.exit_reason, now)
        ready = not self._init and behavior.ready_after_s is not None and age >= behavior.ready_after_s
        if behavior.ready_after_s is None:
            self.warning = ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
        return self._report({"running": {"startedAt": self._started_at}}, ready=ready)

    def _exit(self, code: int, reason: str, now: float) -> dict[str, Any]:
        self._last = {
            "exitCode": code,
            "reason": reason,
            "startedAt": self._started_at,
            "finishedAt": timestamp(),
            "containerID": self._id,
        }
        self._started = None
        if self._init and code == 0:
            self._completed = True
            return self._report({"terminated": self._last}, ready=True)
        self._waits_until = now + self._back_off_s
        self.warning = ("BackOff", f"Back-off restarting failed container {self._name} in pod {self._pod}")
        return self._wait("CrashLoopBackOff", self._back_off())

    def _pull(self, error: str) -> dict[str, Any]:
        """Report a pull that failed: the two reasons alternate in a kubelet, here the second one stays."""
        why = f'failed to pull and unpack image "{self.image}": failed to resolve reference "{self.image}": {error}'
        if not self._pull_failed:
            self._pull_failed = True
            self.warning = ("Failed", f'Failed to pull image "{self.image}": {why}')
            return self._wait("ErrImagePull", why)
        return self._wait("ImagePullBackOff", f'Back-off pulling image "{self.image}": ErrImagePull: {why}')

    @property
    def _back_off_s(self) -> float:
        return _BACK_OFF_S[min(self._restarts, len(_BACK_OFF_S) - 1)]

    def _back_off(self) -> str:
        return f"back-off {self._back_off_s:g}s restarting failed container={self._name} pod={self._pod}"

    def _creating(self) -> dict[str, Any]:
        return self._report({"waiting": {"reason": "ContainerCreating"}})

    def _wait(self, reason: str, message: str) -> dict[str, Any]:
        return self._report({"waiting": {"reason": reason, "message": message}})

    def _report(self, state: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
        running = "running" in state
        started = running or bool(self._last)
        return {
            "name": self._name,
            "image": self.image,
            "imageID": self._image_id() if started else "",
            "ready": ready,
            "started": running,
            "restartCount": self._restarts,
            "state": state,
            "lastState": {"terminated": self._last} if self._last and "terminated" not in state else {},
            **({"containerID": self._id} if started else {}),
        }

    def _image_id(self) -> str:
        """`repo@sha256:…`, as containerd reports it."""
        name, _, digest = self.image.partition("@")
        repository = name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]
        resolved = digest or self._behavior().digest or "sha256:" + hashlib.sha256(name.encode()).hexdigest()
        return f"{repository}@{resolved}"
