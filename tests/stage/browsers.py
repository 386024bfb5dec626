"""Browsers in networks of their own: keep-alive connections to a redirector from any address of 127.0.0.0/8."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stage.events import BROWSER


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request for a code was answered, and how long it took."""

    status: int
    headers: dict[str, str]
    seconds: float


class Browser:
    """One connection, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, code: str) -> Answered:
        """Follow a short link."""
        began_s = time.perf_counter()
        self._writer.write(f"GET /{code} HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: {BROWSER}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        await self._reader.readexactly(int(headers["content-length"]))
        return Answered(int(head[0].split()[1]), headers, time.perf_counter() - began_s)

    def close(self) -> None:
        """Go away."""
        self._writer.transport.abort()


@asynccontextmanager
async def browser(port: int, address: str = "127.0.0.1") -> AsyncIterator[Browser]:
    """A browser at `address`, for the length of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    one = Browser(reader, writer)
    try:
        yield one
    finally:
        one.close()
