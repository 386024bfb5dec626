"""A way over TCP to a real server that a test can close, black-hole, slow down, chop up, or cut in mid-conversation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from http_api.serving import cancel_all

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536


class Cut(StrEnum):
    """Where a connection breaks when the client says the last of the words."""

    BEFORE = "before"
    """The server never hears it."""
    AFTER = "after"
    """The server has done what was said; its answer is lost."""
    MEANWHILE = "meanwhile"
    """The client is gone while the server still does what was said."""


class Proxy:
    """Takes connections on to the server at `address` while it is open.

    `delay_s` and `slice_bytes` may be set at any time: how long everything is held up, and how much is passed on at
    once. `held_bytes`, `pieces` and `unanswered` say what clients have felt of it: bytes that had to wait, pieces that
    were passed on, and open connections on which the server has not said anything yet.
    """

    def __init__(self, address: tuple[str, int], port: int = 0) -> None:
        self._address = address
        self._connections: set[asyncio.Task[None]] = set()
        self._passable = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._closing = asyncio.Event()
        self._words: tuple[bytes, ...] = ()
        self._cut = Cut.BEFORE
        self.port = port
        self.cuts = 0
        self.delay_s = 0.0
        self.slice_bytes = CHUNK_BYTES
        self.held_bytes = 0
        self.pieces = 0
        self.unanswered = 0

    async def open(self) -> None:
        """Listen, always on the same port, and pass everything on; also what was held while it was frozen."""
        self._passable.set()
        if self._server is None:
            self._closing.clear()
            self._server = await asyncio.start_server(self._take, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and break those that are open, as a server does that dies."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._closing.set()
        await self.sever()

    async def sever(self) -> int:
        """Break the connections that are open, say how many, and take new ones."""
        severed = len(self._connections)
        await cancel_all(self._connections)
        return severed

    def freeze(self) -> None:
        """Take connections and pass nothing on, as a server does that hangs or a network that swallows."""
        self._passable.clear()

    def cut(self, cut: Cut, *words: bytes) -> None:
        """Break the next connection on which the client says `words`, one after another; the others hold."""
        self._cut, self._words = cut, words

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        task = asyncio.current_task()
        if task is None:
            raise LookupError("a connection is a task of its own")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            await self._passable.wait()
            with suppress(ConnectionError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._address)
        answering = asyncio.create_task(self._answer(server_reader, writer))
        telling = asyncio.create_task(self._tell(reader, server_writer))
        try:
            await asyncio.wait([answering, telling], return_when=asyncio.FIRST_COMPLETED)
            if telling.done() and (last := telling.result()) and self._cut is not Cut.BEFORE:
                await cancel_all([answering])
                if self._cut is Cut.MEANWHILE:
                    writer.transport.abort()
                server_writer.write(last)
                await server_reader.read(CHUNK_BYTES)
        finally:
            server_writer.transport.abort()  # first: this task may be cancelled while it waits
            await cancel_all([answering, telling])

    async def _tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Pass on what the client says, but for the last of the words, at which to break; that is returned."""
        heard = 0
        while said := await reader.read(CHUNK_BYTES):
            while heard < len(self._words) and self._words[heard] in said:
                heard += 1
            if self._words and heard == len(self._words):
                self._words = ()
                self.cuts += 1
                return said
            await self._pass_on(said, writer)
        return b""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            self.unanswered += 1
            try:
                said = await reader.read(CHUNK_BYTES)
            finally:
                self.unanswered -= 1
            while said:
                await self._pass_on(said, writer)
                said = await reader.read(CHUNK_BYTES)
            writer.close()
            await writer.wait_closed()  # the last words of a server that hangs up

    async def _pass_on(self, said: bytes, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(said), self.slice_bytes):
            piece = said[start : start + self.slice_bytes]
            if self.delay_s or not self._passable.is_set():
                self.held_bytes += len(piece)
            if self.delay_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.delay_s):
                        await self._closing.wait()
            await self._passable.wait()
            self.pieces += 1
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def opened_proxy(address: tuple[str, int], port: int = 0) -> AsyncIterator[Proxy]:
    """An open way to the server at `address`, on `port` or one that is free."""
    proxy = Proxy(address, port)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()


@asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """An open way to the Postgres of `dsn`, and the DSN that leads over it."""
    parts = urlsplit(dsn)
    async with opened_proxy((str(parts.hostname), int(parts.port or 5432))) as proxy:
        yield proxy, dsn.replace(f":{parts.port}/", f":{proxy.port}/")
