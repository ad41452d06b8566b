"""Docker's credential helpers: programs that keep passwords in a keychain or fetch them from a cloud.

The protocol: https://github.com/docker/docker-credential-helpers#development
"""

from __future__ import annotations

import json
import logging
import re

from rollback.errors import RollbackError
from rollback.registry.auth.credentials import ANONYMOUS, Login
from rollback.secret import Secret

TIMEOUT_S = 10.0  # seconds that a helper may take; one that waits for input never ends
_NOT_FOUND = "credentials not found"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTITY = "<token>"  # is in place of the user's name where the secret is an identity token
_log = logging.getLogger(__name__)


def get(name: str, server: str, source: str) -> Login:
    """Ask `docker-credential-<name>` for a server's credentials.

    A helper that fails is warned about and counts as one that knows nothing; what it prints is never shown,
    because it may be the secret.

    Args:
        name: from `credHelpers` or `credsStore`.
        server: the registry as the helper knows it.
        source: where this helper was named, in words.
    """
    from rollback.system import process  # most users have no helper, and subprocess is not for free

    if not _NAME.fullmatch(name):
        _log.warning("%s is not run: that is no program's name", source)
        return ANONYMOUS
    try:
        program = process.find(f"docker-credential-{name}")
        result = process.run([program, "get"], stdin=f"{server}\n", timeout_s=TIMEOUT_S)
    except RollbackError as error:
        _log.warning("%s: no answer: %s", source, error.what)
        return ANONYMOUS
    if result.code != 0:
        if _NOT_FOUND not in f"{result.stdout} {result.stderr}":
            _log.warning("%s: it ended with code %d", source, result.code)
        return ANONYMOUS
    try:
        answer = json.loads(result.stdout)
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, TypeError, KeyError):
        _log.warning("%s: its answer cannot be read", source)
        return ANONYMOUS
    if not isinstance(user, str) or not isinstance(secret, str):
        _log.warning("%s: its answer cannot be read", source)
        return ANONYMOUS
    if user == _IDENTITY:
        return Login(identity_token=Secret(secret), source=source)
    return Login(user, Secret(secret), source=source)
