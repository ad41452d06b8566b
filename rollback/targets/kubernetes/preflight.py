"""What forbids a change of a workload, or should be known before it, as the workload itself says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollback.core.apps import Change, Remark
from rollback.core.image_reference import Reference
from rollback.errors import BadInput, TargetError
from rollback.targets.kubernetes import rollout, workloads
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.workloads import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, WorkloadId, WorkloadKind

# A webhook that was registered before `sideEffects` had to be declared makes every dry run fail that reaches it.
_NO_DRY_RUN = "does not support dry run"


def remarks(change: Change, entry: Mapping[str, Any], commands: KubectlCommands) -> Iterator[Remark]:
    """What is to be said of a change.

    Args:
        change: what is to be written.
        entry: the workload as it was last read.
        commands: what an operator types.
    """
    identity = WorkloadId.parse(change.app.id)
    for what, why, fix in _obstacles(entry, identity.kind):
        workload = f"{identity.kind.name}/{identity.name}"
        verb, *options = fix
        hint = commands.kubectl(identity.namespace, verb, *(word.replace("WORKLOAD", workload) for word in options))
        yield Remark(change.app.id, what, why, f"{hint}, or leave it out with --skip", blocks=True)
    if entry["metadata"].get("deletionTimestamp"):
        hint = "leave it out with --skip"
        yield Remark(change.app.id, "it is being deleted", "", hint, blocks=True)
    for what, why in _notes(change, entry, identity.kind):
        yield Remark(change.app.id, what, why)


def refused(change: Change, error: TargetError) -> Remark:
    """The remark for a dry run that failed."""
    if _NO_DRY_RUN in error.why:
        return Remark(change.app.id, "it cannot be tried beforehand whether the change is accepted", error.why)
    what = "the API server would not accept the change"
    return Remark(change.app.id, what, error.why or error.what, error.hint, blocks=True)


def _obstacles(entry: Mapping[str, Any], kind: WorkloadKind) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """States in which a change reaches no pod or not all: what, why, and the kubectl command that helps."""
    spec = entry["spec"]
    if kind is DEPLOYMENT and spec.get("paused"):
        yield "it is paused", "no pod would be replaced", ("rollout", "resume", "WORKLOAD")
    strategy = spec.get("updateStrategy") or {}
    member = "/spec/updateStrategy"
    if strategy.get("type") == "OnDelete":
        change = f'[{{"op":"replace","path":"{member}","value":{{"type":"RollingUpdate"}}}}]'
        why = "its update strategy is OnDelete: each pod keeps its image until somebody deletes it"
        yield "no pod would be replaced", why, ("patch", "WORKLOAD", "--type=json", f"--patch={change}")
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0) if kind is STATEFUL_SET else 0
    if partition:
        change = f'[{{"op":"replace","path":"{member}/rollingUpdate/partition","value":0}}]'
        why = f"its update strategy has the partition {partition}: pods with a lower number keep their image"
        yield "not every pod would be replaced", why, ("patch", "WORKLOAD", "--type=json", f"--patch={change}")


def _notes(change: Change, entry: Mapping[str, Any], kind: WorkloadKind) -> Iterator[tuple[str, str]]:
    if rollout.is_in_flight(entry, kind):
        yield "a rollout is in flight, and this run replaces it", rollout.progress(entry, kind)
    if kind is DEPLOYMENT and (entry["spec"].get("strategy") or {}).get("type") == "Recreate":
        yield "all its pods end before the first new one starts", "its strategy is Recreate"
    if kind is DAEMON_SET and not workloads.instances(entry, kind):
        yield "it has no pod", "no node fits it"
    policies = {
        str(one.get("imagePullPolicy") or "")
        for _, one in workloads.containers(workloads.template(entry))
        if one["name"] in change.app.selected
    }
    if "Never" in policies:
        yield "its image is never pulled", "imagePullPolicy is Never: every node needs it already"
    elif "IfNotPresent" in policies and not _is_pinned(change.image):
        why = "imagePullPolicy is IfNotPresent, and the tag may have moved since"
        yield "a node that has an image of this tag keeps that one", why


def _is_pinned(image: str) -> bool:
    try:
        return bool(Reference.parse(image).digest)
    except BadInput:
        return False
