"""Who else deploys a workload, as its metadata says. Pure.

- Argo CD: the annotation `argocd.argoproj.io/tracking-id: app:group/Kind:namespace/name`, or a label of that prefix.
  `app.kubernetes.io/instance` alone proves nothing: Helm charts set it, too.
- Flux: labels `kustomize.toolkit.fluxcd.io/name` and `/namespace`; of its Helm releases `helm.toolkit.fluxcd.io/…`.
- Keel: a label or annotation `keel.sh/policy` (but `never`), `keel.sh/trigger` or `keel.sh/match-tag`.
- An operator: an owner reference with `controller: true`.
- Helm: the label `app.kubernetes.io/managed-by: Helm`, the annotations `meta.helm.sh/release-name` and `-namespace`.
- Others: whoever owns the image in `managedFields`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollback.core.apps import Owner
from rollback.targets.kubernetes.api import FIELD_MANAGER
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.workloads import CONTAINER_LISTS, WorkloadId

NAMES = ("argocd", "flux", "keel")  # of those that put their own image back; an operator has the name of its kind
_ARGO_CD = "argocd.argoproj.io/"
_ARGO_CD_NAMESPACE = "argocd"  # where applications are unless their name in the tracking id says otherwise
_FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io/"
_FLUX_HELM = "helm.toolkit.fluxcd.io/"
_KEEL = "keel.sh/"
_HELM = "meta.helm.sh/"
# Verbs that somebody has typed once; nothing repeats them.
_TYPED_ONCE = {f"kubectl-{verb}" for verb in ("create", "edit", "patch", "replace", "rollout", "run", "set")}


def owners(entry: Mapping[str, Any], identity: WorkloadId, commands: KubectlCommands) -> tuple[Owner, ...]:
    """What else deploys a workload; the manager of its image only where nothing else is known.

    Args:
        entry: the workload, with `managedFields`.
        identity: its id.
        commands: what an operator types.
    """
    meta = entry["metadata"]
    found = (
        *_argo_cd(meta, commands),
        *_flux_kustomize(meta, commands),
        *_keel(meta, identity, commands),
        *_controller(meta, identity, commands),
        *_releases(meta),
    )
    return found or tuple(_managers(meta))


def _argo_cd(meta: Mapping[str, Any], commands: KubectlCommands) -> Iterator[Owner]:
    labels, tracked = _labels(meta), _annotations(meta).get(f"{_ARGO_CD}tracking-id", "")
    if not tracked and not any(key.startswith(_ARGO_CD) for key in labels):
        return
    name = labels.get(f"{_ARGO_CD}instance") or tracked.partition(":")[0]
    # An application outside of Argo CD's own namespace is tracked as namespace_name; neither can have a `_`.
    namespace, _, own_name = name.rpartition("_")
    pause = (f"applications.argoproj.io/{own_name}", f"{_ARGO_CD}skip-reconcile=true")
    yield Owner(
        "argocd",
        f"Argo CD application {own_name or 'of unknown name'}",
        "puts its own image back at its next sync",
        reverts=True,
        suspend=commands.kubectl(namespace or _ARGO_CD_NAMESPACE, "annotate", *pause) if own_name else "",
    )


def _flux_kustomize(meta: Mapping[str, Any], commands: KubectlCommands) -> Iterator[Owner]:
    labels = _labels(meta)
    name, namespace = labels.get(f"{_FLUX_KUSTOMIZE}name"), labels.get(f"{_FLUX_KUSTOMIZE}namespace", "flux-system")
    if not name:
        return
    held = _annotations(meta).get(f"{_FLUX_KUSTOMIZE}reconcile") == "disabled"
    resource, change = f"kustomizations.kustomize.toolkit.fluxcd.io/{name}", '{"spec":{"suspend":true}}'
    yield Owner(
        "flux",
        f"Flux kustomization {namespace}/{name}",
        "puts its own image back once its reconciliation is enabled again"
        if held
        else "puts its own image back at its next reconciliation",
        reverts=not held,
        suspend=commands.kubectl(namespace, "patch", resource, "--type=merge", f"--patch={change}"),
    )


def _keel(meta: Mapping[str, Any], identity: WorkloadId, commands: KubectlCommands) -> Iterator[Owner]:
    labels, annotations = _labels(meta), _annotations(meta)
    policy = f"{_KEEL}policy"
    known = {policy, f"{_KEEL}trigger", f"{_KEEL}match-tag"}
    if not known & {*labels, *annotations} or "never" in {labels.get(policy), annotations.get(policy)}:
        return
    verb = "label" if policy in labels else "annotate"
    workload = f"{identity.kind.name}/{identity.name}"
    yield Owner(
        "keel",
        "Keel",
        "deploys the newest tag again",
        reverts=True,
        suspend=commands.kubectl(identity.namespace, verb, "--overwrite", workload, f"{policy}=never"),
    )


def _controller(meta: Mapping[str, Any], identity: WorkloadId, commands: KubectlCommands) -> Iterator[Owner]:
    for reference in meta.get("ownerReferences") or ():
        if not reference.get("controller"):
            continue
        kind, name = str(reference.get("kind", "")), str(reference.get("name", ""))
        group, _, version = str(reference.get("apiVersion", "")).rpartition("/")
        resource = f"{kind}.{version}.{group}" if group else kind
        yield Owner(
            kind.lower(),
            f"the controller of {kind} {name}",
            "resets what others change",
            reverts=True,
            suspend=commands.kubectl(identity.namespace, "edit", f"{resource}/{name}"),
        )


def _releases(meta: Mapping[str, Any]) -> Iterator[Owner]:
    labels, annotations = _labels(meta), _annotations(meta)
    flux = labels.get(f"{_FLUX_HELM}name")
    release = annotations.get(f"{_HELM}release-name")
    if flux:
        namespace = labels.get(f"{_FLUX_HELM}namespace", "")
        effect = "brings its own image back at its next upgrade, and before that if its drift detection is enabled"
        yield Owner("flux-helm", f"Flux HelmRelease {namespace}/{flux}", effect, reverts=False)
    elif release or labels.get("app.kubernetes.io/managed-by") == "Helm":
        name = f"Helm release {release}" if release else "its Helm release"
        yield Owner("helm", name, "brings its own image back at the next helm upgrade", reverts=False)


def _managers(meta: Mapping[str, Any]) -> Iterator[Owner]:
    """Whoever has set an image, but us and what was typed once."""
    seen: set[str] = set()
    for entry in meta.get("managedFields") or ():
        name = str(entry.get("manager", ""))
        if name in {"", FIELD_MANAGER, *_TYPED_ONCE, *seen} or not _owns_image(entry.get("fieldsV1") or {}):
            continue
        seen.add(name)
        day = str(entry.get("time") or "")[:10]
        effect = f"has set its image{f' ({day})' if day else ''}, and brings it back when it is applied again"
        yield Owner(name, f"the field manager {name}", effect, reverts=False)


def _owns_image(fields: Mapping[str, Any]) -> bool:
    pod = fields.get("f:spec", {}).get("f:template", {}).get("f:spec", {})
    return any(
        "f:image" in member
        for list_name in CONTAINER_LISTS
        for key, member in pod.get(f"f:{list_name}", {}).items()
        if key.startswith("k:")
    )


def _labels(meta: Mapping[str, Any]) -> Mapping[str, str]:
    return meta.get("labels") or {}


def _annotations(meta: Mapping[str, Any]) -> Mapping[str, str]:
    return meta.get("annotations") or {}
