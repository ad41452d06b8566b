"""What every way out to the network agrees on: how long to wait, whom to trust, which proxy, what to be called.

Knows neither requests nor urllib3, so that a command pays only for the one that it uses.
"""

from __future__ import annotations

import importlib.util
import os
import re
import ssl
import urllib.request
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from rollback import __version__
from rollback.errors import BadInput
from rollback.system import files

CONNECT_S = 5.0  # seconds to connect
READ_S = 30.0  # seconds between two bytes of an answer
USER_AGENT = f"rollback/{__version__}"
_HOST_PORT = re.compile(r"(?:\[([^]]*)\]|([^:]*))(?::(\d{1,5}))?", re.ASCII)
_PORTS = {"https": 443, "http": 80}
_SOCKS = ("socks5h", "socks5", "socks4a", "socks4")
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the order in which requests looks at them


def http_url(text: str) -> SplitResult:
    """Take an address apart that requests are to be sent to.

    Raises:
        ValueError: it is none; the reason repeats neither a user name, a password nor a path.
    """
    return _url(text, tuple(_PORTS))


def _url(text: str, schemes: Sequence[str]) -> SplitResult:
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise ValueError("it holds a blank or a control character")
    try:
        parts = urlsplit(text)
    except ValueError:  # whose text quotes a part of the address
        raise ValueError("it is no URL") from None
    if parts.scheme.lower() not in schemes:
        raise ValueError(f"it does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname:
        raise ValueError("it names no host")
    if not (_address(parts.hostname) or all(letter.isalnum() or letter in ".-_" for letter in parts.hostname)):
        raise ValueError("its host holds a character that no host name has")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("its port is no number from 1 to 65535")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, so that what is sent to it leaves no trace on a network."""
    address = _address(host.strip("[]"))
    return host.lower() == "localhost" or bool(address and address.is_loopback)


def proxy_for(url: str) -> str:
    """Name the proxy for a URL by the usual variables; empty for none.

    `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count, in lower case first. With `socks5://` and `socks4://`
    names are looked up here, with `socks5h://` and `socks4a://` by the proxy.

    Raises:
        BadInput: it is no address of a proxy, or a SOCKS proxy and PySocks is missing. Nothing of it is repeated, for
            it may hold a password.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies_environment()
    if not proxies or not parts.hostname:
        return ""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if any(_exempts(entry, parts.hostname, port) for entry in proxies.get("no", "").lower().split(",")):
        return ""
    proxy = proxies.get(parts.scheme) or proxies.get("all") or ""
    return _checked(proxy if "://" in proxy else f"http://{proxy}") if proxy else ""


def is_socks(proxy: str) -> bool:
    """Tell whether a proxy, as `proxy_for` names it, speaks SOCKS."""
    return urlsplit(proxy).scheme in _SOCKS


def _checked(proxy: str) -> str:
    try:
        scheme = _url(proxy, (*_PORTS, *_SOCKS)).scheme
    except ValueError as error:
        raise BadInput(
            "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used",
            why=str(error),
            hint="write http://proxy.example.com:3128, or list the host in NO_PROXY",
        ) from error
    if scheme in _SOCKS and importlib.util.find_spec("socks") is None:
        raise BadInput(
            f"a {scheme} proxy cannot be used without PySocks",
            why="it is not installed",
            hint="pip install 'fleet-rollback[socks]', or name an http:// proxy, or list the host in NO_PROXY",
        )
    return proxy


def _exempts(entry: str, host: str, port: int) -> bool:
    """Tell whether an entry of `NO_PROXY` names a server, as Go's programs (docker, skopeo, kubectl) read it.

    `example.com` is this host and all below it, `.example.com` and `*.example.com` only those below; both may name
    a port. `10.1.2.3`, `10.1.2.3:80` and `10.0.0.0/8` are addresses, `*` is everything.
    https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
    """
    entry = entry.strip()
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ip_network(entry, strict=False)
        except ValueError:
            return False
    found = _HOST_PORT.fullmatch(entry)  # which an IPv6 address without brackets does not fit
    name, wanted = (found[1] or found[2], found[3]) if found else (entry, None)
    if wanted and int(wanted) != port:
        return False
    if _address(name) is not None:
        return address == _address(name)
    name = name.removeprefix("*") if name.startswith("*.") else name
    if name.startswith("."):
        return len(name) > 1 and host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


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


def trust(
    verify: bool | Path = True,
    client_cert: tuple[Path, Path | None] | None = None,
    also: Sequence[Path] = (),
) -> ssl.SSLContext:
    """Make the TLS settings for a connection.

    Args:
        verify: True for the system's authorities (or those that `REQUESTS_CA_BUNDLE` names), the path of a
            bundle or of a folder of certificates for these alone, False for no verification at all.
        client_cert: certificate and key, both PEM; without a key it is in the certificate's file.
        also: bundles to trust in addition.

    Raises:
        BadInput: a file is missing or is not what it should be.
    """
    context = ssl.create_default_context() if verify is True else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bundle = authorities() if verify is True else verify if isinstance(verify, Path) else None
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for one in filter(None, (bundle, *also)):
        try:
            if one.is_dir():
                context.load_verify_locations(capath=str(one))
            else:
                files.require_regular(one)
                context.load_verify_locations(cafile=str(one))
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"{one} cannot be used as certificate authorities",
                why=error.strerror or str(error),
                hint="name a file of certificates in PEM form: ca_bundle in the settings, or REQUESTS_CA_BUNDLE",
            ) from error
    if client_cert:
        try:
            for part in filter(None, client_cert):
                files.require_regular(part)
            # An encrypted key would make OpenSSL ask at the terminal; an empty password makes it fail instead.
            context.load_cert_chain(client_cert[0], client_cert[1], password="")
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"{client_cert[0]} cannot be used as a client certificate",
                why=str(error),
                hint="name a certificate and its key without a password, both in PEM form",
            ) from error
    return context
