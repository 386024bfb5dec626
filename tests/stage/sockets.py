"""A redirector behind real sockets in the test's own process, with its fast lane or without, and bytes sent to it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from http_api.bounded_heads import BoundedHeads
from http_api.connections import ConnectionLimits, Connections
from http_api.listening import TcpAddress, listening_sockets
from http_api.serving import Binding, _server
from redirector.app import Service
from redirector.fast_lane.connection import LaneConnection, keep_swept
from stage.ports import free_port
from stage.waiting import eventually_async

ANSWER_SECONDS_MAX: Final = 10
IDLE_SECONDS: Final = 1
TURNS_BETWEEN_PIECES: Final = 4
"""Turns of the event loop after which the server, which runs on the same, has read what was sent before."""

_VARYING: Final = re.compile(rb"(?<=date: )[^\r]*|(?<=advolink_click_id=)[A-Za-z0-9_-]{40}")
"""What differs between two redirectors that do the same."""


class Impatient(BoundedHeads):
    """The plain path, which does not wait long for what never comes."""

    head_seconds_max = 0.5
    body_seconds_max = 0.5


class ImpatientLane(LaneConnection):
    """The fast lane in front of it."""

    head_seconds_max = 0.5
    body_seconds_max = 0.5


@asynccontextmanager
async def listening(service: Service, *, lane: bool) -> AsyncIterator[int]:
    """The port of a redirector's public app for the length of the block."""
    address = TcpAddress("127.0.0.1", free_port())
    protocol = partial(ImpatientLane, service.lane) if lane else Impatient
    connections = Connections(ConnectionLimits(idle_seconds=IDLE_SECONDS))
    server = _server(Binding(service.public, address, connections, protocol))
    task = asyncio.create_task(server.serve(listening_sockets(address)))
    sweeping = asyncio.create_task(keep_swept(connections, IDLE_SECONDS))

    async def started() -> bool:
        return server.started

    await eventually_async(started, what="it listens")
    try:
        yield address.port
    finally:
        server.should_exit = True
        sweeping.cancel()
        await asyncio.wait_for(task, ANSWER_SECONDS_MAX)


async def converse(port: int, requests: Sequence[bytes]) -> list[bytes]:
    """Send each request when the one before is answered; the answers' heads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heads: list[bytes] = []
    for request in requests:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_SECONDS_MAX)
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        heads.append(_VARYING.sub(b"-", head))
    writer.close()
    await writer.wait_closed()
    return heads


async def exchange(port: int, pieces: Sequence[bytes], *, half_closes: bool = False) -> bytes:
    """Send `pieces`, one after the other, and return all that comes until the server closes, which it does soon.

    What varies is cut out.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await _turns(TURNS_BETWEEN_PIECES)
        if half_closes:
            writer.write_eof()
    answer = b""
    with contextlib.suppress(OSError):
        while part := await asyncio.wait_for(reader.read(65_536), ANSWER_SECONDS_MAX):
            answer += part
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return _VARYING.sub(b"-", answer)


async def _turns(count: int) -> None:
    """Let the event loop turn."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        turned = loop.create_future()
        loop.call_soon(turned.set_result, None)
        await turned
