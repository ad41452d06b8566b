"""Which cluster a target is, and where the state of its environments is kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

from rollback import targets
from rollback.config.settings import Settings, SharedState
from rollback.errors import BadInput, Failed, TargetError
from rollback.state import freeze
from rollback.state.freeze import EnvironmentState
from rollback.state.known_addresses import Cluster, KnownAddresses
from rollback.state.state_store import FolderStateStore, StateStore, TargetStateStore, of_unknown_addresses
from rollback.system import user_folders
from rollback.targets.base import Target
from rollback.targets.capabilities import Markers
from rollback.workflow import context
from rollback.workflow.context import Access

log = logging.getLogger(__name__)


class UnknownCluster(TargetError):
    """No run has used an address before, and the target cannot be queried for the cluster that it is.

    Attributes:
        former: what version 0.1 kept under the address, whatever cluster it was.
    """

    def __init__(self, name: str, why: str, former: EnvironmentState) -> None:
        super().__init__(
            f"it is not known which cluster {name} is: no run has used this address here, and it cannot be queried",
            why=why,
            hint="log in once, or give --user; if runs use another target, name their settings with --config",
        )
        self.former = former


def is_shared(config: Settings) -> bool:
    """Whether locks and freezes are kept on the target, where every machine sees them."""
    if config.shared_state is None:
        return targets.kind(config.target, config.target_section()).shared_state
    return config.shared_state is SharedState.TARGET


def markers(reached: Target) -> Markers:
    """The target as a place for markers.

    Raises:
        BadInput: facts cannot be kept on it.
    """
    if not hasattr(reached, "place"):
        raise BadInput(f"{reached.name} cannot keep shared state", hint="set shared_state: folder in the settings")
    return cast(Markers, reached)


def identify(config: Settings, reached: Target) -> Cluster:
    """Query a target for the cluster that it is, and remember its addresses for `check`.

    Args:
        config: the settings.
        reached: the target; logged in.

    Raises:
        TargetError: it cannot be queried.
        Failed: the state folder cannot be read or written.
    """
    known = KnownAddresses(folder(config))
    identity = reached.identity()
    known.note(reached.addresses, identity)
    return known.cluster(identity, reached.name)


def folder(config: Settings) -> Path:
    """The state folder of this machine.

    Raises:
        BadInput: it is not known.
    """
    return user_folders.state_folder(config.state_folder)


def state_store(config: Settings, reached: Target, cluster: Cluster, env: str) -> StateStore:
    """Where an environment's state is kept.

    Args:
        config: the settings.
        reached: the target; no request is sent to it unless state is shared.
        cluster: the cluster that it is.
        env: deployment name of the environment.

    Raises:
        TargetError: there is no place for it on the target.
    """
    if is_shared(config):
        return _on_target(reached, env)
    return FolderStateStore(folder(config), env, cluster)


@contextmanager
def opened_state_store(config: Settings, env: str, login: Access) -> Iterator[tuple[StateStore, tuple[str, ...]]]:
    """Where an environment's state is kept, for a command that has no target open otherwise.

    State in the folder needs no request to a target whose address was used before.

    Yields:
        The store; and a sentence for each freeze that version 0.1 kept under an address of which nobody knows the
        cluster, so that it may be this one's.

    Raises:
        UnknownCluster: the target has to be queried for the cluster that it is, and cannot be.
        TargetError: state is kept on the target, and it cannot be queried.
        Failed: the state folder cannot be read.
    """
    reached = context.target(config, login, env)
    try:
        if is_shared(config):
            reached.login()
            yield _on_target(reached, env), ()
        else:
            cluster = _cluster(config, reached, env)
            yield FolderStateStore(folder(config), env, cluster), _of_unknown_addresses(config, env, cluster)
    finally:
        reached.close()


def _of_unknown_addresses(config: Settings, env: str, cluster: Cluster) -> tuple[str, ...]:
    known = {*KnownAddresses(folder(config)).keys(), *cluster.keys}
    now = datetime.now(timezone.utc)
    return tuple(
        f"version 0.1 kept {path} for an address that has not been used since: {objection}"
        for path, state in of_unknown_addresses(folder(config), env, known).items()
        for objection in freeze.objections(state, "", now)
    )


def _on_target(reached: Target, env: str) -> StateStore:
    kept = markers(reached)
    return TargetStateStore(kept, kept.marker_ids("rollback-freeze", env))


def _cluster(config: Settings, reached: Target, env: str) -> Cluster:
    """The cluster of a target, by its address if that was used before."""
    known = KnownAddresses(folder(config))
    found = known.find(reached.addresses, reached.name)
    if found:
        return found
    try:
        reached.login()
        identity = reached.identity()
    except TargetError as error:
        why = f"{error.what}: {error.why}" if error.why else error.what
        former = FolderStateStore(folder(config), env, Cluster(reached.name, reached.addresses)).load()
        raise UnknownCluster(reached.name, why, former) from error
    try:
        known.note(reached.addresses, identity)
    except Failed as error:  # whoever may only read the state folder gets an answer, too
        log.debug("%s: %s", error.what, error.why)
    return known.cluster(identity, reached.name)
