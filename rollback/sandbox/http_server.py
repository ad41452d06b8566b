"""Puts an answer on a loopback port: HTTP/1.1 with connections kept open, one thread each."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rollback.sandbox.http_messages import Answer, Request

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_LONGEST_BODY = 8 * 1024 * 1024  # bytes


class _RequestHandler(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    server_version = "rollback-sandbox"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes; without this each answer waits 40 ms for an ACK
    timeout = 120.0  # seconds that an idle connection is kept

    def _exchange(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LONGEST_BODY:
            self.send_error(413)
            return
        request = Request.parse(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        response = self.server.answer(request)  # type: ignore[attr-defined]
        if response.dropped:
            self.close_connection = True
            return
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status not in (204, 304):
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD" and response.status not in (204, 304):
            self.wfile.write(response.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _exchange  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Request lines go to the log, not to stderr."""
        _log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection open must not hold up the end
    request_queue_size = 128

    def __init__(self, port: int, answer: Answer) -> None:
        self.answer = answer
        super().__init__((HOST, port), _RequestHandler)

    def server_bind(self) -> None:
        """Bind without asking the resolver for the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A client that went away is no news."""
        _log.debug("the connection of %s ended early", client_address, exc_info=True)


@contextlib.contextmanager
def listening(answer: Answer, port: int = 0) -> Iterator[str]:
    """Serve `answer` on loopback while the block runs.

    Args:
        answer: called for every request, from several threads.
        port: 0 for any free one.

    Yields:
        The address, such as `http://127.0.0.1:41001`.

    Raises:
        OSError: the port is in use.
    """
    server = _Server(port, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
