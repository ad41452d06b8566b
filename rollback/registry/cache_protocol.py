"""What is known already, by digest, and what each tag named at the last look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, Protocol, TypeVar

from rollback.registry.manifest import ConfigFacts, Facts

Value = TypeVar("Value")


class CacheProtocol(Protocol):
    """Keeps facts from run to run. A digest's facts never change; a tag's digest is no more than a hint."""

    def facts(self, digest: str) -> Facts | None:
        """What is known of a manifest."""
        ...

    def config(self, digest: str) -> ConfigFacts | None:
        """What is known of an image's config."""
        ...

    def hint(self, repo: str, tag: str) -> str:
        """The digest that a tag named when it was last seen; empty if it never was."""
        ...

    def keep(self, digest: str, found: Facts | ConfigFacts) -> None:
        """Remember what a verified manifest or config said."""
        ...

    def keep_hint(self, repo: str, tag: str, digest: str) -> None:
        """Remember what a tag names."""
        ...

    def save(self) -> None:
        """Write down what is new."""
        ...

    def close(self) -> None:
        """Save, and let go of the file."""
        ...


class NullCache:
    """A memory that keeps nothing, for `--no-cache`."""

    def facts(self, digest: str) -> Facts | None:
        """Nothing is known."""

    def config(self, digest: str) -> ConfigFacts | None:
        """Nothing is known."""

    def hint(self, repo: str, tag: str) -> str:  # noqa: ARG002
        """Nothing is known."""
        return ""

    def keep(self, digest: str, found: Facts | ConfigFacts) -> None:
        """Forget at once."""

    def keep_hint(self, repo: str, tag: str, digest: str) -> None:
        """Forget at once."""

    def save(self) -> None:
        """There is nothing to save."""

    def close(self) -> None:
        """There is nothing to close."""


class SingleFlight(Generic[Value]):
    """Lets one thread find out a value while the others that want the same one wait for it.

    A failure reaches everyone who waited, and is not remembered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Hashable, Future[Value]] = {}

    def get(self, key: Hashable, find: Callable[[], Value]) -> Value:
        """The value for a key; found out by `find` if nobody has yet."""
        with self._lock:
            promise = self._values.get(key)
            mine = promise is None
            if promise is None:
                promise = self._values[key] = Future()
        if mine:
            try:
                promise.set_result(find())
            except BaseException as error:
                with self._lock:
                    del self._values[key]
                promise.set_exception(error)
                raise
        return promise.result()
