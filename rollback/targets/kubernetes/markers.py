"""Lock and freeze as ConfigMaps, one of each in every namespace of an environment.

A ConfigMap holds facts of several environments, each under its own key, since environments may share a namespace; a
lock is for the namespace as a whole. Creating one is atomic: of twenty at once exactly one succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollback.errors import TargetError
from rollback.targets.kubernetes.api import JsonObject, KubernetesApi
from rollback.targets.kubernetes.api_errors import AlreadyExists, Conflict, NotFound

LOCK = "rollback-lock"
_ATTEMPTS = 5
_LABELS = {"app.kubernetes.io/managed-by": "rollback"}


@dataclass(frozen=True)
class MarkerId:
    """A marker's id, `namespace/configmap/name/key`, parsed."""

    namespace: str
    name: str
    key: str

    @classmethod
    def of(cls, name: str, env: str, namespace: str) -> MarkerId:
        """The id of an environment's marker in a namespace; a lock is for whoever uses the namespace."""
        return cls(namespace, name, "lock" if name == LOCK else env)

    @classmethod
    def parse(cls, text: str) -> MarkerId:
        """Take an id apart that `of` made."""
        namespace, _, name, key = text.split("/", 3)
        return cls(namespace, name, key)

    def __str__(self) -> str:
        return f"{self.namespace}/configmap/{self.name}/{self.key}"

    @property
    def collection(self) -> str:
        """The API path of the ConfigMaps beside it."""
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    @property
    def path(self) -> str:
        """The API path of its ConfigMap."""
        return f"{self.collection}/{self.name}"


class ConfigMapMarkers:
    """Keeps markers in ConfigMaps.

    Args:
        api: how the cluster is reached.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    def place(self, marker: str, labels: Mapping[str, str]) -> bool:
        """See `Markers`."""
        identity = MarkerId.parse(marker)
        what = f"{identity.name} of {identity.namespace} cannot be created"
        definition = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": identity.name, "labels": _LABELS},
            "data": {identity.key: _text(labels)},
        }
        for _ in range(_ATTEMPTS):
            try:
                self._api.create(identity.collection, definition, what)
                return True
            except AlreadyExists:
                found = self._read(identity)
            if found is None:  # removed meanwhile
                continue
            if identity.key in (found.get("data") or {}):
                return False
            try:  # it is of another environment
                self._api.patch(identity.path, _guarded(found, identity, _text(labels)), what)
                return True
            except (Conflict, NotFound):
                continue
        raise TargetError(what, why="others keep changing it", hint="try again")

    def labels(self, marker: str) -> Mapping[str, str] | None:
        """See `Markers`."""
        identity = MarkerId.parse(marker)
        return _labels(self._read(identity), identity)

    def relabel(self, marker: str, labels: Mapping[str, str]) -> None:
        """See `Markers`; one that is not there is placed."""
        if not self.place(marker, labels):
            identity = MarkerId.parse(marker)
            what = f"{identity.name} of {identity.namespace} cannot be changed"
            self._api.patch(identity.path, {"data": {identity.key: _text(labels)}}, what)

    def remove(self, marker: str, only_if: Mapping[str, str]) -> bool:
        """See `Markers`; what another run makes between the look and the removal is looked at again."""
        identity = MarkerId.parse(marker)
        what = f"{identity.name} of {identity.namespace} cannot be removed"
        for _ in range(_ATTEMPTS):
            found = self._read(identity)
            labels = _labels(found, identity)
            if found is None or labels is None or not only_if.items() <= labels.items():
                return False
            try:
                if set(found["data"]) == {identity.key}:
                    meta = found["metadata"]
                    # The version, too: another environment may add its key between the look and the removal.
                    self._api.delete(identity.path, what, uid=meta["uid"], version=meta["resourceVersion"])
                else:
                    self._api.patch(identity.path, _guarded(found, identity, None), what)
                return True
            except NotFound:
                return False
            except Conflict:
                continue
        raise TargetError(what, why="others keep changing it", hint="try again")

    def _read(self, identity: MarkerId) -> JsonObject | None:
        try:
            return self._api.get(identity.path, f"{identity.name} of {identity.namespace} cannot be read")
        except NotFound:
            return None


def _guarded(found: Mapping[str, Any], identity: MarkerId, text: str | None) -> dict[str, Any]:
    """A merge patch of one key that fails if the ConfigMap has changed since it was read."""
    return {
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "data": {identity.key: text},
    }


def _labels(found: JsonObject | None, identity: MarkerId) -> dict[str, str] | None:
    """The labels of a marker in its ConfigMap; None if there is none."""
    data = (found.get("data") or {}) if found else {}
    return _parsed(data[identity.key]) if identity.key in data else None


def _text(labels: Mapping[str, str]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, sort_keys=True)


def _parsed(text: str) -> dict[str, str]:
    """The labels in a ConfigMap; empty if somebody has damaged them."""
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}
