"""Who else deploys a workload, told by its metadata."""

from __future__ import annotations

from typing import Any

import pytest

from rollback.core.apps import Owner
from rollback.targets.kubernetes.gitops_owners import NAMES, owners
from rollback.targets.kubernetes.operator_commands import KubectlCommands
from rollback.targets.kubernetes.workloads import WorkloadId

WEB = WorkloadId.parse("shop/deployment/web")
ARGO_CD = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "infra"}


def of(**meta: Any) -> tuple[Owner, ...]:
    return owners({"metadata": meta}, WEB, KubectlCommands("prod"))


def one(**meta: Any) -> Owner:
    (owner,) = of(**meta)
    return owner


def managed(manager: str, **fields: Any) -> dict[str, Any]:
    containers: dict[str, Any] = {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}
    spec = {"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}}
    return {"manager": manager, "operation": "Update", "time": "2026-11-20T04:05:06Z", "fieldsV1": spec, **fields}


@pytest.mark.parametrize(
    ("meta", "instance", "suspend"),
    [
        (
            {"annotations": ARGO_CD},
            "Argo CD application shop",
            "kubectl --context prod -n argocd annotate applications.argoproj.io/shop "
            "argocd.argoproj.io/skip-reconcile=true",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team-a_shop:apps/Deployment:shop/web"}},
            "Argo CD application shop",
            "kubectl --context prod -n team-a annotate applications.argoproj.io/shop "
            "argocd.argoproj.io/skip-reconcile=true",
        ),
        (
            {"labels": {"argocd.argoproj.io/instance": "cart"}},
            "Argo CD application cart",
            "kubectl --context prod -n argocd annotate applications.argoproj.io/cart "
            "argocd.argoproj.io/skip-reconcile=true",
        ),
        (
            {"labels": FLUX},
            "Flux kustomization infra/shop",
            "kubectl --context prod -n infra patch kustomizations.kustomize.toolkit.fluxcd.io/shop --type=merge "
            '\'--patch={"spec":{"suspend":true}}\'',
        ),
        (
            {"annotations": {"keel.sh/policy": "minor"}},
            "Keel",
            "kubectl --context prod -n shop annotate --overwrite deployment/web keel.sh/policy=never",
        ),
        (
            {"labels": {"keel.sh/policy": "all"}},
            "Keel",
            "kubectl --context prod -n shop label --overwrite deployment/web keel.sh/policy=never",
        ),
        (
            {"ownerReferences": [{"apiVersion": "x.io/v1", "kind": "Shop", "name": "main", "controller": True}]},
            "the controller of Shop main",
            "kubectl --context prod -n shop edit Shop.v1.x.io/main",
        ),
    ],
)
def test_what_changes_it_back_by_itself_is_named_with_the_command_that_suspends_it(
    meta: dict[str, Any], instance: str, suspend: str
) -> None:
    owner = one(**meta)

    assert (owner.instance, owner.suspend, owner.reverts) == (instance, suspend, True)


@pytest.mark.parametrize(
    "meta",
    [
        {"labels": {"app.kubernetes.io/instance": "shop"}},
        {"annotations": {"keel.sh/policy": "never", "keel.sh/trigger": "poll"}},
        {"annotations": {"argocd.argoproj.io/sync-wave": "2"}},
        {"ownerReferences": [{"apiVersion": "x.io/v1", "kind": "Shop", "name": "main"}]},
        {"managedFields": [managed("kubectl-set"), managed("kubectl-edit"), managed("rollback"), managed("")]},
        {"managedFields": [{"manager": "scaler", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
        {},
    ],
)
def test_what_proves_nothing_is_no_owner(meta: dict[str, Any]) -> None:
    assert of(**meta) == ()


@pytest.mark.parametrize(
    ("meta", "name", "words"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "helm", "its Helm release"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "helm", "Helm release shop"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "flux-helm", "Flux HelmRelease"),
        (
            {"labels": FLUX, "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}},
            "flux",
            "Flux kustomization infra/shop",
        ),
        ({"managedFields": [managed("kubectl-client-side-apply")]}, "kubectl-client-side-apply", "the field manager"),
    ],
)
def test_what_waits_until_somebody_uses_it_is_a_note(meta: dict[str, Any], name: str, words: str) -> None:
    owner = one(**meta)

    assert (owner.name, owner.reverts) == (name, False)
    assert words in owner.instance


def test_the_manager_of_the_image_is_named_only_where_nothing_else_is_known() -> None:
    found = of(managedFields=[managed("argocd-controller")], annotations=ARGO_CD)

    assert [owner.name for owner in found] == ["argocd"]


def test_a_manager_of_an_init_container_counts_and_its_day_is_told() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:template": {"f:spec": {"f:initContainers": {'k:{"name":"a"}': {"f:image": {}}}}}}
    }

    assert "2026-11-20" in one(managedFields=[managed("pipeline", fieldsV1=fields)]).effect


def test_the_names_that_are_known_beforehand_are_those_of_owners_that_put_their_own_image_back() -> None:
    marked = (of(annotations=ARGO_CD), of(labels=FLUX), of(labels={"keel.sh/policy": "all"}))

    assert tuple(owner.name for (owner,) in marked if owner.reverts) == NAMES
