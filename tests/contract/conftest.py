"""What every test of the contract has: assertions that show their values, and no pauses between attempts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from urllib3.util.retry import Retry

from tests.contract.kubernetes_stage import Gateway, gateway
from tests.support.kubernetes.cluster import Cluster

for _name in ("target", "reading", "update", "rollout", "marathon"):
    pytest.register_assert_rewrite(f"tests.contract.{_name}_contract")
pytest.register_assert_rewrite("tests.contract.optional_contracts", "tests.contract.program")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retry, "get_backoff_time", lambda _retry: 0)


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> Iterator[Gateway]:
    """Between a target and the API server, where answers can be lost."""
    with gateway(cluster) as made:
        yield made
