"""A server that stands in front of a real registry and does to its answers what registries do out there."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request that arrived. Names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def repo(self) -> str:
        return (
            self.path.removeprefix("/v2/").partition("/tags/")[0].partition("/manifests/")[0].partition("/blobs/")[0]
        )


@dataclass(frozen=True)
class Reply:
    """An answer; `announced` is a Content-Length that lies, `gone` closes the connection instead."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    announced: int | None = None
    gone: bool = False
    drip_s: float = 0.0

    def with_headers(self, **headers: str) -> Reply:
        """The same with headers added; an underscore in a name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})


Go = Callable[[], Reply]
Fault = Callable[[Reply], Reply]
Rule = Callable[[Asked, Go], Reply]


class Front:
    """What arrived, and where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.rules: list[Rule] = []
        self.seen: list[Asked] = []

    def count(self, part: str, method: str = "GET") -> int:
        """How many requests with this in their path arrived."""
        return sum(part in asked.target and asked.method == method for asked in self.seen)


def deaf(upstream: str) -> Rule:
    """A proxy that keeps the Accept header to itself."""

    def rule(asked: Asked, _go: Go) -> Reply:
        place = urlsplit(upstream)
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        line.request(asked.method, asked.target)
        answer = line.getresponse()
        reply = Reply(answer.status, dict(answer.getheaders()), answer.read())
        line.close()
        return reply

    return rule


@contextmanager
def front(upstream: str, *rules: Rule, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Front]:
    """Serve what upstream serves, as changed by the rules; the first one is the outermost.

    Args:
        upstream: URL of a registry; empty where the rules answer everything.
        rules: each may answer by itself, or go on and change what comes back.
        tls: to serve https.
        host: as which the URL names it.
    """
    made = Front()
    made.rules = list(rules)
    place = urlsplit(upstream)
    local = threading.local()

    def forward(asked: Asked) -> Reply:
        if not upstream:
            return Reply(404)
        for attempt in (0, 1):
            if not hasattr(local, "line"):
                local.line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            headers = {
                name: value
                for name, value in asked.headers.items()
                if name not in ("host", "connection", "authorization", "transfer-encoding")
            }
            try:
                local.line.request(asked.method, asked.target, asked.body or None, {**headers, "Host": place.netloc})
                answer = local.line.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException):
                del local.line
                if attempt:
                    raise
                continue
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if asked.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return Reply(answer.status, kept, body)
        raise AssertionError

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, *_args: Any) -> None:
            pass

        def _any(self) -> None:
            body = self._body()
            names = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, names, body)
            made.seen.append(asked)

            def through(index: int) -> Reply:
                if index == len(made.rules):
                    return forward(asked)
                return made.rules[index](asked, lambda: through(index + 1))

            self._answer(through(0))

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def finish(self) -> None:
            super().finish()
            if hasattr(local, "line"):
                local.line.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def _answer(self, reply: Reply) -> None:
            if reply.gone:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()  # with a reset
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            length = reply.headers.get("Content-Length") if self.command == "HEAD" else None
            if reply.status != 304:
                self.send_header("Content-Length", length or str(reply.announced or len(reply.body)))
            self.end_headers()
            if self.command == "HEAD" or reply.status == 304:
                return
            if reply.drip_s:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(reply.drip_s)
                return
            self.wfile.write(reply.body)
            if reply.announced is not None:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients that go away are part of the tests

        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            if tls:
                connection.settimeout(5)
                connection = tls.wrap_socket(connection, server_side=True)
                connection.settimeout(None)
            return connection, address

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        made.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


def basic(user: str, password: str) -> Rule:
    """Admit one user."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def rule(asked: Asked, go: Go) -> Reply:
        if asked.headers.get("authorization") != wanted:
            return refusal(401, "UNAUTHORIZED", "authentication required").with_headers(
                WWW_Authenticate='Basic realm="Registry, the inner"'
            )
        return go()

    return rule


class Bearer:
    """A registry's side and a token server's side of token authentication.

    Attributes:
        shared: whether one token may be for several repositories.
        forgiving: gives a token for several, but lets it open the first alone.
        says_scope: whether the challenge names a scope.
        life_s: put into tokens; None to leave it out.
        given: the scopes of each token that was given.
    """

    def __init__(self, *, user: str = "", password: str = "", refresh: str = "") -> None:
        self.realm = ""
        self.user, self.password, self.refresh = user, password, refresh
        self.shared, self.forgiving, self.says_scope = True, False, True
        self.life_s: float | None = 300
        self.member = "token"
        self.service = "registry.example, with a comma"
        self.tokens: dict[str, list[str]] = {}
        self.given: list[list[str]] = []
        self._lock = threading.Lock()

    def registry(self, asked: Asked, go: Go) -> Reply:
        """The registry's rule."""
        if not asked.path.startswith("/v2/"):
            return go()
        scope = f"repository:{asked.repo}:pull"
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if scope in self.tokens.get(token, []):
            return go()
        parts = [f'realm="{self.realm}"', f'service="{self.service}"']
        if self.says_scope:
            parts.append(f'scope="{scope}"')
        if token:
            known = token in self.tokens
            parts.append('error="insufficient_scope"' if known else 'error="invalid_token"')
        said = refusal(401, "UNAUTHORIZED", "authentication required")
        return said.with_headers(WWW_Authenticate="Bearer " + ",".join(parts))

    def server(self, asked: Asked, _go: Go) -> Reply:
        """The token server's rule."""
        if asked.method == "POST":
            form = dict(parse_qsl(asked.body.decode()))
            scopes = form.get("scope", "").split()
            admitted = bool(self.refresh) and form.get("refresh_token") == self.refresh
        else:
            scopes = asked.query.get("scope", [])
            sent = asked.headers.get("authorization", "")
            login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            admitted = not self.user or sent == f"Basic {login}"
        if not admitted or (len(scopes) > 1 and not self.shared):
            return Reply(401 if not admitted else 400, {}, b'{"details":"no"}')
        with self._lock:
            token = f"very-secret-token-{len(self.given)}"
            self.given.append(scopes)
            self.tokens[token] = scopes[:1] if self.forgiving else scopes
        document: dict[str, Any] = {self.member: token}
        if self.life_s is not None:
            document["expires_in"] = self.life_s
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(document).encode())


def refusal(status: int, code: str, message: str) -> Reply:
    """A registry's refusal."""
    body = json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)


def pages(size: int, form: Callable[[str, str, list[str]], str | None]) -> Rule:
    """Page the list of tags.

    Args:
        size: of a page.
        form: makes the Link header out of the front's host, the repository and this page's tags.
    """

    def rule(asked: Asked, go: Go) -> Reply:
        reply = go()
        if not asked.path.endswith("/tags/list") or reply.status != 200:
            return reply
        document = json.loads(reply.body)
        tags = sorted(document["tags"] or [])
        last = (asked.query.get("last") or asked.query.get("next_page") or [""])[0]
        rest = [tag for tag in tags if tag > last]
        page = rest[:size]
        link = form(asked.headers["host"], asked.repo, page) if len(rest) > size else None
        body = json.dumps({**document, "tags": page or None}).encode()
        headers = {**reply.headers, **({"Link": link} if link else {})}
        return Reply(200, headers, body)

    return rule


def redirected(storage: Callable[[], str], status: int = 307) -> Rule:
    """Send everyone who wants a blob to the storage's URL, with a signature in the query."""

    def rule(asked: Asked, go: Go) -> Reply:
        if "/blobs/" not in asked.path:
            return go()
        return Reply(status, {"Location": f"{storage()}{asked.path}?X-Signature=very-secret-signature"})

    return rule


def storage(asked: Asked, go: Go) -> Reply:
    """What object storage does: a signature opens it, a second permission is an error."""
    if "authorization" in asked.headers:
        return Reply(400, {}, b"<Error><Message>Only one auth mechanism allowed</Message></Error>")
    return go() if "very-secret-signature" in asked.target else Reply(403)


class Faults:
    """Answer the first `times` requests of each path that holds `part` with a fault."""

    def __init__(self, part: str, fault: Fault, times: int = 1) -> None:
        self._part, self._fault, self._times = part, fault, times
        self._met: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, asked: Asked, go: Go) -> Reply:
        if self._part not in asked.path:
            return go()
        with self._lock:
            self._met[asked.path] += 1
            met = self._met[asked.path]
        return self._fault(go()) if met <= self._times else go()


def cut(reply: Reply) -> Reply:
    """Half of the body."""
    return replace(reply, body=reply.body[: len(reply.body) // 2], announced=len(reply.body))


def corrupt(reply: Reply) -> Reply:
    """One bit of the body is another one."""
    return replace(reply, body=bytes([reply.body[0] ^ 1]) + reply.body[1:]) if reply.body else reply


def reset(_reply: Reply) -> Reply:
    """The connection is reset."""
    return Reply(gone=True)


def status(number: int, **headers: str) -> Fault:
    """Another status, with headers."""
    return lambda _reply: refusal(number, "FAULT", "a fault").with_headers(**headers)


def zipped(_asked: Asked, go: Go) -> Reply:
    """Compress every body, as some registries do unasked."""
    reply = go()
    if reply.status != 200 or not reply.body:
        return reply
    return replace(reply, body=gzip.compress(reply.body)).with_headers(Content_Encoding="gzip")


def untyped(_asked: Asked, go: Go) -> Reply:
    """Call everything JSON, and leave the digest out."""
    reply = go()
    headers = {name: value for name, value in reply.headers.items() if name.lower() != "docker-content-digest"}
    return replace(reply, headers={**headers, "Content-Type": "application/json"})
