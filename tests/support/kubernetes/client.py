"""A small client of the API server for the test support itself; the code under test goes through kubectl."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_TIMEOUT_S = 30.0


class RequestFailed(Exception):
    """The API server answered with an error.

    Attributes:
        status: the HTTP status code.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status = status


class Client:
    """Requests as one user, over one connection per thread.

    Args:
        kubeconfig: a file that `control_plane` wrote: JSON, with a server, a certificate and a token.
    """

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        address = urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "", address.port
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._token = config["users"][0]["user"]["token"]
        self._local = threading.local()
        self._connections: list[http.client.HTTPSConnection] = []

    def __del__(self) -> None:
        for connection in self._connections:
            connection.close()

    def request(self, method: str, path: str, body: Any = None, content_type: str = JSON) -> Any:
        """Send a request and read the JSON answer; a dropped keep-alive connection is opened again once.

        Raises:
            RequestFailed: the status is not a success.
            OSError: the API server cannot be reached.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}"}
        if data is not None:
            headers["Content-Type"] = content_type
        try:
            response, text = self._exchange(method, path, data, headers)
        except (OSError, http.client.HTTPException):
            self._local.connection.close()
            self._local.connection = None
            try:
                response, text = self._exchange(method, path, data, headers)
            except http.client.HTTPException as error:
                raise ConnectionError(str(error)) from error
        if response.status >= 400:
            raise RequestFailed(response.status, text.decode(errors="replace")[:1000])
        return json.loads(text) if response.headers.get_content_type() == JSON else text.decode()

    def watch(self, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the type and the object of each event until the API server ends the watch."""
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=300.0, context=self._tls)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._token}"})
            response = connection.getresponse()
            for line in response:
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_S, context=self._tls)
            self._local.connection = connection
            self._connections.append(connection)
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        return response, response.read()
