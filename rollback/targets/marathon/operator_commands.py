"""What an operator types at a Marathon over HTTP; the login is theirs to add."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class HttpCommands:
    """Commands for a shell with curl.

    Attributes:
        url: address of Marathon, without a secret.
    """

    url: str

    def show(self, app_id: str) -> str:
        """See `OperatorCommands`."""
        return self._curl(f"/v2/apps{app_id}")

    def list_deployments(self) -> str:
        """See `OperatorCommands`."""
        return self._curl("/v2/deployments")

    def roll_back(self, deployment_id: str) -> str:
        """See `OperatorCommands`."""
        return self._curl(f"/v2/deployments/{deployment_id}", "-X", "DELETE")

    def end(self, deployment_id: str) -> str:
        """See `OperatorCommands`."""
        return self._curl(f"/v2/deployments/{deployment_id}?force=true", "-X", "DELETE")

    def _curl(self, path: str, *options: str) -> str:
        return shlex.join(["curl", "-s", *options, f"{self.url}{path}"])
