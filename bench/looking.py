"""Asking a server for redirects one by one and looking at each answer, as a load generator does not."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from candidates import DESTINATION

CONNECTIONS: Final = 16
_ANSWER: Final = re.compile(rb"HTTP/1\.1 302 .*\r\nlocation: (?P<location>[^\r]*)\r\n", re.DOTALL | re.IGNORECASE)
_BODY_BYTES: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def look_at_answers(url: str, requests: list[bytes]) -> int:
    """Send each GET once; how many there were, for each was redirected to where its code leads.

    Raises:
        RuntimeError: one was not.
    """
    asyncio.run(_look(url, iter(requests)))
    return len(requests)


async def _look(url: str, requests: Iterator[bytes]) -> None:
    target = urlsplit(url)

    async def take_turns() -> None:
        reader, writer = await asyncio.open_connection(target.hostname, target.port)
        with closing(writer):
            for request in requests:
                writer.write(request)
                answer = await reader.readuntil(b"\r\n\r\n")
                if body := _BODY_BYTES.search(answer):
                    await reader.readexactly(int(body[1]))
                _expect_redirect(request.split(b" ", 2)[1], answer)

    await asyncio.gather(*(take_turns() for _ in range(CONNECTIONS)))


def _expect_redirect(path: bytes, answer: bytes) -> None:
    found = _ANSWER.match(answer)
    if found is None or not found["location"].startswith(DESTINATION.encode() + path[1:]):
        raise RuntimeError(f"{path.decode()} was answered {answer.decode(errors='replace')}")
