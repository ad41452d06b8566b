"""One HTTP request and its answer as values, so that the sandbox's servers can be called without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote


@dataclass(frozen=True)
class Request:
    """A request, parsed.

    Attributes:
        method: `GET`, `PATCH`, ….
        path: the decoded path, beginning with a slash.
        query: the decoded query; a name may occur several times.
        headers: by lower-case name.
        body: the bytes that came with it.
    """

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def parse(cls, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Request:
        """Take a request line's target apart.

        Args:
            method: the request's method.
            target: path and query as they were sent.
            headers: under any spelling of their names.
            body: the request's body.
        """
        path, _, query = target.partition("?")
        return cls(
            method,
            unquote(path),
            {name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()},
            {name.lower(): value for name, value in headers.items()},
            body,
        )

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, (default,))[0]

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean query parameter; like Java's, true is `true` in any case and everything else is false."""
        return self.first(name, str(default)).lower() == "true"


@dataclass(frozen=True)
class Response:
    """An answer.

    Attributes:
        status: the HTTP status.
        body: the bytes to send; a HEAD request gets their length only.
        headers: all but `Content-Length`.
        dropped: close the connection without a word, as a proxy that restarts does.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: bool = False

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def as_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    return Response(status, json.dumps(document).encode(), {"Content-Type": "application/json", **(headers or {})})


Answer = Callable[[Request], Response]
"""A whole server, seen from inside."""
