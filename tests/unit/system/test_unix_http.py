"""HTTP over a unix socket: connections, deadlines and limits."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from rollback.system.unix_http import AnswerLost, AnswerTooLarge, NotSent, UnixHttpClient

LIMIT = 1 << 20
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers every request by `answer`; counts connections and requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answer: Answer = lambda handler: whole(handler, b"{}")
        self.connections = 0
        self.requests: list[tuple[str, str, bytes]] = []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "socket")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            made.connections += 1
            self.client_address = ("unix", 0)
            super().setup()

        def log_message(self, *_: Any) -> None:
            pass

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.requests.append((self.command, self.path, body))
            made.answer(self)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815

    class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients that go away are part of the tests

    with Listener(str(made.path), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        listener.shutdown()
        thread.join()


@pytest.fixture
def client(server: Server) -> Iterator[UnixHttpClient]:
    made = UnixHttpClient(server.path, LIMIT)
    yield made
    made.close()


def whole(handler: BaseHTTPRequestHandler, body: bytes, announced: int | None = None, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if announced is None else announced))
    handler.send_header("X-Name", "value")
    handler.end_headers()
    handler.wfile.write(body)


def get(client: UnixHttpClient, timeout_s: float = 60) -> bytes:
    return client.send("GET", "/a?b=c", None, {}, timeout_s).body


def test_an_answer_comes_whole_whatever_its_status(server: Server, client: UnixHttpClient) -> None:
    server.answer = lambda handler: whole(handler, b"x" * 200_000, status=404)

    answer = client.send("POST", "/a?b=c", b"body", {"Content-Type": "text/plain"}, 60)

    assert (answer.status, answer.body, answer.headers["x-name"]) == (404, b"x" * 200_000, "value")
    assert server.requests == [("POST", "/a?b=c", b"body")]


def test_an_answer_in_chunks_comes_whole(server: Server, client: UnixHttpClient) -> None:
    def chunks(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    server.answer = chunks

    assert [get(client), get(client)] == [b"abcde", b"abcde"]
    assert server.connections == 1


def test_reads_share_a_connection_and_writes_open_their_own(server: Server, client: UnixHttpClient) -> None:
    for _ in range(3):
        get(client)
    client.send("PATCH", "/", b"[]", {}, 60)

    assert (len(server.requests), server.connections) == (4, 2)


def test_a_read_on_a_connection_that_was_closed_meanwhile_is_sent_again(
    server: Server, client: UnixHttpClient
) -> None:
    def once(handler: BaseHTTPRequestHandler) -> None:
        whole(handler, b"first")
        handler.close_connection = True  # without saying so

    server.answer = once
    get(client)
    server.answer = lambda handler: whole(handler, b"second")

    assert get(client) == b"second"


def test_a_write_without_an_answer_is_lost_and_sent_once(server: Server, client: UnixHttpClient) -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    server.answer = hang_up

    with pytest.raises(AnswerLost):
        client.send("POST", "/", b"{}", {}, 60)

    assert len(server.requests) == 1


def test_an_answer_that_is_cut_short_is_lost(server: Server, client: UnixHttpClient) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        whole(handler, b"half", announced=8)
        handler.close_connection = True

    server.answer = cut

    with pytest.raises(AnswerLost):
        get(client)


def test_an_answer_that_drips_for_ever_ends_at_the_deadline(server: Server, client: UnixHttpClient) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)

    server.answer = drip

    with pytest.raises(AnswerLost, match="in time"):
        get(client, timeout_s=0.5)


def test_an_answer_above_the_limit_is_refused(server: Server, client: UnixHttpClient) -> None:
    server.answer = lambda handler: whole(handler, b"x" * (LIMIT + 1))

    with pytest.raises(AnswerTooLarge, match="1 MiB"):
        get(client)


def test_nothing_is_sent_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NotSent):
        UnixHttpClient(tmp_path / "socket", LIMIT).send("POST", "/", b"{}", {}, 60)
