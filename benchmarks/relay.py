"""A relay that makes the way to a server longer: `python -m benchmarks.relay PORT SECONDS` prints its own port.

Each direction is held for half of the round trip, and a new connection costs a whole one, as TCP's handshake
does. (The kernel's own `netem` needs rights and a module that build machines do not have.)
"""

from __future__ import annotations

import asyncio
import sys


class _End(asyncio.Protocol):
    """One end of a connection; what arrives here leaves at the other end later."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.peer: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early.append(data)
        else:
            asyncio.get_running_loop().call_later(self.delay_s, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self.peer and not self.peer.is_closing():
            self.peer.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.peer:
            asyncio.get_running_loop().call_later(self.delay_s, self.peer.close)


class _Near(_End):
    """The client's end: opens the other one after a round trip."""

    def __init__(self, port: int, delay_s: float) -> None:
        super().__init__(delay_s)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(2 * self.delay_s)
        _, far = await loop.create_connection(lambda: _End(self.delay_s), "127.0.0.1", self._port)
        far.peer, self.peer = self.transport, far.transport
        for data in self.early:
            loop.call_later(self.delay_s, self._pass_on, data)


async def _serve(port: int, round_trip_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Near(port, round_trip_s / 2), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
