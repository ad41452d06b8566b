"""One request, one answer, or a reason in words."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from rollback.registry.request_counts import RequestCounter
from rollback.registry.transport import ConnectionLost, Pool, RegistryResponse, TooLarge
from tests.support.registry_proxy import Asked, Go, Reply, front


@pytest.fixture
def tally() -> RequestCounter:
    return RequestCounter()


@pytest.fixture
def pool(tally: RequestCounter) -> Iterator[Pool]:
    made = Pool(tally, connections=2, read_s=0.2)
    yield made
    made.close()


def get(pool: Pool, url: str, limit: int = 100) -> RegistryResponse:
    return pool.send("GET", url, {"Accept": "text/plain"}, limit=limit)


def test_an_answer_is_brought_back_as_it_is(pool: Pool) -> None:
    with front("", lambda _asked, _go: Reply(418, {"X-Word": "tea"}, b"pot")) as server:
        answer = get(pool, server.url + "/a?b=c")

        assert (answer.status, answer.headers["x-word"], answer.body) == (418, "tea", b"pot")
        assert server.seen[0].target == "/a?b=c"
        assert server.seen[0].headers["accept"] == "text/plain"
        assert server.seen[0].headers["user-agent"].startswith("rollback/")


def test_a_redirect_is_not_followed(pool: Pool) -> None:
    with front("", lambda _asked, _go: Reply(302, {"Location": "/elsewhere"})) as server:
        assert get(pool, server.url).status == 302
        assert len(server.seen) == 1


def test_a_connection_is_used_again(pool: Pool, tally: RequestCounter) -> None:
    with front("", lambda _asked, _go: Reply(200, {}, b"x")) as server:
        for _ in range(5):
            get(pool, server.url)

    assert tally.take().connections == 1


@pytest.mark.parametrize("announced", [None, 101])
def test_a_body_beyond_the_limit_is_not_read(pool: Pool, announced: int | None) -> None:
    with front("", lambda _asked, _go: Reply(200, {}, b"x" * 101, announced=announced)) as server:
        with pytest.raises(TooLarge):
            get(pool, server.url, limit=100)
        assert get(pool, server.url, limit=101).body == b"x" * 101


def test_a_head_may_announce_any_length(pool: Pool) -> None:
    def big(_asked: Asked, _go: Go) -> Reply:
        return Reply(200, {"Content-Length": str(1 << 40)})

    with front("", big) as server:
        assert pool.send("HEAD", server.url, {}, limit=10).status == 200


def test_silence_is_given_up(pool: Pool) -> None:
    with (
        front("", lambda _asked, _go: Reply(200, {}, b"xx", drip_s=2)) as server,
        pytest.raises(ConnectionLost, match=r"127\.0\.0\.1 gave no answer within 0\.2 s"),
    ):
        get(pool, server.url)


GZIP_NAME = b"\x1f\x8b\x08\x08" + b"\x00" * 6  # a gzip header, after which a file's name of any length may follow


@contextmanager
def dripping(start: bytes, drip: bytes) -> Iterator[str]:
    """A server that never finishes its answer, and never falls silent; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _address = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(start)
                while not done.wait(0.01):
                    connection.sendall(drip)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        listener.close()
        thread.join()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (OK, b"X"),
        (OK + b"X: y\r\n", b"z"),
        (OK + b"Content-Length: 90\r\n\r\n", b"."),
        (OK + b"\r\n", b"."),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + GZIP_NAME, b"n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_an_answer_that_drips_for_ever_is_given_up(tally: RequestCounter, start: bytes, drip: bytes) -> None:
    pool = Pool(tally, read_s=10, answer_s=0.2)
    with dripping(start, drip) as url, pytest.raises(ConnectionLost) as caught:
        get(pool, url, limit=1 << 20)
    pool.close()

    assert str(caught.value) == "127.0.0.1 did not finish its answer within 0.2 s"
    assert not caught.value.lasting


def test_a_connection_that_was_cut_off_is_not_used_again(tally: RequestCounter) -> None:
    pool = Pool(tally, read_s=10, answer_s=0.2)
    with dripping(OK + b"Content-Length: 90\r\n\r\n", b".") as url, pytest.raises(ConnectionLost):
        get(pool, url)
    with front("", lambda _asked, _go: Reply(200, {}, b"x")) as server:
        assert get(pool, server.url).body == b"x"
    pool.close()


def test_a_body_cut_short_is_lost(pool: Pool) -> None:
    with (
        front("", lambda _asked, _go: Reply(200, {}, b"half", announced=8)) as server,
        pytest.raises(ConnectionLost, match=r"the connection to 127\.0\.0\.1 broke: IncompleteRead"),
    ):
        get(pool, server.url)


def test_what_was_left_of_an_answer_is_not_taken_for_the_next(pool: Pool) -> None:
    def long(asked: Asked, _go: Go) -> Reply:
        return Reply(200, {}, b"y" * 50 if asked.path == "/short" else b"x" * 5000)

    with front("", long) as server:
        with pytest.raises(TooLarge):
            get(pool, server.url + "/long")

        assert get(pool, server.url + "/short").body == b"y" * 50


def test_a_reset_is_lost_and_may_be_tried_again(pool: Pool) -> None:
    with (
        front("", lambda _asked, _go: replace(Reply(), gone=True)) as server,
        pytest.raises(ConnectionLost) as caught,
    ):
        get(pool, server.url)

    assert not caught.value.lasting


def test_tls_with_a_server_that_has_none_says_what_to_do(pool: Pool) -> None:
    with front("", lambda _asked, _go: Reply()) as server, pytest.raises(ConnectionLost) as caught:
        get(pool, server.url.replace("http:", "https:"))

    assert caught.value.lasting
    assert "TLS with 127.0.0.1 failed" in str(caught.value)
    assert caught.value.hint
