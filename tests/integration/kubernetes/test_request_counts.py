"""How many requests the commands send to the API server, counted in front of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.kubernetes.conftest import GOOD_DAY, Shop
from tests.support.kubernetes.control_plane import kubeconfig
from tests.support.registry_proxy import Asked, Front, front

CHANGED = {"web": "Deployment", "db": "StatefulSet", "agent": "DaemonSet"}
WORKLOADS = 200  # all of them


@pytest.fixture
def gateway(shop: Shop, tmp_path: Path) -> Iterator[Front]:
    """Between the commands and the API server; `kubectl` uses no login over plain HTTP, so logins count elsewhere."""
    with shop.namespace.cluster.http_address() as upstream, front(upstream) as server:
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps(kubeconfig({"server": server.url}, {})))
        shop.settings(kubeconfig=str(file))
        yield server


def is_dry_run(asked: Asked) -> bool:
    return "dryRun" in asked.query


def of_workloads(requests: list[Asked]) -> list[Asked]:
    """Those that change a workload, or try to."""
    return [asked for asked in requests if asked.method == "PATCH" and "/apis/apps/" in asked.path]


def test_200_workloads_cost_a_dozen_reads_and_one_write_per_change(shop: Shop, gateway: Front) -> None:
    namespace, other = shop.namespace, f"{shop.host}/shop/other:1"
    for name, kind in CHANGED.items():
        namespace.create(kind, name, shop.release(name)[1], replicas=1)
    kinds = ["Deployment" if number % 2 else "StatefulSet" for number in range(WORKLOADS - len(CHANGED))]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: namespace.create(one[1], f"s{one[0]}", other, replicas=0), enumerate(kinds)))
    for name, kind in CHANGED.items():
        namespace.wait_until_up(kind, name)
    assert shop.get().code == 0

    gateway.seen.clear()
    planned, of_plan = shop.command("plan", f"--date={GOOD_DAY}", "--env=prod"), list(gateway.seen)
    gateway.seen.clear()
    ran, of_run = shop.command("run", f"--date={GOOD_DAY}", "--env=prod"), list(gateway.seen)

    assert (planned.code, ran.code) == (0, 0), planned.err + ran.err + ran.out
    paths = sorted(namespace.path(kind, name) for name, kind in CHANGED.items())
    reads = [asked.path for asked in of_plan if asked.method == "GET"]
    assert len(reads) <= 12, reads
    assert sorted(asked.path for asked in of_plan if asked.method != "GET") == paths
    assert all(is_dry_run(asked) for asked in of_plan if asked.method != "GET")

    tried = [asked.path for asked in of_workloads(of_run) if is_dry_run(asked)]
    written = [asked for asked in of_workloads(of_run) if not is_dry_run(asked)]
    assert sorted(tried) == sorted(asked.path for asked in written) == paths
    last = max(of_run.index(asked) for asked in written)
    looked = Counter(
        asked.path for asked in of_run[last:] if asked.method == "GET" and "/configmaps/" not in asked.path
    )
    looks = looked[namespace.path("DaemonSet", "").rstrip("/")]
    assert looks > 1
    assert max(looked.values()) <= looks
    assert sum(looked.values()) <= looks * (len(CHANGED) + 2), looked
