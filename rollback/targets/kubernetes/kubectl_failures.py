"""What kubectl says when a request did not reach the API server: in a proxy's answer, and on standard error."""

from __future__ import annotations

import re

from rollback.system.unix_http import NotSent

# What client-go reports when a request fails before it reaches the API server, in a proxy's answer as on stderr.
_LOGIN = re.compile(r"getting credentials|Please enter (?:Username|Password)|exec (?:authentication )?plugin", re.I)
# An API version of login plug-ins that this kubectl is too old or too new for, and providers that newer ones lack.
_LOGIN_UNKNOWN = re.compile(
    r"exec plugin: invalid apiVersion|exec plugin is configured to use API version|interactiveMode must be specified"
    r"|no Auth Provider found|auth plugin has been removed",
    re.I,
)
_UNTRUSTED = re.compile(r"x509:|tls: |certificate (?:is not trusted|has expired|signed by)", re.I)
_UNREACHABLE = re.compile(
    r"connection refused|was refused|no such host|no route to host|network is unreachable|server misbehaving"
    r"|dial (?:tcp|unix)|proxyconnect",
    re.I,
)


class LoginFailed(NotSent):
    """kubectl could not get credentials, so nothing was sent."""


class LoginUnknown(LoginFailed):
    """This kubectl does not know the kind of login that the kubeconfig names; logging in again would not help."""


class Untrusted(NotSent):
    """The server's certificate is not trusted, so nothing was sent."""


def raise_if_not_sent(text: str, *, details: str = "") -> None:
    """Raise what a text of kubectl says about a request that never reached the API server, if it says that.

    Args:
        text: what kubectl said.
        details: what it, or a login program, printed besides.

    Raises:
        LoginFailed, LoginUnknown, Untrusted, NotSent: it did not reach the server.
    """
    if _LOGIN_UNKNOWN.search(text):
        raise LoginUnknown(text.strip())
    if _LOGIN.search(text):
        raise LoginFailed(f"{text.strip()} {details}".strip())
    if _UNTRUSTED.search(text):
        raise Untrusted(text)
    if _UNREACHABLE.search(text):
        raise NotSent(text)
