"""The load: requests for links at a steady pace, reports of what is bought, and the fate of each on disk; in a process.

`python -m stage.chaos.load` with the fields of `Load` as JSON; SIGTERM ends it after the requests that are under way.
HTTP is spoken here by hand: a client that tries again by itself, or hides on which byte a connection broke, could not
tell a request that was never sent from one whose answer was lost.
"""

import asyncio
import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import uvloop

from link_events.click_ids import CLICK_ID_NAME
from stage.chaos.buying import BUY_EVERY, CLICKS_NAMED_MAX, Report, reports
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
    """What is sent where. Each of the `workers` asks for one code after the other, and reports what is bought."""

    port: int
    codes: Sequence[str]
    directory: str
    api_key: str
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
        self._click_ids: deque[str] = deque(maxlen=CLICKS_NAMED_MAX)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop."""
        pace_s = self._load.workers / self._load.requests_per_second
        asked = 0
        while not stop.is_set():
            began_s = time.monotonic()
            told = await self._ask(asked)
            self._fates.write(told)
            if told.fate is Fate.ACCEPTED and asked % BUY_EVERY == 0:
                await self._buy(asked)
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

    async def _buy(self, asked: int) -> None:
        """Report what comes of the clicks so far."""
        for report in reports(self._number, asked, list(self._click_ids), datetime.now(UTC)):
            started_s = time.monotonic()
            fate, status = await self._settled("POST", report_request(report, self._load.api_key))
            self._fates.write(Told(report.request, fate, status, started_s, time.monotonic()))

    async def _settled(self, method: str, request: bytes) -> tuple[Fate, int]:
        """What becomes of one request. It is sent as soon as there is a connection, and never twice."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                reader, writer = await self._connected()
        except (OSError, TimeoutError):
            return Fate.REFUSED, NO_STATUS
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                writer.write(request)
                answer = await _answer(reader, method)
        except (OSError, EOFError, TimeoutError):
            self._hang_up()
            return Fate.UNKNOWN, NO_STATUS
        if answer.is_last:
            self._hang_up()
        if answer.click_id is not None:
            self._click_ids.append(answer.click_id)
        return fate_of(answer.status), answer.status

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


def report_request(report: Report, api_key: str) -> bytes:
    """What is sent to report something."""
    body = orjson.dumps(report.row)
    head = f"POST {report.path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {api_key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Answer(NamedTuple):
    """A whole answer; whether it is the last of its connection, and the id of the click that it redirects, if any."""

    status: int
    is_last: bool
    click_id: str | None


async def _answer(reader: asyncio.StreamReader, method: str) -> Answer:
    """The next answer.

    Raises:
        EOFError: the connection ended before the answer did.
    """
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if method != "HEAD":
        await reader.readexactly(int(fields.get("content-length", 0)))
    _, _, click_id = fields.get("location", "").partition(f"{CLICK_ID_NAME}=")
    return Answer(int(status_line.split()[1]), fields.get("connection") == "close", click_id or None)


if __name__ == "__main__":
    uvloop.run(send(Load(**orjson.loads(sys.argv[1]))))
