"""Asking a server for redirects one by one and looking at each answer, as a load generator does not."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Final
from urllib.parse import urlsplit

from candidates import BEFORE_CLICK_ID, DESTINATION

CONNECTIONS: Final = 16
RETRIES_MAX: Final = 5
"""A link that is not in memory is looked up in a Postgres which a busy machine may hold up for too long."""

_TRY_AGAIN: Final = b"HTTP/1.1 503 "
_ANSWER: Final = re.compile(rb"HTTP/1\.1 302 .*\r\nlocation: (?P<location>[^\r]*)\r\n", re.DOTALL | re.IGNORECASE)
_BODY_BYTES: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def look_at_answers(url: str, requests: list[bytes]) -> int:
    """Send each GET once; how many there were, for each was redirected to where its code leads, with a click id.

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
                answer = await _answer(reader, writer, request)
                for _ in range(RETRIES_MAX):
                    if not answer.startswith(_TRY_AGAIN):
                        break
                    await asyncio.sleep(1)
                    answer = await _answer(reader, writer, request)
                _expect_redirect(request.split(b" ", 2)[1], answer)

    await asyncio.gather(*(take_turns() for _ in range(CONNECTIONS)))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """The head of the answer to `request`; its body is read and nobody's business."""
    writer.write(request)
    answer = await reader.readuntil(b"\r\n\r\n")
    if body := _BODY_BYTES.search(answer):
        await reader.readexactly(int(body[1]))
    return answer


def _expect_redirect(path: bytes, answer: bytes) -> None:
    found = _ANSWER.match(answer)
    expected = f"{DESTINATION}{path[1:].decode()}{BEFORE_CLICK_ID}".encode()
    if found is None or not found["location"].startswith(expected):
        raise RuntimeError(f"{path.decode()} was answered {answer.decode(errors='replace')}")
