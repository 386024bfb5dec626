"""Somebody who scans for codes: asks for one that nobody has, and another, at a steady rate.

python bench/scanner.py URL PER_SECOND NETWORKS

From so many networks until SIGTERM; then it says as JSON how many seconds that was, and how many answers of each status
there were.
"""

import asyncio
import random
import re
import signal
import sys
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

import orjson
import uvloop

CONNECTIONS: Final = 32
BURSTS_PER_SECOND: Final = 100
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CODE_CHARS: Final = 8
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Scanner:
    """Asks, whether it is answered or not."""

    def __init__(self, host: str, port: int, networks: int) -> None:
        self._host, self._port = host, port
        self._rng = random.Random(13)
        self._networks = [f"{20 + number // 65_536}.{number // 256 % 256}.{number % 256}" for number in range(networks)]
        self.statuses: Counter[str] = Counter()
        self.seconds = 0.0

    async def scan(self, per_second: int, stop: asyncio.Event) -> None:
        """Ask so many times a second until `stop` is set. A connection that was closed is opened again."""
        loop = asyncio.get_running_loop()
        connections = [await self._connect() for _ in range(CONNECTIONS)]
        begun_s, asked = loop.time(), 0
        while not stop.is_set():
            due = round((loop.time() - begun_s) * per_second)
            for number in range(asked, due):
                place = number % CONNECTIONS
                if connections[place].is_closing():
                    connections[place] = await self._connect()
                connections[place].write(self._request())
            asked, self.seconds = due, loop.time() - begun_s
            await asyncio.sleep(1 / BURSTS_PER_SECOND)

    async def _connect(self) -> asyncio.Transport:
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: _Answers(self.statuses), self._host, self._port
        )
        return transport

    def _request(self) -> bytes:
        code = "".join(self._rng.choices(ALPHABET, k=CODE_CHARS))
        address = f"{self._rng.choice(self._networks)}.{self._rng.randint(1, 254)}"
        head = f"GET /{code} HTTP/1.1\r\nHost: go.example.com\r\nUser-Agent: scan\r\nX-Forwarded-For: {address}\r\n\r\n"
        return head.encode("ascii")


class _Answers(asyncio.Protocol):
    """Counts statuses. One that is cut in two by reading goes uncounted, which is rare."""

    def __init__(self, statuses: Counter[str]) -> None:
        self._statuses = statuses

    def data_received(self, data: bytes) -> None:
        """Count what is in `data`."""
        self._statuses.update(status.decode() for status in _STATUS.findall(data))


async def _main(url: str, per_second: int, networks: int) -> None:
    target = urlsplit(url)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    scanner = Scanner(target.hostname or "", target.port or 80, networks)
    await scanner.scan(per_second, stop)
    print(orjson.dumps({"seconds": scanner.seconds, "statuses": scanner.statuses}).decode())


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
