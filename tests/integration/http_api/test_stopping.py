"""A stop loses no request: what has connected is answered, and each connection ends with an answer that says so."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from http_api.bounded_heads import LAST_REQUEST_SECONDS
from stage.small_app import SOON_SECONDS, Served, serving

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
SLOW = REQUEST.replace(b"/ ", b"/slow ")
WAITING = 50


@contextlib.contextmanager
def connected(served: Served, count: int) -> Iterator[list[socket.socket]]:
    """Connections that the kernel has taken and the server has not: the event loop does not turn meanwhile."""
    with contextlib.ExitStack() as held:
        yield [
            held.enter_context(socket.create_connection(("127.0.0.1", served.port), SOON_SECONDS)) for _ in range(count)
        ]


async def read(connection: socket.socket) -> bytes:
    """All that comes until the server closes; a reset is an error."""

    def until_closed() -> bytes:
        return b"".join(iter(lambda: connection.recv(65_536), b""))

    return await asyncio.to_thread(until_closed)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_connections_that_wait_to_be_taken_are_answered(when: str) -> None:
    """The kernel would reset them with the listener. Their requests may also come after the stop has begun."""
    async with serving() as served:
        with connected(served, WAITING) as waiting:
            if when == "before":
                for one in waiting:
                    one.sendall(REQUEST)
            stopping = served.stop()
            await asyncio.wait([stopping], timeout=0)
            if when == "after":
                for one in waiting:
                    one.sendall(REQUEST)
            for one in waiting:
                answer = await read(one)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"\r\nconnection: close\r\n" in answer
            await asyncio.wait_for(stopping, SOON_SECONDS)


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with serving() as served, served.connected() as idle:
        await idle.send(REQUEST)
        await idle.answer()
        stopping = served.stop()
        assert await idle.rest() == b""
        await asyncio.wait_for(stopping, SOON_SECONDS)


async def test_a_request_that_comes_while_it_stops_is_answered_and_is_the_last() -> None:
    """The client sent it before it could know."""
    async with serving() as served, served.connected() as connection:
        await connection.send(REQUEST)
        await connection.answer()
        stopping = served.stop()
        await connection.send(REQUEST)
        assert b"\r\nconnection: close\r\n" in await connection.rest()
        await asyncio.wait_for(stopping, SOON_SECONDS)


async def test_an_answer_under_way_is_the_last() -> None:
    async with serving() as served, served.connected() as connection:
        await connection.send(SLOW)
        await asyncio.wait_for(served.asked.wait(), SOON_SECONDS)
        stopping = served.stop()
        await asyncio.wait([stopping], timeout=2 * LAST_REQUEST_SECONDS)
        assert not stopping.done()
        served.release.set()
        answer = await connection.rest()
        assert answer.endswith(b"slow")
        assert b"\r\nconnection: close\r\n" in answer
        await asyncio.wait_for(stopping, SOON_SECONDS)


async def test_a_listener_that_is_closed_takes_nobody() -> None:
    async with serving() as served:
        await asyncio.wait_for(served.stop(), SOON_SECONDS)
        with pytest.raises(ConnectionRefusedError), connected(served, 1):
            pass
