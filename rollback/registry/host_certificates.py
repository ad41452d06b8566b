"""Certificates that Docker and Podman keep for single registries, in folders called after the registry's host.

Docker: https://docs.docker.com/engine/security/certificates/ · Podman: containers-certs.d(5)
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from rollback.errors import BadInput
from rollback.registry.address import Address
from rollback.system import user_folders

FOLDERS = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostCertificates:
    """What is kept for one registry.

    Attributes:
        authorities: files of certificates to trust in addition to the usual ones.
        client: a client certificate and its key; None if there is none.
        folder: where they are; None if nothing is kept.
    """

    authorities: tuple[Path, ...] = ()
    client: tuple[Path, Path] | None = None
    folder: Path | None = None


def find(address: Address) -> HostCertificates:
    """Find what is kept for a registry: by this user for Podman, by the system for Podman, or for Docker.

    The first folder that there is counts alone. In it, `*.crt` are authorities, and `*.cert` with a `*.key` of the
    same name is a client certificate.

    Raises:
        BadInput: the folder cannot be read, or a certificate has no key, or a key no certificate.
    """
    if not address.url.startswith("https:"):
        return HostCertificates()
    names = [address.host, f"{address.host}:443"]
    if address.is_hub:
        names += ["docker.io", "index.docker.io"]
    home = user_folders.home()
    configuration = os.environ.get("XDG_CONFIG_HOME") or (home and home / ".config")
    own = (Path(configuration, "containers/certs.d"),) if configuration else ()
    for root in (*own, *FOLDERS):
        for name in names:
            folder = root / name
            try:
                if folder.is_dir():
                    return _read(folder)
            except OSError as error:
                raise BadInput(
                    f"the certificates in {folder} cannot be read",
                    why=error.strerror or str(error),
                    hint="give this user the right to read them, or name others: registry.ca_bundle, client_cert",
                ) from error
    return HostCertificates()


def _read(folder: Path) -> HostCertificates:
    files = sorted(folder.iterdir())
    authorities = tuple(file for file in files if file.suffix == ".crt")
    certificates = [file for file in files if file.suffix == ".cert"]
    keys = {file for file in files if file.suffix == ".key"}
    pairs = [(file, file.with_suffix(".key")) for file in certificates]
    lonely = [file for file, key in pairs if key not in keys] + sorted(keys - {key for _file, key in pairs})
    if lonely:
        wanted = ".key" if lonely[0].suffix == ".cert" else ".cert"
        raise BadInput(
            f"{lonely[0]} cannot be used",
            why=f"there is no {lonely[0].with_suffix(wanted).name} beside it",
            hint="a client certificate is two files, client.cert and client.key",
        )
    if authorities or pairs:
        _log.info("using the certificates in %s", folder)
    if len(pairs) > 1:
        _log.warning("of the client certificates in %s only %s is shown", folder, pairs[0][0].name)
    return HostCertificates(authorities, pairs[0] if pairs else None, folder)
