"""What is refused before the first write, and what goes on with a note, on a real control plane."""

from __future__ import annotations

import json
import shlex

from tests.integration.kubernetes.conftest import GOOD, GOOD_DAY, Shop
from tests.support.kubernetes.cluster import Namespace
from tests.support.kubernetes.image_behavior import UNPULLABLE


def planned(shop: Shop, *more: str) -> dict[str, object]:
    said = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod", "--json", *more)
    answer: dict[str, object] = said.json()
    return answer


def reasons(plan: dict[str, object]) -> dict[str, tuple[str, str]]:
    found: list[dict[str, str]] = plan["reasons"]  # type: ignore[assignment]
    return {reason["service"]: (reason["what"], reason["next"]) for reason in found}


def test_what_deploys_by_itself_is_refused_with_its_command_until_it_is_accepted(shop: Shop) -> None:
    marks = {
        "argo": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/argo"}},
        "flux": {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
        "keel": {"annotations": {"keel.sh/policy": "minor"}},
    }
    for name, metadata in marks.items():
        _, bad = shop.release(name)
        shop.namespace.create("Deployment", name, bad, metadata=metadata, replicas=0)
    parent = shop.namespace.cluster.admin.request(
        "POST", f"/api/v1/namespaces/{shop.namespace.name}/configmaps", {"metadata": {"name": "main"}}
    )
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "main", "uid": parent["metadata"]["uid"]}
    _, bad = shop.release("owned")
    shop.namespace.create(
        "StatefulSet", "owned", bad, metadata={"ownerReferences": [{**reference, "controller": True}]}, replicas=0
    )
    shop.get()

    refused = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod", "--json")
    found = reasons(refused.json())
    names = "argocd,flux,keel,configmap"
    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod", f"--accept-owner={names}")
    undo_refused = shop.command("undo", "--yes")
    shop.settings(accept_owners=f"[{names}]")
    undone = shop.command("undo", "--yes")

    assert refused.code == 3
    assert set(found) == {"argo", "flux", "keel", "owned"}
    assert "annotate applications.argoproj.io/shop argocd.argoproj.io/skip-reconcile=true" in found["argo"][1]
    assert all(
        f"--accept-owner={name}" in next_step
        for name, (_, next_step) in zip(names.split(","), found.values(), strict=True)
    )
    assert ran.code == 0, ran.err + ran.out
    assert f"Undo: rollback undo --run={ran.out.partition('Run:  ')[2].split()[0]} --accept-owner={names}" in ran.out
    assert "argo: Argo CD application shop puts its own image back" in " ".join(ran.err.split())
    assert undo_refused.code == 3
    assert undone.code == 0, undone.err + undone.out


def test_a_fleet_that_kubectl_apply_or_helm_has_made_runs_without_options(shop: Shop) -> None:
    _, bad = shop.release("applied")
    _, chart = shop.release("chart")
    helm = {
        "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop"},
        "annotations": {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"},
    }
    shop.namespace.create("Deployment", "chart", chart, metadata=helm, replicas=1)
    apply(shop.namespace, "applied", bad)
    shop.namespace.wait_until_up("Deployment", "chart")

    shop.get()
    approved = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod", "--out=plan.json")
    ran = shop.command("run", "--plan=plan.json")

    assert (approved.code, ran.code) == (0, 0), approved.err + ran.err + ran.out
    assert shop.image("Deployment", "applied") == shop.pinned("applied", GOOD)
    told = " ".join(ran.err.split())
    assert told.count("chart: Helm release shop brings its own image back at the next helm upgrade") == 1
    assert "applied: the field manager kubectl-client-side-apply has set its image" in told


def apply(namespace: Namespace, name: str, image: str) -> None:
    """What `kubectl apply` does with a manifest."""
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }
    namespace.cluster.kubectl("-n", namespace.name, "apply", "-f", "-", stdin=json.dumps(manifest))


def test_states_in_which_no_pod_would_be_replaced_are_refused_with_the_command_that_helps(shop: Shop) -> None:
    shapes: dict[str, tuple[str, dict[str, object]]] = {
        "paused": ("Deployment", {"paused": True}),
        "by-hand": ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}),
        "canary": ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}),
    }
    for name, (kind, spec) in shapes.items():
        _, bad = shop.release(name)
        shop.namespace.create(kind, name, bad, spec=spec, replicas=0)
    shop.get()

    before = reasons(planned(shop))
    commands = {name: next_step.partition(", or leave")[0] for name, (_, next_step) in before.items()}
    for command in commands.values():
        shop.namespace.cluster.kubectl(*shell_words(command))
    after = reasons(planned(shop))

    assert {name: what for name, (what, _) in before.items()} == {
        "paused": "paused: it is paused",
        "by-hand": "by-hand: no pod would be replaced",
        "canary": "canary: not every pod would be replaced",
    }
    assert after == {}


def shell_words(command: str) -> list[str]:
    """The words of a kubectl command that an operator is shown, for the admin's kubeconfig."""
    return [word for word in shlex.split(command)[1:] if not word.startswith("--kubeconfig=")]


def test_a_rollout_in_flight_and_a_tag_that_may_move_are_notes(shop: Shop) -> None:
    _, bad = shop.release("web")
    shop.namespace.set_behavior(bad, UNPULLABLE)
    shop.namespace.create(
        "Deployment",
        "web",
        bad,
        replicas=1,
        spec={"strategy": {"type": "Recreate"}},
        pod={"containers": [{"name": "main", "image": bad, "imagePullPolicy": "IfNotPresent"}]},
    )
    shop.namespace.wait_until_waiting("ImagePullBackOff")
    shop.get()
    pinned = planned(shop)
    settings = shop.command.folder / "rollback.yaml"
    settings.write_text(settings.read_text().replace("run: {", "run: {pin: false, "))
    free = planned(shop)

    notes = pinned["steps"][0]["notes"]  # type: ignore[index]
    assert "a rollout is in flight, and this run replaces it: 1 of 1 updated, 0 available" in notes
    assert "all its pods end before the first new one starts: its strategy is Recreate" in notes
    assert "no health check: up means running" in notes
    moving = (
        "a node that has an image of this tag keeps that one: imagePullPolicy is IfNotPresent, and the tag may have"
    )
    assert not any(note.startswith(moving) for note in notes)
    assert any(note.startswith(moving) for note in free["steps"][0]["notes"])  # type: ignore[index]


def test_a_change_that_the_api_server_would_refuse_is_refused_in_its_words(shop: Shop) -> None:
    for name in ("web", "cart"):
        _, bad = shop.release(name)
        shop.namespace.create("Deployment", name, bad, replicas=0)
    policy = {
        "metadata": {"name": f"no-web-{shop.namespace.name}"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["UPDATE"],
                        "resources": ["deployments"],
                    }
                ]
            },
            "validations": [
                {"expression": "object.metadata.name != 'web'", "message": "web is closed for the night"}
            ],
        },
    }
    base = "/apis/admissionregistration.k8s.io/v1"
    binding = {
        "metadata": policy["metadata"],
        "spec": {
            "policyName": policy["metadata"]["name"],  # type: ignore[index]
            "validationActions": ["Deny"],
            "matchResources": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace.name}}
            },
        },
    }
    admin = shop.namespace.cluster.admin
    admin.request("POST", f"{base}/validatingadmissionpolicies", policy)
    admin.request("POST", f"{base}/validatingadmissionpolicybindings", binding)
    shop.get()
    shop.namespace.wait_until(lambda: "web" in reasons(planned(shop)))

    found = planned(shop)
    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")

    assert set(reasons(found)) == {"web"}
    assert "web is closed for the night" in str(found["reasons"])
    assert ran.code == 3
    assert GOOD not in shop.image("Deployment", "cart")


def test_what_runs_a_repository_and_is_no_app_is_named_and_what_may_not_be_read_too(shop: Shop) -> None:
    good, bad = shop.release("web")
    shop.namespace.create("Deployment", "web", bad, replicas=1)
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": bad}]}
    admin, base = shop.namespace.cluster.admin, f"namespaces/{shop.namespace.name}"
    job = {"template": {"spec": pod}}
    admin.request(
        "POST",
        f"/apis/batch/v1/{base}/cronjobs",
        {"metadata": {"name": "report"}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}},
    )
    admin.request("POST", f"/apis/batch/v1/{base}/jobs", {"metadata": {"name": "import"}, "spec": job})
    admin.request(
        "POST",
        f"/api/v1/{base}/pods",
        {"metadata": {"name": "debug"}, "spec": {**pod, "containers": [{"name": "main", "image": good}]}},
    )
    shop.namespace.wait_until_up("Deployment", "web")
    shop.get()

    full = planned(shop)
    strict = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod", "--strict")
    shop.settings(kubeconfig=str(shop.namespace.cluster.kubeconfig("viewer")))
    limited = planned(shop)
    shop.settings()
    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")

    others: list[dict[str, object]] = full["not_changed"]  # type: ignore[assignment]
    assert {(str(one["app"]).partition("/")[2], one["reason"], one["differs"]) for one in others} == {
        ("cronjob/report", "a CronJob", True),
        ("job/import", "a Job", True),
        ("pod/debug", "a Pod", False),
    }
    assert full["not_looked_at"] == []
    assert strict.code == 3
    assert "import runs shop/web and would not be changed" in strict.err
    assert [words.partition(" of ")[0] for words in limited["not_looked_at"]] == ["CronJobs"]  # type: ignore[attr-defined]
    assert "cannot patch resource" in str(limited["reasons"])
    assert ran.code == 0, ran.err + ran.out
    assert "report (a CronJob) runs" in ran.out.splitlines()[0]
