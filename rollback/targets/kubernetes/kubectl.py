"""The program `kubectl`: where it is, how it is called, and what its kubeconfig says about a context."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback.errors import ProgramMissing, ProgramStopped, TargetError
from rollback.system import files, process
from rollback.system.process import CompletedProgram

LONGEST = 400  # characters of another program's words that go into an error


@dataclass(frozen=True)
class KubectlOptions:
    """Which cluster is meant, and how kubectl is called.

    Attributes:
        context: a context of the kubeconfig; the current context is never used silently.
        program: kubectl's path, or its name on PATH.
        kubeconfig: path of a kubeconfig; empty for what kubectl uses by itself (`KUBECONFIG`, `~/.kube/config`).
        folder: to which relative paths refer.
        timeout_s: seconds that one request may take, its retries included.
    """

    context: str
    program: str = "kubectl"
    kubeconfig: str = ""
    folder: Path = Path()
    timeout_s: float = 60.0


@dataclass(frozen=True)
class ContextInfo:
    """What the kubeconfig says about a context.

    Attributes:
        name: of the context.
        cluster: name of its cluster in the kubeconfig.
        user: name of its user in the kubeconfig.
        server: the API server's address, without a user name or password.
        insecure: whether the kubeconfig turns the verification of the server's certificate off.
    """

    name: str
    cluster: str
    user: str
    server: str
    insecure: bool = False


class Kubectl:
    """Calls kubectl for one context.

    Args:
        options: which context and program.

    Raises:
        TargetError: there is no such program.
    """

    def __init__(self, options: KubectlOptions) -> None:
        self._options = options
        named = options.program
        if os.sep in named:
            named = str((options.folder / files.expand_user(named)).absolute())  # a bare name is one on PATH
        try:
            self._path = process.find(named)
        except ProgramMissing as error:
            hint = "install kubectl, or name it in the target's settings: program: /path/to/kubectl"
            raise TargetError(error.what, why=error.why, hint=hint) from error
        # A kuberc file can give commands other defaults, such as a confirmation before a deletion.
        self.env: Mapping[str, str] = process.environment(KUBERC="off", KUBECTL_KUBERC="false")

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line of a call that concerns the context."""
        return [self._path, *self._kubeconfig(), f"--context={self._options.context}", *arguments]

    def run(self, *arguments: str, stdin: str = "", timeout_s: float) -> CompletedProgram:
        """Run a command that concerns the context to its end.

        Raises:
            ProgramStopped: its time was up.
            TargetError: the program cannot be started.
        """
        return self._run(self.argv(*arguments), stdin, timeout_s)

    def context_info(self) -> ContextInfo:
        """Read what the kubeconfig says about the context; contacts no server.

        Raises:
            TargetError: there is no such context, or the kubeconfig cannot be read.
        """
        context = self._options.context
        what = f"the Kubernetes context {context!r} cannot be used"
        argv = [self._path, *self._kubeconfig(), "config", "view", "--output=json"]
        try:
            done = self._run(argv, "", self._options.timeout_s)
            config = json.loads(done.stdout) if done.code == 0 else None
        except (ProgramStopped, ValueError) as error:
            raise TargetError(what, why=str(error), hint="kubectl config view") from error
        if not isinstance(config, dict):
            hint = "check the kubeconfig: kubectl config view"
            raise TargetError(what, why=words(done.quote) or "kubectl printed no kubeconfig", hint=hint)
        contexts = _by_name(config, "contexts", "context")
        if context not in contexts:
            known = ", ".join(sorted(contexts))
            why = f"the kubeconfig has no such context; it has {known}" if known else "no kubeconfig was found"
            hint = "name one of them as context in the target's settings" if known else "set KUBECONFIG, or log in"
            raise TargetError(what, why=f"{self._source()}: {why}"[:LONGEST], hint=hint)
        found = contexts[context]
        cluster = _by_name(config, "clusters", "cluster").get(str(found.get("cluster")), {})
        return ContextInfo(
            name=context,
            cluster=str(found.get("cluster", "")),
            user=str(found.get("user", "")),
            server=re.sub(r"//[^/@]*@", "//", str(cluster.get("server", ""))),
            insecure=cluster.get("insecure-skip-tls-verify") is True,
        )

    def _kubeconfig(self) -> tuple[str, ...]:
        named = self._options.kubeconfig
        return (f"--kubeconfig={self._options.folder / files.expand_user(named)}",) if named else ()

    def _source(self) -> str:
        """The kubeconfig that kubectl reads."""
        return self._options.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"

    def _run(self, argv: list[str], stdin: str, timeout_s: float) -> CompletedProgram:
        try:
            return process.run(argv, stdin=stdin, env=self.env, timeout_s=timeout_s)
        except ProgramMissing as error:
            raise TargetError(error.what, why=error.why, hint="is this file kubectl?") from error


def words(text: str) -> str:
    """What another program or a server says, on one line, without control characters, and not too long."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:LONGEST]


def _by_name(config: Mapping[str, Any], members: str, member: str) -> dict[str, Mapping[str, Any]]:
    """The named entries of a kubeconfig."""
    return {
        str(entry.get("name")): entry.get(member) or {}
        for entry in config.get(members) or ()
        if isinstance(entry, dict)
    }
