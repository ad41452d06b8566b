"""Turns the body of a write into the definitions that it requests, or refuses it as Marathon does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rollback.sandbox.marathon.app_definition import Definition, absolute, complete, updated
from rollback.sandbox.marathon.app_state import AppState
from rollback.sandbox.marathon.simulator import Simulator
from rollback.sandbox.marathon.validation import (
    check_names,
    check_rules,
    check_stamp,
    check_types,
    check_version_alone,
    rejected,
)


class Changes:
    """Reads bodies of writes against the present state; changes nothing itself.

    Args:
        fleet: the present state.
        visible: gives the app of an id or refuses with 404.
    """

    def __init__(self, fleet: Simulator, visible: Callable[[str], AppState]) -> None:
        self._fleet = fleet
        self._visible = visible

    def created(self, body: Any) -> Definition:
        """A body of `POST /v2/apps`.

        Raises:
            Rejected: it is not a valid app, or there is one of that id.
        """
        check_types(body)
        if not body.get("id"):
            raise rejected(422, "Invalid JSON", details=[{"path": "/id", "errors": ["error.path.missing"]}])
        app_id = absolute(body["id"])
        definition = complete(app_id, body)
        check_rules(definition)
        check_names(app_id, self._fleet.apps)
        if app_id in self._fleet.apps:
            raise rejected(409, f"An app with id [{app_id}] already exists.")
        return definition

    def wanted(self, app_id: str, body: Any, *, may_create: bool, partial: bool, prefix: str = "") -> Definition:
        """A body of `PUT` or `PATCH /v2/apps/{id}`, or one element of a bulk write.

        Args:
            app_id: whose.
            body: what was sent.
            may_create: an unknown id makes a new app (PUT) instead of a 404 (PATCH).
            partial: members that were not sent stay, instead of taking their defaults.
            prefix: place of the body in a list, for messages.

        Raises:
            Rejected: it is not valid, the app does not exist, or its version does not.
        """
        if partial and not may_create and body in (None, []):
            body = {}  # Marathon takes both for an update of nothing
        check_types(body, prefix)
        own = self._fleet.apps.get(app_id)
        if partial:
            check_version_alone(body)
            if body.get("version") is not None:
                return self._version(app_id, body["version"])
        if own is None:
            definition = complete(app_id, body)
            check_rules(definition, prefix)
            if not may_create:
                self._visible(app_id)
            check_names(app_id, self._fleet.apps)
            return definition
        self._visible(app_id)
        definition = updated(own.definition, body) if partial else complete(app_id, body, own.definition)
        check_rules(definition, prefix)
        return definition

    def bulk(self, body: Any, *, may_create: bool, partial: bool) -> Mapping[str, Definition]:
        """A body of `PUT` or `PATCH /v2/apps`.

        Raises:
            Rejected: one of its elements is refused, so all are.
        """
        if not isinstance(body, list):
            details = [{"path": "/", "errors": ["error.expected.jsarray"]}]
            raise rejected(422, "Invalid JSON", details=details)
        for index, one in enumerate(body):
            check_types(one, f"({index})")
            if not one.get("id"):
                raise rejected(422, "requirement failed: App Update must have app id set")
        return {
            absolute(one["id"]): self.wanted(
                absolute(one["id"]), one, may_create=may_create, partial=partial, prefix=f"({index})"
            )
            for index, one in enumerate(body)
        }

    def _version(self, app_id: str, version: str) -> Definition:
        check_stamp(version)
        state = self._visible(app_id)
        if version not in state.versions:
            raise rejected(404, f"App '{app_id}' does not exist")
        return state.versions[version]
