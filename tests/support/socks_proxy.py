"""A SOCKS5 proxy on loopback (RFC 1928, and RFC 1929 for the login)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class SocksProxy:
    """Where it listens, and which places it was asked for, as `host:port`."""

    address: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def socks_proxy(names: Mapping[str, int], *, login: tuple[str, str] | None = None) -> Iterator[SocksProxy]:
    """Serve connections to ports of loopback.

    Args:
        names: port by the name of a host; addresses are connected to as they are.
        login: user and password to ask for.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    made = SocksProxy(f"127.0.0.1:{listener.getsockname()[1]}")
    opened: list[socket.socket] = []

    def serve(near: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            place = _negotiated(near, login)
            if place is None:
                near.close()
                return
            made.asked.append("{}:{}".format(*place))
            known = names.get(place[0])
            far = socket.create_connection(("127.0.0.1", known) if known else place)
            opened.append(far)
            near.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            threading.Thread(target=_pour, args=(far, near), daemon=True).start()
            _pour(near, far)

    def accept() -> None:
        while True:
            try:
                near, _address = listener.accept()
            except OSError:
                return
            opened.append(near)
            threading.Thread(target=serve, args=(near,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield made
    finally:
        listener.close()
        for one in opened:
            one.close()


def _negotiated(near: socket.socket, login: tuple[str, str] | None) -> tuple[str, int] | None:
    """Where the client wants to go; None if its login is wrong."""
    _version, count = _read(near, 2)
    _read(near, count)
    near.sendall(b"\x05\x02" if login else b"\x05\x00")
    if login:
        _version, length = _read(near, 2)
        user = _read(near, length)
        password = _read(near, _read(near, 1)[0])
        right = (user.decode(), password.decode()) == login
        near.sendall(b"\x01\x00" if right else b"\x01\x01")
        if not right:
            return None
    _version, _command, _reserved, kind = _read(near, 4)
    host = _read(near, _read(near, 1)[0]).decode() if kind == 3 else socket.inet_ntoa(_read(near, 4))
    (port,) = struct.unpack(">H", _read(near, 2))
    return host, port


def _read(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
