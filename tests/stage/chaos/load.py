"""The load: requests for links at a steady pace, from a process of its own, and the fate of each on disk.

`python -m stage.chaos.load` with the fields of `Load` as JSON; SIGTERM ends it after the requests that are under way.
HTTP is spoken here by hand: a client that tries again by itself, or hides on which byte a connection broke, could not
tell a request that was never sent from one whose answer was lost.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
import uvloop

from stage.chaos.fates import NO_STATUS, Fate, FateFile, RequestId, Told, fate_of
from stage.events import BROWSER

HOST: Final = "127.0.0.1"
CONNECT_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS_MAX: Final = 20.0
"""No fault lasts as long: a redirector that was frozen answers what it was asked."""

MARK: Final = "chaos/"
"""What stands before a request's id in its user agent."""

USER_AGENT_CHARS: Final = 500
"""A click keeps 512: with large ones, segments are full the sooner."""

HEAD_EVERY: Final = 5
"""Every so many-th request is a HEAD, which is a click that does not count."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent where. Each of the `workers` asks for one code after the other."""

    port: int
    codes: Sequence[str]
    directory: str
    workers: int = 16
    requests_per_second: float = 160.0

    def command(self) -> list[str]:
        """The process that sends it."""
        return [sys.executable, "-m", "stage.chaos.load", orjson.dumps(asdict(self)).decode()]


class Worker:
    """One client with one connection, which it keeps until it breaks."""

    def __init__(self, number: int, load: Load) -> None:
        self._number = number
        self._load = load
        self._fates = FateFile(Path(load.directory), number)
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop."""
        pace_s = self._load.workers / self._load.requests_per_second
        asked = 0
        while not stop.is_set():
            began_s = time.monotonic()
            self._fates.write(await self._ask(asked))
            asked += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, began_s + pace_s - time.monotonic())):
                    await stop.wait()

    async def _ask(self, asked: int) -> Told:
        request = RequestId(f"{self._number}-{asked}")
        code = self._load.codes[(self._number + asked) % len(self._load.codes)]
        method = "HEAD" if asked % HEAD_EVERY == HEAD_EVERY - 1 else "GET"
        started_s = time.monotonic()
        fate, status = await self._settled(method, request_head(method, code, request))
        return Told(request, fate, status, started_s, time.monotonic())

    async def _settled(self, method: str, head: bytes) -> tuple[Fate, int]:
        """What becomes of one request. It is sent as soon as there is a connection, and never twice."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                reader, writer = await self._connected()
        except (OSError, TimeoutError):
            return Fate.REFUSED, NO_STATUS
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                writer.write(head)
                status, is_last = await _answer(reader, method)
        except (OSError, EOFError, TimeoutError):
            self._hang_up()
            return Fate.UNKNOWN, NO_STATUS
        if is_last:
            self._hang_up()
        return fate_of(status), status

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection, or a new one where it is known to be gone."""
        if self._connection is not None:
            reader, _ = self._connection
            if not reader.at_eof() and reader.exception() is None:
                return self._connection
            self._hang_up()
        self._connection = await asyncio.open_connection(HOST, self._load.port)
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection[1].transport.abort()
            self._connection = None


async def send(load: Load) -> None:
    """Send until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await asyncio.gather(*(Worker(number, load).run(stop) for number in range(load.workers)))


def request_head(method: str, code: str, request: RequestId) -> bytes:
    """What is sent: a GET of it is plain enough for the fast lane, a HEAD goes through the framework."""
    agent = f"{BROWSER} {MARK}{request} ".ljust(USER_AGENT_CHARS, ".")
    return f"{method} /{code} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {agent}\r\n\r\n".encode()


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[int, bool]:
    """The status of a whole answer, and whether it is the last of its connection.

    Raises:
        EOFError: the connection ended before the answer did.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).lower().decode()
    status_line, *fields = head.splitlines()
    length = next((int(field.split(":")[1]) for field in fields if field.startswith("content-length:")), 0)
    if method != "HEAD":
        await reader.readexactly(length)
    return int(status_line.split()[1]), "connection: close" in fields


if __name__ == "__main__":
    uvloop.run(send(Load(**orjson.loads(sys.argv[1]))))
