"""What an operator types with the DC/OS command line program."""

from __future__ import annotations

import shlex


class DcosCommands:
    """Commands of `dcos`, for a shell where it is logged in."""

    def show(self, app_id: str) -> str:
        """See `OperatorCommands`."""
        return shlex.join(["dcos", "marathon", "app", "show", app_id])

    def list_deployments(self) -> str:
        """See `OperatorCommands`."""
        return "dcos marathon deployment list"

    def roll_back(self, deployment_id: str) -> str:
        """See `OperatorCommands`."""
        return shlex.join(["dcos", "marathon", "deployment", "rollback", deployment_id])

    def end(self, deployment_id: str) -> str:
        """See `OperatorCommands`."""
        return shlex.join(["dcos", "marathon", "deployment", "stop", deployment_id])
