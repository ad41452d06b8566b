"""To which cluster an address has led: one cluster is one identity, whatever address it is called by.

One small file of the state folder per address, written by every run, undo and thaw. So `check` needs no login for an
address that was used before, and what version 0.1 kept under an address is found for the cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollback.core import json_text
from rollback.errors import Failed
from rollback.system import files

_FOLDER = "addresses"
_HINT = "make it writable, or choose another: XDG_STATE_HOME, or state_folder in the settings"


@dataclass(frozen=True)
class Cluster:
    """One cluster.

    Attributes:
        identity: what stays the same whatever address it is called by; state is kept under it.
        addresses: names under which it is known; version 0.1 kept state under them.
    """

    identity: str
    addresses: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything under which state of it may be kept: the identity, then the addresses."""
        return (self.identity, *self.addresses)


class KnownAddresses:
    """The addresses that a state folder knows.

    Args:
        folder: the state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER

    def find(self, addresses: Iterable[str], name: str) -> Cluster | None:
        """The cluster to which addresses have led; None if none has, or not all to the same one.

        Args:
            addresses: of one target.
            name: of the same target, under which version 0.1 kept its state.

        Raises:
            Failed: what is known cannot be read.
        """
        wanted = set(addresses)
        found = {identity for address, identity in self._read() if address in wanted}
        return self.cluster(found.pop(), name) if len(found) == 1 else None

    def cluster(self, identity: str, name: str) -> Cluster:
        """A cluster with every address that is known of it.

        Args:
            identity: its identity.
            name: of the target by which it is used now.

        Raises:
            Failed: what is known cannot be read.
        """
        known = {address for address, its in self._read() if its == identity}
        return Cluster(identity, tuple(sorted({*known, name})))

    def keys(self) -> frozenset[str]:
        """Every identity and every address that is known.

        Raises:
            Failed: what is known cannot be read.
        """
        return frozenset(name for pair in self._read() for name in pair)

    def note(self, addresses: Iterable[str], identity: str) -> None:
        """Remember to which cluster addresses lead.

        Raises:
            Failed: that cannot be written.
        """
        known = dict(self._read())
        for address in addresses:
            if known.get(address) == identity:
                continue
            path = self._path(address)
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                files.write_whole(path, json.dumps({"address": address, "identity": identity}), mode=0o600)
            except OSError as error:
                raise Failed(f"{path} cannot be written", why=files.why(error), hint=_HINT) from error
            except Failed as error:
                raise Failed(error.what, why=error.why, hint=_HINT) from error

    def _read(self) -> Iterator[tuple[str, str]]:
        """Every address that is known, with its identity."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix == ".json")
        except FileNotFoundError:
            return
        except OSError as error:
            raise Failed(f"{self._folder} cannot be read", why=files.why(error), hint=_HINT) from error
        for path in paths:
            try:
                entry = json_text.loads(files.read_text(path, most=files.SMALL))
                address, identity = entry["address"], entry["identity"]
                if not isinstance(address, str) or not isinstance(identity, str) or self._path(address) != path:
                    raise ValueError("it is not an address with its cluster")
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise Failed(
                    f"{path} cannot be read",
                    why=files.why(error) if isinstance(error, OSError) else str(error),
                    hint="remove the file; the next run by that address writes it again",
                ) from error
            yield address, identity

    def _path(self, address: str) -> Path:
        return self._folder / f"{hashlib.sha256(address.encode()).hexdigest()[:16]}.json"
