"""A login as cloud providers have it: a kubeconfig that names a program, which counts how often it is called."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.kubernetes.cluster import Cluster
from tests.support.kubernetes.control_plane import kubeconfig


def with_login(
    cluster: Cluster,
    folder: Path,
    *,
    valid_s: int = 3600,
    source: str = 'cat "$0.token"',
    version: str = "v1",
) -> Path:
    """Write a kubeconfig for `rollback` whose exec plug-in hands out tokens.

    Args:
        cluster: that it leads to.
        folder: for the kubeconfig and the program.
        valid_s: seconds for which kubectl may use a token.
        source: what the program, a shell script, prints as the token.
        version: of the plug-in's protocol; kubectl knows `v1` since 1.22.
    """
    config = json.loads(cluster.kubeconfig().read_text())
    api_version = f"client.authentication.k8s.io/{version}"
    kind = f'"apiVersion":"{api_version}","kind":"ExecCredential"'
    (folder / "login.token").write_text(config["users"][0]["user"]["token"])
    plugin = folder / "login"
    plugin.write_text(
        f"""#!/bin/sh
printf x >> "$0.count"
ends=$(date -u -d '+{valid_s} seconds' +%Y-%m-%dT%H:%M:%SZ)
token=$({source})
printf '{{{kind},"status":{{"token":"%s","expirationTimestamp":"%s"}}}}' "$token" "$ends"
"""
    )
    plugin.chmod(0o755)
    login = {"apiVersion": api_version, "command": str(plugin), "interactiveMode": "Never"}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(config["clusters"][0]["cluster"], {"exec": login})))
    return file


def logins(folder: Path) -> int:
    """How often somebody has logged in with a kubeconfig in this folder."""
    count = folder / "login.count"
    return len(count.read_text()) if count.exists() else 0
