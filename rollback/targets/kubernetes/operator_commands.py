"""What an operator types at a cluster; kubectl logs in by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rollback.targets.kubernetes.workloads import WorkloadId


@dataclass(frozen=True)
class KubectlCommands:
    """Commands for a shell with kubectl.

    Attributes:
        context: the context of the kubeconfig.
        namespaces: the namespaces used.
        kubeconfig: path of the kubeconfig; empty for kubectl's own.
    """

    context: str
    namespaces: Sequence[str] = ()
    kubeconfig: str = ""

    def show(self, app_id: str) -> str:
        """See `OperatorCommands`."""
        identity = WorkloadId.parse(app_id)
        return self.kubectl(identity.namespace, "describe", f"{identity.kind.name}/{identity.name}")

    def list_deployments(self) -> str:
        """See `OperatorCommands`."""
        return " && ".join(
            self.kubectl(one, "get", "deployments,statefulsets,daemonsets,pods") for one in self.namespaces
        )

    def roll_back(self, deployment_id: str) -> str:  # noqa: ARG002
        """See `OperatorCommands`: a rollout holds nothing."""
        return ""

    def end(self, deployment_id: str) -> str:  # noqa: ARG002
        """See `OperatorCommands`: a rollout holds nothing."""
        return ""

    def kubectl(self, namespace: str, *words: str) -> str:
        """A kubectl command in a namespace."""
        config = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return shlex.join(["kubectl", *config, "--context", self.context, "-n", namespace, *words])
