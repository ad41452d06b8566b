"""The oldest kubectl that the target works with, 1.20, against the newest API server.

`tests/contract/test_kubernetes_commands.py` runs it without a proxy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback.errors import LoginRefused
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.kubectl import KubectlOptions
from tests.integration.kubernetes.conftest import GOOD, GOOD_DAY, Shop
from tests.integration.kubernetes.login_plugin import logins, with_login
from tests.support.kubernetes.cluster import Cluster

OLD_PROTOCOL = "v1beta1"  # of login plug-ins; kubectl 1.22 was the first with `v1`


def test_a_service_goes_back_and_forward_again_with_a_login_plug_in(
    shop: Shop, oldest_kubectl: str, tmp_path: Path
) -> None:
    _, bad = shop.release("web")
    shop.namespace.create("Deployment", "web", bad, replicas=1)
    shop.namespace.wait_until_up("Deployment", "web")
    before = shop.namespace.get("Deployment", "web")["spec"]["template"]
    login = with_login(shop.namespace.cluster, tmp_path, version=OLD_PROTOCOL)
    shop.settings(program=oldest_kubectl, kubeconfig=str(login))
    shop.get()
    logged_in = logins(tmp_path)

    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")
    logged_in_by_run, image = logins(tmp_path) - logged_in, shop.image("Deployment", "web")
    undone = shop.command("undo", "--yes")

    assert (ran.code, undone.code) == (0, 0), ran.err + ran.out + undone.err
    assert image == shop.pinned("web", GOOD)
    assert shop.namespace.get("Deployment", "web")["spec"]["template"] == before
    assert logged_in_by_run == 1


def test_a_login_plug_in_that_it_does_not_know_is_said(oldest_kubectl: str, cluster: Cluster, tmp_path: Path) -> None:
    file = with_login(cluster, tmp_path, version="v1")
    api = KubernetesApi(KubectlOptions(cluster.context, oldest_kubectl, str(file)))

    with pytest.raises(LoginRefused) as caught:
        api.get("/api/v1/namespaces/default", "x")

    assert 'invalid apiVersion "client.authentication.k8s.io/v1"' in caught.value.why
    assert "too old or too new" in caught.value.hint
    assert logins(tmp_path) == 0
