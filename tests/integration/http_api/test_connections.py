"""Connections are bounded: in number, and in how long one may keep still."""

import asyncio
from contextlib import AsyncExitStack

from http_api.bounded_heads import BoundedHeads
from http_api.connections import ConnectionLimits
from stage.small_app import serving
from stage.waiting import eventually_async

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\n"


class ShortBodies(BoundedHeads):
    """A body's next piece must come soon."""

    body_seconds_max = 0.3


async def test_a_connection_too_many_is_answered_503_and_counted() -> None:
    """Those that are there go on; when one has left there is room again."""
    refused: list[None] = []
    limits = ConnectionLimits(connections_max=2, refused=lambda: refused.append(None))
    async with serving(limits=limits) as served, AsyncExitStack() as held:
        first, second = [await held.enter_async_context(served.connected()) for _ in range(2)]
        for one in (first, second):
            await one.send(REQUEST)
            await one.answer()
        async with served.connected() as third:
            await third.send(REQUEST)
            answer = await third.rest()
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n")
        assert len(refused) == 1
        await first.send(REQUEST)
        await first.answer()
        second.writer.close()

        async def has_room() -> bool:
            return len(served.server.server_state.connections) == 1

        await eventually_async(has_room, what="one has left")
        async with served.connected() as fourth:
            await fourth.send(REQUEST)
            await fourth.answer()
        assert len(refused) == 1


async def test_a_refused_connection_that_says_nothing_is_closed_too() -> None:
    async with serving(limits=ConnectionLimits(connections_max=1)) as served, served.connected() as first:
        await first.send(REQUEST)
        await first.answer()
        async with served.connected() as silent:
            assert (await silent.rest()).startswith(b"HTTP/1.1 503 ")


async def test_a_connection_on_which_no_request_comes_is_closed() -> None:
    async with serving(limits=ConnectionLimits(idle_seconds=1)) as served, served.connected() as idle:
        await idle.send(REQUEST)
        await idle.answer()
        assert await idle.rest() == b""


async def test_a_body_that_stalls_ends_its_connection() -> None:
    async with serving(ShortBodies) as served, served.connected() as stalling:
        await stalling.send(UPLOAD + b"x" * 50)
        assert await stalling.rest() == b""


async def test_a_body_that_goes_on_may_take_longer_than_its_pieces() -> None:
    async with serving(ShortBodies) as served, served.connected() as slow:
        await slow.send(UPLOAD)
        for _ in range(100):
            await asyncio.wait([asyncio.create_task(slow.send(b"x")), _pause()])
        assert await slow.answer() == b"POST 100 2"


def _pause() -> "asyncio.Future[None]":
    """Over after a hundredth of a second."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.call_later(0.01, over.set_result, None)
    return over
