"""Lock and freeze as ConfigMaps, one of each in every namespace of an environment.

A ConfigMap holds facts of several environments, each under its own key, since environments may share a namespace; a
lock is for the namespace as a whole. Creating one is atomic: of twenty at once exactly one succeeds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollback.errors import TargetError
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import AlreadyExists, Conflict, NotFound

log = logging.getLogger(__name__)

LOCK = "rollback-lock"
_ATTEMPTS = 5
_LABELS = {"app.kubernetes.io/managed-by": "rollback"}


@dataclass(frozen=True)
class MarkerId:
    """A marker's id, `namespace[+namespace…]/configmap/name/key`, parsed."""

    namespaces: tuple[str, ...]
    name: str
    key: str

    @classmethod
    def of(cls, name: str, env: str, namespaces: Sequence[str]) -> MarkerId:
        """The id of an environment's marker; a lock is for whoever uses the namespaces."""
        return cls(tuple(sorted(namespaces)), name, "lock" if name == LOCK else env)

    @classmethod
    def parse(cls, text: str) -> MarkerId:
        """Take an id apart that `of` made."""
        namespaces, _, name, key = text.split("/", 3)
        return cls(tuple(namespaces.split("+")), name, key)

    def __str__(self) -> str:
        return f"{'+'.join(self.namespaces)}/configmap/{self.name}/{self.key}"


class ConfigMapMarkers:
    """Keeps markers in ConfigMaps.

    Args:
        api: how the cluster is reached.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`: in all namespaces, in one order everywhere, or in none."""
        identity = MarkerId.parse(marker)
        placed: list[str] = []
        try:
            for namespace in identity.namespaces:
                if not self._place(namespace, identity, labels):
                    self._take_back(placed, identity)
                    return False
                placed.append(namespace)
        except BaseException:
            self._take_back(placed, identity)
            raise
        return True

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`: those of the first namespace that has it."""
        identity = MarkerId.parse(marker)
        for namespace in identity.namespaces:
            found = self._read(namespace, identity)
            if found and identity.key in (found.get("data") or {}):
                return _parsed(found["data"][identity.key])
        return None

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`."""
        identity = MarkerId.parse(marker)
        for namespace in identity.namespaces:
            if not self._place(namespace, identity, labels):
                change = {"data": {identity.key: _text(labels)}}
                what = f"{identity.name} of {namespace} cannot be changed"
                self._api.patch(_path(namespace, identity), change, what)

    def remove(self, marker: str) -> None:
        """See `Markers`; of a lock, that which the first namespace has: another run may hold some of the others."""
        identity = MarkerId.parse(marker)
        text = ""
        for namespace in identity.namespaces:
            text = self._remove(namespace, identity, text if identity.name == LOCK else "")

    def _place(self, namespace: str, identity: MarkerId, labels: Mapping[str, str]) -> bool:
        what = f"{identity.name} of {namespace} cannot be created"
        definition = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": identity.name, "labels": _LABELS},
            "data": {identity.key: _text(labels)},
        }
        for _ in range(_ATTEMPTS):
            try:
                self._api.create(f"/api/v1/namespaces/{namespace}/configmaps", definition, what)
                return True
            except AlreadyExists:
                found = self._read(namespace, identity)
            if found is None:  # removed meanwhile
                continue
            if identity.key in (found.get("data") or {}):
                return False
            try:  # it is of another environment
                self._api.patch(_path(namespace, identity), _guarded(found, identity, _text(labels)), what)
                return True
            except (Conflict, NotFound):
                continue
        raise TargetError(what, why="others keep changing it", hint="try again")

    def _remove(self, namespace: str, identity: MarkerId, text: str = "") -> str:
        """Remove a marker from a namespace.

        Args:
            namespace: where.
            identity: of the marker.
            text: remove it only if this is its content; empty for whatever it is at the first look.

        Returns:
            Its content; `text` if there was none.
        """
        what = f"{identity.name} of {namespace} cannot be removed"
        for _ in range(_ATTEMPTS):
            found = self._read(namespace, identity)
            present = (found.get("data") or {}).get(identity.key) if found else None
            if found is None or present is None or (identity.name == LOCK and text and present != text):
                return text
            text = str(present)
            path, meta = _path(namespace, identity), found["metadata"]
            try:
                if set(found["data"]) == {identity.key}:
                    self._api.delete(path, what, uid=meta["uid"])
                else:
                    self._api.patch(path, _guarded(found, identity, None), what)
                return text
            except NotFound:
                return text
            except Conflict:
                continue
        raise TargetError(what, why="others keep changing it", hint="try again")

    def _take_back(self, namespaces: Sequence[str], identity: MarkerId) -> None:
        for namespace in namespaces:
            try:
                self._remove(namespace, identity)
            except TargetError as error:
                log.warning("%s of %s stays behind: %s", identity.name, namespace, error.why or error.what)

    def _read(self, namespace: str, identity: MarkerId) -> JsonObject | None:
        try:
            return self._api.get(_path(namespace, identity), f"{identity.name} of {namespace} cannot be read")
        except NotFound:
            return None


def _guarded(found: Mapping[str, Any], identity: MarkerId, text: str | None) -> dict[str, Any]:
    """A merge patch of one key that fails if the ConfigMap has changed since it was read."""
    return {
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "data": {identity.key: text},
    }


def _path(namespace: str, identity: MarkerId) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{identity.name}"


def _text(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, sort_keys=True)


def _parsed(text: str) -> dict[str, str]:
    """The labels in a ConfigMap; empty if somebody has damaged them."""
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}
