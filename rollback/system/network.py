"""What every way out to the network agrees on: how long to wait, whom to trust, which proxy, what to be called.

Knows neither requests nor urllib3, so that a command pays only for the one that it uses.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from rollback import __version__
from rollback.errors import BadInput

CONNECT_S = 5.0  # seconds to connect
READ_S = 30.0  # seconds between two bytes of an answer
USER_AGENT = f"rollback/{__version__}"
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the order in which requests looks at them


def proxy_for(url: str) -> str:
    """Name the proxy for a URL by the usual variables; empty for none.

    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count, in lower case first. `NO_PROXY` takes host
    names, domains, `host:port`, addresses and networks such as `10.0.0.0/8`.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies_environment()
    if not proxies or not parts.hostname or _exempt(parts.hostname, proxies.get("no", "")):
        return ""
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _exempt(host: str, exceptions: str) -> bool:
    """Tell whether the host is an address in one of the networks (the standard library knows only names)."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for entry in exceptions.replace(" ", "").split(","):
        try:
            if address in ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def authorities() -> Path | None:
    """The bundle of certificate authorities that the usual variables name; None for the system's.

    A system without any, such as a bare container, gets those that come with requests.
    """
    for name in _BUNDLE_VARIABLES:
        if os.environ.get(name):
            return Path(os.environ[name])
    system = ssl.get_default_verify_paths()
    if system.cafile is None and not (system.capath and any(Path(system.capath).iterdir())):
        import certifi  # rarely needed, and not for free

        return Path(certifi.where())
    return None


def trust(verify: bool | Path = True, client_cert: tuple[Path, Path | None] | None = None) -> ssl.SSLContext:
    """Make the TLS settings for a connection.

    Args:
        verify: True for the system's authorities (or those that `REQUESTS_CA_BUNDLE` names), the path of a
            bundle or of a folder of certificates for these alone, False for no verification at all.
        client_cert: certificate and key, both PEM; without a key it is in the certificate's file.

    Raises:
        BadInput: a file is missing or is not what it should be.
    """
    context = ssl.create_default_context() if verify is True else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle = authorities() if verify is True else verify if isinstance(verify, Path) else None
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if bundle and bundle.is_dir():
            context.load_verify_locations(capath=str(bundle))
        elif bundle:
            context.load_verify_locations(cafile=str(bundle))
    except (OSError, ssl.SSLError) as error:
        raise BadInput(f"{bundle} cannot be used as certificate authorities", why=str(error)) from error
    if client_cert:
        try:
            # An encrypted key would make OpenSSL ask at the terminal; an empty password makes it fail instead.
            context.load_cert_chain(client_cert[0], client_cert[1], password="")
        except (OSError, ssl.SSLError) as error:
            raise BadInput(f"{client_cert[0]} cannot be used as a client certificate", why=str(error)) from error
    return context
