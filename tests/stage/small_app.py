"""A small app behind the server that the services use, and connections to it, byte by byte."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from http_api.bounded_heads import BoundedHeads
from http_api.connections import ConnectionLimits, Connections
from http_api.listening import TcpAddress, listening_sockets
from http_api.serving import Binding, _Server, _server
from stage.ports import free_port
from stage.waiting import eventually_async

SOON_SECONDS = 10


@dataclass
class Connection:
    """One client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send and wait until it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """One answer's body, which has a Content-Length."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SOON_SECONDS)
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return await self.reader.readexactly(int(length.split(b":")[1]))

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), SOON_SECONDS)


@dataclass
class Served:
    """A small app behind the server that the services use. `/slow` is answered when it is released."""

    server: _Server
    sockets: list[socket.socket]
    port: int
    release: asyncio.Event
    asked: asyncio.Event

    def stop(self) -> "asyncio.Task[None]":
        """Begin to stop before the event loop takes anybody else."""
        self.server.started = False  # it has nothing more to stop when the block ends
        return asyncio.create_task(self.server.shutdown(self.sockets))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A connection to it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(
    protocol: type[BoundedHeads] = BoundedHeads, limits: ConnectionLimits | None = None
) -> AsyncIterator[Served]:
    """Serve until the block ends."""
    release, asked = asyncio.Event(), asyncio.Event()

    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.method} {len(await request.body())} {len(request.headers)}")

    async def slow(_request: Request) -> PlainTextResponse:
        asked.set()
        await release.wait()
        return PlainTextResponse("slow")

    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/slow", slow)])
    address = TcpAddress("127.0.0.1", free_port())
    server = _server(Binding(app, address, Connections(limits or ConnectionLimits()), protocol))
    sockets = listening_sockets(address)
    served = Served(server, sockets, address.port, release, asked)
    task = asyncio.create_task(server.serve(sockets))

    async def started() -> bool:
        return server.started

    await eventually_async(started)
    try:
        yield served
    finally:
        release.set()
        server.should_exit = True
        await asyncio.wait_for(task, SOON_SECONDS)
