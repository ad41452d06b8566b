"""The oldest kubectl that the target works with, 1.20, against the newest API server."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rollback.errors import LoginRefused
from rollback.targets.kubernetes.api import KubernetesApi
from rollback.targets.kubernetes.kubectl import KubectlOptions
from tests.integration.kubernetes.conftest import GOOD, GOOD_DAY, Shop
from tests.integration.kubernetes.login_plugin import logins, with_login
from tests.support.kubernetes.cluster import Cluster

OLD_PROTOCOL = "v1beta1"  # of login plug-ins; kubectl 1.22 was the first with `v1`
# The command on a machine where no unix socket can be had, so that every request is a kubectl of its own.
WITHOUT_PROXY = """
import sys
from rollback import cli
from rollback.targets.kubernetes import kubectl_proxy
kubectl_proxy._LONGEST_PATH = 0
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("with_proxy", [True, False], ids=["proxy", "single commands"])
def test_a_service_goes_back_and_forward_again_with_a_login_plug_in(
    shop: Shop, oldest_kubectl: str, tmp_path: Path, *, with_proxy: bool
) -> None:
    _, bad = shop.release("web")
    shop.namespace.create("Deployment", "web", bad, replicas=1)
    shop.namespace.wait_until_up("Deployment", "web")
    before = shop.namespace.get("Deployment", "web")["spec"]["template"]
    login = with_login(shop.namespace.cluster, tmp_path, version=OLD_PROTOCOL)
    shop.settings(program=oldest_kubectl, kubeconfig=str(login))
    if not with_proxy:
        shop.command = replace(shop.command, program=(sys.executable, "-c", WITHOUT_PROXY))
    shop.get()
    logged_in = logins(tmp_path)

    ran = shop.command("run", f"--date={GOOD_DAY}", "--env=prod")
    logged_in_by_run, image = logins(tmp_path) - logged_in, shop.image("Deployment", "web")
    undone = shop.command("undo", "--yes")

    assert (ran.code, undone.code) == (0, 0), ran.err + ran.out + undone.err
    assert image == shop.pinned("web", GOOD)
    assert shop.namespace.get("Deployment", "web")["spec"]["template"] == before
    assert (logged_in_by_run == 1) is with_proxy
    assert ("kubectl proxy cannot be used" in ran.err) is not with_proxy


def test_a_login_plug_in_that_it_does_not_know_is_said(oldest_kubectl: str, cluster: Cluster, tmp_path: Path) -> None:
    file = with_login(cluster, tmp_path, version="v1")
    api = KubernetesApi(KubectlOptions(cluster.context, oldest_kubectl, str(file)))

    with pytest.raises(LoginRefused) as caught:
        api.get("/api/v1/namespaces/default", "x")

    assert 'invalid apiVersion "client.authentication.k8s.io/v1"' in caught.value.why
    assert "too old or too new" in caught.value.hint
    assert logins(tmp_path) == 0
