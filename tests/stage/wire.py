"""A wire to Postgres that a test can cut in the middle of a conversation: a proxy that listens to the client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from http_api.serving import cancel_all

CHUNK_BYTES: Final = 65_536


class Cut(StrEnum):
    """Where the wire breaks when the client says the last of the words."""

    BEFORE = "before"
    """The server never hears it."""
    AFTER = "after"
    """The server has done what was said; its answer is lost."""
    MEANWHILE = "meanwhile"
    """The client is gone while the server still does what was said."""


class Wire:
    """Takes connections on to the server at `address`, until it is told to break one."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._words: tuple[bytes, ...] = ()
        self._cut = Cut.BEFORE
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0

    def cut(self, cut: Cut, *words: bytes) -> None:
        """Break the next connection on which the client says `words`, one after another; the others hold."""
        self._cut, self._words = cut, words

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        task = asyncio.current_task()
        if task is None:
            raise LookupError("a connection is a task of its own")
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection(*self._address)
        answering = asyncio.create_task(_pump(server_reader, writer))
        try:
            with suppress(ConnectionError):
                said = await self._pass_on(reader, server_writer)
                if said and self._cut is not Cut.BEFORE:
                    await cancel_all([answering])
                    if self._cut is Cut.MEANWHILE:
                        writer.transport.abort()
                    server_writer.write(said)
                    await server_reader.read(CHUNK_BYTES)
        finally:
            await cancel_all([answering])
            writer.transport.abort()
            server_writer.close()

    async def close(self) -> None:
        """Break every connection."""
        await cancel_all(self._tasks)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Pass on what the client says, but for the last of the words, at which to break; that is returned."""
        heard = 0
        while said := await reader.read(CHUNK_BYTES):
            while heard < len(self._words) and self._words[heard] in said:
                heard += 1
            if self._words and heard == len(self._words):
                self._words = ()
                self.cuts += 1
                return said
            writer.write(said)
            await writer.drain()
        return b""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await reader.read(CHUNK_BYTES):
            writer.write(said)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wired(dsn: str) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to the server of `dsn`, and the DSN that leads over it."""
    parts = urlsplit(dsn)
    wire = Wire((str(parts.hostname), int(parts.port or 5432)))
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield wire, dsn.replace(f":{parts.port}/", f":{port}/")
    finally:
        server.close()
        await wire.close()
