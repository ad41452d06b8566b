"""What goes wrong on a cluster, on a real control plane; docs/faults.md has a row for each."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.command import Command, Said
from tests.integration.kubernetes.conftest import BAD, GOOD, GOOD_DAY, Shop
from tests.integration.kubernetes.login_plugin import logins, with_login
from tests.support.kubernetes.cluster import Cluster
from tests.support.kubernetes.control_plane import kubeconfig, wait_until
from tests.support.kubernetes.image_behavior import (
    CRASHES,
    HEALTHY,
    MISCONFIGURED,
    NEVER_READY,
    UNPULLABLE,
    ImageBehavior,
    dies,
)
from tests.support.registry_proxy import Asked, Go, Reply, front

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_RBAC = "rbac.authorization.k8s.io/v1"
_NOBODY_LISTENS = "https://127.0.0.1:1/"


def stands(shop: Shop, name: str, kind: str = "Deployment", good: ImageBehavior = HEALTHY, **options: Any) -> str:
    """A workload that runs its bad image, with the good one behaving as told; the reference of the good one."""
    image, bad = shop.release(name)
    shop.namespace.set_behavior(image, good)
    shop.namespace.create(kind, name, bad, **{"replicas": 1, **options})
    return image


def up(shop: Shop, *names: str, kind: str = "Deployment") -> None:
    for name in names:
        shop.namespace.wait_until_up(kind, name)


def rows(said: Said) -> dict[str, dict[str, str]]:
    """By service, the rows of a report in JSON."""
    return {row["service"]: row for row in said.json()["services"]}


@contextmanager
def started(command: Command, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running."""
    process = command.start(*words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=120)
    return Said(process.returncode, out, err)


def with_webhook(shop: Shop, resource: str, group: str, app: str) -> None:
    """A webhook for the objects of one app that nobody answers."""
    admin, name = shop.namespace.cluster.admin, f"down-{resource}.{shop.namespace.name}.test"
    webhook = {
        "name": name,
        "clientConfig": {"url": _NOBODY_LISTENS},
        "rules": [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["*"], "resources": [resource]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace.name}},
        "objectSelector": {"matchLabels": {"app": app}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    admin.request("POST", _WEBHOOKS, {"metadata": {"name": name}, "webhooks": [webhook]})


def without_webhook(shop: Shop, resource: str) -> None:
    name = f"down-{resource}.{shop.namespace.name}.test"
    shop.namespace.cluster.admin.request("DELETE", f"{_WEBHOOKS}/{name}")


def test_each_way_in_which_a_workload_does_not_come_up_is_said_in_the_clusters_words(shop: Shop) -> None:
    """One run with the policy `keep`: a failure of each kind beside a service that comes up; then all goes back."""
    ways = {
        "unpullable": UNPULLABLE,
        "crashing": CRASHES,
        "dying": dies(0.6),
        "unready": NEVER_READY,
        "misconfigured": MISCONFIGURED,
        "healthy": HEALTHY,
    }
    for name, behavior in ways.items():
        stands(shop, name, good=behavior)
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [one_per_node("unplaced")]}}
    stands(shop, "unplaced", replicas=2, pod={"affinity": apart})
    limited = quota(shop)
    stands(shop, "crowded", pod={"priorityClassName": limited})
    stands(shop, "hooked")
    names = [*ways, "unplaced", "crowded", "hooked"]
    up(shop, *names)
    with_webhook(shop, "pods", "", "hooked")
    before = {name: shop.namespace.get("Deployment", name)["spec"]["template"] for name in names}

    ran = shop.run("--on-failure=keep", "--timeout=10", "--json")
    without_webhook(shop, "pods")
    undone = shop.command("undo", "--yes", "--timeout=60")

    found = rows(ran)
    assert ran.code == 4, ran.err + ran.out
    assert found["healthy"]["state"] == "changed"
    assert "ImagePullBackOff" in found["unpullable"]["detail"] or "ErrImagePull" in found["unpullable"]["detail"]
    assert "it fails again and again: container main ended: Error" in found["crashing"]["detail"]
    assert "it fails again and again: container main ended: OOMKilled" in found["dying"]["detail"]
    assert "not up within 10 s" in found["unready"]["detail"]
    assert "containers with unready status: [main]" in found["unready"]["detail"]
    assert 'secret "settings" not found' in found["misconfigured"]["detail"]
    assert "anti-affinity" in found["unplaced"]["detail"]
    assert "exceeded quota: q" in found["crowded"]["detail"]
    assert "failed calling webhook" in found["hooked"]["detail"]
    assert undone.code == 0, undone.err + undone.out
    assert {name: shop.namespace.get("Deployment", name)["spec"]["template"] for name in names} == before


def one_per_node(app: str) -> Mapping[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": "kubernetes.io/hostname"}


def quota(shop: Shop) -> str:
    """Allow one pod of a priority class; its name."""
    admin, name = shop.namespace.cluster.admin, f"scarce-{shop.namespace.name}"
    admin.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": 1})
    scope = {"scopeName": "PriorityClass", "operator": "In", "values": [name]}
    spec = {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [scope]}}
    path = f"/api/v1/namespaces/{shop.namespace.name}/resourcequotas"
    admin.request("POST", path, {"metadata": {"name": "q"}, "spec": spec})
    wait_until(lambda: "hard" in admin.request("GET", f"{path}/q").get("status", {}))
    return name


def test_every_kind_goes_back_to_the_identical_template_and_a_stuck_stateful_set_is_freed(shop: Shop) -> None:
    kinds = {"web": "Deployment", "db": "StatefulSet", "agent": "DaemonSet"}
    for name, kind in kinds.items():
        stands(shop, name, kind, UNPULLABLE, replicas=2)
    for name, kind in kinds.items():
        up(shop, name, kind=kind)
    before = {name: shop.namespace.get(kind, name)["spec"]["template"] for name, kind in kinds.items()}

    ran = shop.run("--timeout=6")

    assert ran.code == 5, ran.err + ran.out
    assert ran.out.startswith("RESTORED")
    assert {name: shop.namespace.get(kind, name)["spec"]["template"] for name, kind in kinds.items()} == before
    assert f"deleted the pod {shop.namespace.name}/db-1: it is not ready" in " ".join(ran.err.split())
    for name, kind in kinds.items():
        up(shop, name, kind=kind)


def test_without_the_right_to_delete_pods_the_command_that_frees_a_stateful_set_is_shown_once(shop: Shop) -> None:
    stands(shop, "db", "StatefulSet", UNPULLABLE, pod={"terminationGracePeriodSeconds": 1})
    up(shop, "db", kind="StatefulSet")
    before = shop.namespace.get("StatefulSet", "db")["spec"]["template"]
    shop.namespace.change_role(lambda rules: [rule for rule in rules if rule["verbs"] != ["delete"]])

    ran = shop.run("--timeout=12")  # that it is stuck takes seconds to be known on a busy machine
    said = " ".join(ran.err.split())
    shown = re.findall(r"kubectl --kubeconfig=\S+ --context (\S+) -n (\S+) delete pod (\S+)", said)
    shop.namespace.cluster.kubectl("-n", shop.namespace.name, "delete", "pod", "db-0")

    assert ran.code == 4, ran.err + ran.out
    assert shown, said
    assert shown == [(shop.namespace.cluster.context, shop.namespace.name, "db-0")]
    assert f"the pod {shop.namespace.name}/db-0 cannot be deleted" in said
    assert 'cannot delete resource "pods"' in said
    assert shop.namespace.get("StatefulSet", "db")["spec"]["template"] == before
    up(shop, "db", kind="StatefulSet")


def test_a_right_that_is_lost_after_the_plan_is_the_servers_own_words_and_the_others_go_back(
    shop: Shop, tmp_path: Path
) -> None:
    for name in ("web", "cart"):
        stands(shop, name)
    up(shop, "web", "cart")
    before = {name: shop.namespace.get("Deployment", name)["spec"]["template"] for name in ("web", "cart")}
    shop.settings(f"hooks: {{preflight: {with_rights_for_web_alone(shop, tmp_path)}}}\n")

    ran = shop.run("--json")

    found = rows(ran)
    assert ran.code == 5, ran.err + ran.out
    assert 'User "rollback" cannot patch resource "deployments"' in found["cart"]["detail"]
    assert found["web"]["state"] == "restored"
    assert {name: shop.namespace.get("Deployment", name)["spec"]["template"] for name in before} == before


def with_rights_for_web_alone(shop: Shop, folder: Path) -> Path:
    """A hook that leaves the right to change the Deployment `web` alone, between the dry runs and the first write."""
    cluster, name = shop.namespace.cluster, shop.namespace.name
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/roles/rollback"
    role = cluster.admin.request("GET", path)
    for rule in role["rules"]:
        if rule["verbs"] == ["patch"]:
            rule["resourceNames"] = ["web"]
    (folder / "role.json").write_text(json.dumps({**role, "kind": "Role", "apiVersion": _RBAC}))
    hook, kubectl = folder / "gate.sh", f"{cluster.program} -n {name} --kubeconfig"
    hook.write_text(
        f"""#!/bin/sh
{kubectl}={cluster.kubeconfig("admin")} replace -f {folder}/role.json >&2 || exit 1
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  {kubectl}={cluster.kubeconfig()} auth can-i patch deployments/cart >&2 || exit 0
done
exit 1
"""
    )
    hook.chmod(0o755)
    return hook


def test_a_foreign_change_in_mid_run_is_left_alone_and_foreign_scaling_is_none(shop: Shop) -> None:
    held = [stands(shop, name, good=NEVER_READY) for name in ("web", "cart")]  # until somebody has changed both
    up(shop, "web", "cart")
    shop.get()

    with started(
        shop.command, "run", f"--date={GOOD_DAY}", "--env=prod", "--on-failure=keep", "--timeout=60", "--json"
    ) as process:
        wait_until(lambda: all(GOOD in shop.image("Deployment", name) for name in ("web", "cart")), limit_s=60)
        shop.namespace.patch(
            "Deployment", "web", {"spec": {"template": {"metadata": {"annotations": {"by": "somebody"}}}}}
        )
        shop.namespace.patch("Deployment", "cart", {"spec": {"replicas": 2}})
        for image in held:
            shop.namespace.set_behavior(image, HEALTHY)
        ran = ended(process)

    found = rows(ran)
    assert ran.code == 4, ran.err + ran.out
    assert found["web"]["detail"].startswith("somebody else changed it meanwhile")
    assert (found["cart"]["state"], found["cart"]["detail"]) == ("changed", "2 of 2 ready")
    assert shop.namespace.get("Deployment", "web")["spec"]["template"]["metadata"]["annotations"] == {
        "by": "somebody"
    }


def test_a_write_whose_answer_is_lost_is_read_back_and_not_sent_again(shop: Shop, tmp_path: Path) -> None:
    stands(shop, "web")
    up(shop, "web")
    lost: list[str] = []

    def rule(asked: Asked, go: Go) -> Reply:
        answer = go()
        is_write = asked.method == "PATCH" and "dryRun" not in asked.query and "/deployments/" in asked.path
        if not is_write:
            return answer
        lost.append(asked.path)
        return Reply(gone=True)

    with shop.namespace.cluster.http_address() as upstream, front(upstream, rule) as server:
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(kubeconfig({"server": server.url}, {"token": "not-needed"})))
        shop.settings(kubeconfig=str(file))
        ran = shop.run()

    assert ran.code == 0, ran.err + ran.out
    assert len(lost) == 1
    assert shop.image("Deployment", "web") == shop.pinned("web", GOOD)


def test_two_runs_at_once_are_one_run_and_one_refusal_and_one_login_each(shop: Shop, tmp_path: Path) -> None:
    good = stands(shop, "web", good=NEVER_READY)  # until the second run has ended
    up(shop, "web")
    shop.settings(kubeconfig=str(with_login(shop.namespace.cluster, tmp_path)))
    shop.get()
    words = ("run", f"--date={GOOD_DAY}", "--env=prod", "--timeout=60")
    elsewhere = Command(shop.command.folder, variables={"XDG_STATE_HOME": str(tmp_path / "another machine")})

    with started(shop.command, *words) as process:
        wait_until(lambda: GOOD in shop.image("Deployment", "web"), limit_s=60)
        logged_in = logins(tmp_path)
        second = elsewhere(*words)
        shop.namespace.set_behavior(good, HEALTHY)
        first = ended(process)

    assert first.code == 0, first.err + first.out
    assert logged_in == 1
    assert second.code == 3, second.err + second.out
    assert f"run {first.out.partition('Run:  ')[2].split()[0]}" in second.err
    assert "rollback-lock" not in shop.namespace.cluster.kubectl("-n", shop.namespace.name, "get", "cm", "-o", "name")


def test_what_may_not_be_written_and_what_a_webhook_holds_up_is_refused_before_the_first_write(shop: Shop) -> None:
    for name in ("mine", "theirs", "hooked"):
        stands(shop, name, replicas=0, metadata={"labels": {"app": name}})
    shop.namespace.grant(
        "viewer",
        [
            {
                "apiGroups": ["apps"],
                "resources": ["deployments"],
                "resourceNames": ["mine", "hooked"],
                "verbs": ["patch"],
            }
        ],
    )
    with_webhook(shop, "deployments", "apps", "hooked")
    shop.settings(kubeconfig=str(shop.namespace.cluster.kubeconfig("viewer")))

    ran = shop.run("--json")
    without_webhook(shop, "deployments")

    reasons = {reason["service"]: reason["why"] for reason in ran.json()["reasons"]}
    assert ran.code == 3
    assert set(reasons) == {"theirs", "hooked"}
    assert 'User "viewer" cannot patch resource "deployments"' in reasons["theirs"]
    assert "failed calling webhook" in reasons["hooked"]
    assert BAD in shop.image("Deployment", "mine")


def test_a_restart_of_the_api_server_and_tokens_that_expire_are_lived_through(
    own_cluster: Cluster, registry_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    with own_cluster.namespace() as namespace:
        shop = Shop(namespace, registry_url, Command(folder))
        good = stands(shop, "web", good=NEVER_READY)  # until the API server is back
        up(shop, "web")
        shop.settings(kubeconfig=str(with_login(own_cluster, tmp_path, valid_s=2)))
        shop.get()
        with started(shop.command, "run", f"--date={GOOD_DAY}", "--env=prod", "--timeout=60") as process:
            wait_until(lambda: GOOD in shop.image("Deployment", "web"), limit_s=60)
            own_cluster.restart_api_server()
            namespace.set_behavior(good, HEALTHY)
            ran = ended(process)

        assert ran.code == 0, ran.err + ran.out
        assert ran.out.startswith("DONE")
        assert logins(tmp_path) > 1
        assert shop.image("Deployment", "web") == shop.pinned("web", GOOD)
