"""A way to Postgres that can be closed, or go silent, and be opened again, while the real server runs on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from http_api.serving import cancel_all

CHUNK_BYTES: Final = 65_536


class Way:
    """Takes connections on to the server at `address` while it is open."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._connections: set[asyncio.Task[None]] = set()
        self._passable = asyncio.Event()
        self._passable.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Listen, always on the same port, and pass everything on."""
        self._passable.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and break those that are open, as a server does that dies."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await cancel_all(self._connections)

    def freeze(self) -> None:
        """Take connections and pass nothing on, as a server does that hangs."""
        self._passable.clear()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise LookupError("a connection is a task of its own")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            await self._passable.wait()
            await self._connect(reader, writer)
        finally:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._address)
        pairs = ((reader, server_writer), (server_reader, writer))
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in pairs]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server_writer.transport.abort()
            await cancel_all(pumps)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while said := await reader.read(CHUNK_BYTES):
                await self._passable.wait()
                writer.write(said)
                await writer.drain()


@asynccontextmanager
async def way_to(dsn: str) -> AsyncIterator[tuple[Way, str]]:
    """An open way to the server of `dsn`, and the DSN that leads over it."""
    parts = urlsplit(dsn)
    way = Way((str(parts.hostname), int(parts.port or 5432)))
    await way.open()
    try:
        yield way, dsn.replace(f":{parts.port}/", f":{way.port}/")
    finally:
        await way.close()
