"""get, plan, run and undo against a real control plane and a real registry."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone

import pytest

from tests.integration.kubernetes.conftest import BAD, GOOD, GOOD_DAY, Shop
from tests.support.kubernetes.image_behavior import CRASHES, HEALTHY

KINDS = ["Deployment", "StatefulSet", "DaemonSet"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_goes_back_to_the_good_day_and_forward_again(shop: Shop, kind: str) -> None:
    good, bad = shop.release("web")
    shop.namespace.create(kind, "web", good)
    shop.namespace.wait_until_up(kind, "web")
    shop.namespace.set_image(kind, "web", bad)
    shop.namespace.wait_until_up(kind, "web")
    before = shop.namespace.get(kind, "web")["spec"]["template"]

    got = shop.get()
    planned = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod")
    untouched = shop.image(kind, "web")
    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")
    image, pods = shop.image(kind, "web"), [pod["spec"]["containers"][0]["image"] for pod in shop.namespace.pods()]
    again = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")
    undone = shop.command("undo", "--yes")

    assert (got.code, planned.code, ran.code, again.code, undone.code) == (0, 0, 0, 0, 0), (
        got.err + planned.err + ran.err + ran.out + again.err + undone.err + undone.out
    )
    assert untouched == bad
    assert ran.out.startswith("DONE after ")
    assert image == shop.pinned("web", GOOD)
    assert pods == [image, image]
    assert again.out.startswith("NOTHING TO DO after ")
    assert undone.out.startswith("DONE after ")
    assert shop.namespace.get(kind, "web")["spec"]["template"] == before


def test_two_namespaces_are_named_with_context_and_server_and_go_back_together(shop: Shop) -> None:
    _, bad = shop.release("web")
    cluster = shop.namespace.cluster
    with cluster.namespace() as other:
        both = sorted((shop.namespace, other), key=lambda one: one.name)
        for one in both:
            one.create("Deployment", "web", bad, replicas=1)
        for one in both:
            one.wait_until_up("Deployment", "web")
        shop.settings(namespace=f"[{shop.namespace.name}, {other.name}]")
        shop.get()

        examined = shop.command("doctor")
        ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")
        checked = shop.command("check", "--env=prod")
        after = [one.get("Deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] for one in both]
        kept = [cluster.kubectl("-n", one.name, "get", "configmaps", "-o", "name") for one in both]

    assert examined.code == 0, examined.out
    assert f"context {cluster.context}: {cluster.server}, as rollback" in examined.out
    assert "each of 1 services has its apps in prod (2 in all)" in examined.out
    names = ", ".join(one.name for one in both)
    assert ran.code == 0, ran.err + ran.out
    assert f"context {cluster.context}, namespaces {names} at {cluster.server}" in ran.err
    assert after == [shop.pinned("web", GOOD)] * 2
    assert checked.code == 1
    assert all("rollback-freeze" in one and "rollback-lock" not in one for one in kept), kept


def test_a_service_that_crashes_is_put_back_to_the_identical_template(shop: Shop) -> None:
    good, bad = shop.release("web")
    shop.namespace.create("Deployment", "web", bad)
    shop.namespace.wait_until_up("Deployment", "web")
    before = shop.namespace.get("Deployment", "web")["spec"]["template"]
    replica_sets = shop.namespace.cluster.kubectl("-n", shop.namespace.name, "get", "replicasets", "-o", "name")
    shop.namespace.set_behavior(good, CRASHES)

    ran = shop.run()

    assert ran.code == 5, ran.err + ran.out
    assert ran.out.startswith("RESTORED")
    assert "it fails again and again" in ran.out
    assert shop.namespace.get("Deployment", "web")["spec"]["template"] == before
    after = json.loads(shop.namespace.cluster.kubectl("-n", shop.namespace.name, "get", "replicasets", "-o", "json"))[
        "items"
    ]
    (alive,) = [one["metadata"]["name"] for one in after if one["spec"]["replicas"]]
    assert alive in replica_sets


def test_init_containers_of_the_same_repository_change_with_it_in_one_write(shop: Shop) -> None:
    _, bad = shop.release("web")
    sidecar = f"{shop.host}/shop/proxy:1"
    shop.namespace.create(
        "Deployment",
        "web",
        bad,
        pod={
            "initContainers": [{"name": "log", "image": sidecar, "restartPolicy": "Always"}],
            "containers": [{"name": "main", "image": bad}, {"name": "jobs", "image": bad}],
        },
    )
    generation = shop.namespace.get("Deployment", "web")["metadata"]["generation"]

    ran = shop.run()

    assert ran.code == 0, ran.err + ran.out
    after = shop.namespace.get("Deployment", "web")
    assert [one["image"] for one in after["spec"]["template"]["spec"]["containers"]] == [shop.pinned("web", GOOD)] * 2
    assert after["spec"]["template"]["spec"]["initContainers"][0]["image"] == sidecar
    assert after["metadata"]["generation"] == generation + 1


def test_the_history_of_the_rollout_says_why(shop: Shop) -> None:
    _, bad = shop.release("web")
    for kind in KINDS[:2]:  # a StatefulSet has no annotations at first
        shop.namespace.create(kind, "web", bad)
    shop.settings(f"apps: {{web: {shop.namespace.name}/statefulset/web}}\n")

    ran = shop.run()

    assert ran.code == 0, ran.err + ran.out
    annotations = shop.namespace.get("StatefulSet", "web")["metadata"]["annotations"]
    run = ran.out.partition("Run:  ")[2].split()[0]
    assert annotations["kubernetes.io/change-cause"] == f"rollback {run}: main {bad} -> {shop.pinned('web', GOOD)}"
    assert BAD in shop.image("Deployment", "web")


def test_an_undo_names_what_somebody_has_changed_beside_the_images_and_no_value_gets_into_a_file(shop: Shop) -> None:
    _, bad = shop.release("web")
    main = {"name": "main", "image": bad, "env": [{"name": "PASSWORD", "value": "hunter2-in-clear"}]}
    shop.namespace.create("Deployment", "web", bad, replicas=1, pod={"containers": [main]})
    ran = shop.run()
    token = {"name": "TOKEN", "value": "hunter2-again"}
    shop.namespace.patch(
        "Deployment", "web", {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [token]}]}}}}
    )

    refused = shop.command("undo", "--yes")
    kept = shop.image("Deployment", "web")
    undone = shop.command("undo", "--yes", "--accept-moved=web")

    assert ran.code == 0, ran.err + ran.out
    assert refused.code == 3
    assert "web: somebody has changed it since the run" in refused.err
    assert "changed: container main" in refused.err
    assert kept == shop.pinned("web", GOOD)
    assert undone.code == 0, undone.err + undone.out
    (after,) = shop.namespace.get("Deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert after["image"] == bad
    assert token in after["env"]
    written = [path.read_text() for path in shop.command.folder.rglob("*") if path.is_file()]
    said = [text for one in (ran, refused, undone) for text in (one.out, one.err)]
    assert len(written) >= 3
    assert not any("hunter2" in text for text in (*written, *said))


def test_undo_of_a_tag_that_has_moved_brings_back_the_image_that_ran(shop: Shop) -> None:
    shop.release("web")
    moving = shop.push("shop/web", "latest-master", "2026-11-23")
    ran_before = shop.digests["shop/web:latest-master"]
    shop.namespace.set_behavior(moving, HEALTHY.with_digest(ran_before))
    shop.namespace.create("Deployment", "web", moving, replicas=1)
    shop.namespace.wait_until_up("Deployment", "web")
    shop.push("shop/web", "latest-master", "2026-11-24")

    ran = shop.run()
    undone = shop.command("undo", "--yes")

    assert ran.code == 0, ran.err + ran.out
    assert undone.code == 0, undone.err + undone.out
    assert shop.image("Deployment", "web") == f"{moving}@{ran_before}"


def test_what_ran_at_a_moment_decides_with_the_basis_deployed_and_is_compared_with_otherwise(shop: Shop) -> None:
    """Both images are years old by then; the good one ran first, and the bad one with another variable."""
    services = {"web": "Deployment", "db": "StatefulSet"}  # of a DaemonSet there are ControllerRevisions, too
    images = {name: shop.release(name) for name in services}
    for name, kind in services.items():
        shop.namespace.create(kind, name, images[name][0], replicas=1)
    for name, kind in services.items():
        shop.namespace.wait_until_up(kind, name)
    began = time.time()
    shop.namespace.wait_until(lambda: time.time() > began + 2)  # the cluster's times have no fractions
    moment = datetime.fromtimestamp(began + 1, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, kind in services.items():
        main = {"name": "main", "image": images[name][1], "env": [{"name": "LEVEL", "value": "debug"}]}
        shop.namespace.patch(kind, name, {"spec": {"template": {"spec": {"containers": [main]}}}})
    for name, kind in services.items():
        shop.namespace.wait_until_up(kind, name)
    settings = shop.command.folder / "rollback.yaml"
    settings.write_text(settings.read_text().replace("timeout_s: 20", "timeout_s: 1"))  # how far apart is certain

    built = shop.get()
    compared = shop.command("plan", f"--date={moment}", "--env=prod")
    repos = ",".join(f"shop/{name}" for name in services)
    got = shop.command("get", f"--repo={repos}", "--env=prod", "--basis=deployed")
    ran = shop.command("run", f"--date={moment}", "--env=prod", "--timeout=60")

    assert (built.code, compared.code, got.code, ran.code) == (0, 0, 0, 0), (
        built.err + compared.err + compared.out + got.err + ran.err + ran.out
    )
    said = " ".join(f"{compared.out} {compared.err}".split())
    report = " ".join(ran.out.split())
    for name, kind in services.items():
        assert f"{name} was configured with {GOOD}" in said
        assert shop.image(kind, name) == shop.pinned(name, GOOD)
        assert f"{name}: env LEVEL is new" in report
