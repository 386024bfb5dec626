"""A request's head is bounded in bytes and in time; everything else is served as before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from http_api.bounded_heads import HEAD_BYTES_MAX, PIECE_BYTES, BoundedHeads
from stage.small_app import Connection, serving

REFUSED = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
LEAST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


class ShortHeads(BoundedHeads):
    """Heads must come soon."""

    head_seconds_max = 0.2


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    async with serving() as served, served.connected() as connection:
        yield connection


def head_of(size: int) -> bytes:
    """A head of exactly `size` bytes."""
    begin, end = b"GET / HTTP/1.1\r\nhost: here\r\nx: ", b"\r\n\r\n"
    return begin + b"x" * (size - len(begin) - len(end)) + end


async def test_a_head_of_exactly_the_bound_is_answered_and_the_next_one_counts_anew(connection: Connection) -> None:
    for size in (len(LEAST) + 6, HEAD_BYTES_MAX, HEAD_BYTES_MAX, 60_000):
        await connection.send(head_of(size))
        assert await connection.answer() == b"GET 0 2"


@pytest.mark.parametrize(
    "begin",
    [b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n", b"GET /", b"\r\n", LEAST.rstrip() + b"\r\n"],
    ids=["value", "name", "url", "blank", "second-name"],
)
async def test_a_head_past_the_bound_is_refused_and_the_connection_closed(connection: Connection, begin: bytes) -> None:
    """Nothing but the byte that is too much is sent, so that nothing unread resets the connection."""
    filler = b"\r\n" * HEAD_BYTES_MAX if begin == b"\r\n" else b"x" * HEAD_BYTES_MAX
    await connection.send((begin + filler)[: HEAD_BYTES_MAX + 1])
    answer = await connection.rest()
    assert answer.startswith(REFUSED)
    assert b"\r\nconnection: close\r\n" in answer
    assert b"\r\nx-robots-tag: noindex\r\n" in answer
    assert b"\r\ncontent-length: 0\r\n" in answer


@pytest.mark.parametrize("hosts", [b"", b"host: here\r\nHost: there\r\n", b"host: here\r\nhost: here\r\n"])
async def test_a_head_that_does_not_name_one_host_is_refused(connection: Connection, hosts: bytes) -> None:
    """RFC 9112, 3.2: somebody on the way may have read another one than we would. HTTP/1.0 knows no Host."""
    await connection.send(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n")
    assert (await connection.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_head_of_http_1_0_need_not_name_a_host(connection: Connection) -> None:
    await connection.send(b"GET / HTTP/1.0\r\n\r\n")
    assert (await connection.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_many_small_headers_in_many_pieces_are_counted_together(connection: Connection) -> None:
    await connection.send(LEAST[:-2])
    left = HEAD_BYTES_MAX + 1 - len(LEAST[:-2])
    lines = (b"x: y\r\n" * HEAD_BYTES_MAX)[:left]
    for start in range(0, left, 100):
        await connection.send(lines[start : start + 100])
    assert (await connection.rest()).startswith(REFUSED)


async def test_a_head_in_single_bytes_is_answered(connection: Connection) -> None:
    for byte in LEAST:
        await connection.send(bytes([byte]))
    assert await connection.answer() == b"GET 0 1"


async def test_a_head_after_a_keep_alive_answer_is_bounded_too(connection: Connection) -> None:
    await connection.send(LEAST)
    await connection.answer()
    await connection.send(head_of(HEAD_BYTES_MAX + 10)[: HEAD_BYTES_MAX + 1])
    assert (await connection.rest()).startswith(REFUSED)


async def test_pipelined_requests_are_each_counted_anew(connection: Connection) -> None:
    """Together they are far past the bound."""
    await connection.send(head_of(60_000) * 5 + LEAST * 50)
    for _ in range(5):
        assert await connection.answer() == b"GET 0 2"
    for _ in range(50):
        assert await connection.answer() == b"GET 0 1"


async def test_an_endless_head_behind_a_pipelined_request_closes_the_connection(connection: Connection) -> None:
    """No refusal is written into an answer under way."""
    with contextlib.suppress(ConnectionError):
        await connection.send(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n" + head_of(HEAD_BYTES_MAX + 2 * PIECE_BYTES))
        assert await connection.rest() == b""


@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_are_not_counted(connection: Connection, *, chunked: bool) -> None:
    size = 5_000_000
    how = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size
    chunks = b"%x\r\n%b\r\n" % (size // 50, b"x" * (size // 50)) * 50 + b"0\r\nlast: one\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nhost: here\r\n" + how + b"\r\n\r\n"
    await connection.send(head + (chunks if chunked else b"x" * size) + LEAST)
    assert (await connection.answer()).startswith(b"POST %d " % size)
    assert await connection.answer() == b"GET 0 1"


async def test_what_came_together_with_a_refused_upgrade_is_no_request(connection: Connection) -> None:
    """As without pieces: uvicorn drops it."""
    upgrade = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: any\r\n\r\n"
    filler = b"GET / HTTP/1.1\r\nhost: here\r\nx: " + b"x" * (PIECE_BYTES - len(upgrade) - 35) + b"\r\n\r\n"
    await connection.send(upgrade + filler + LEAST)
    assert await connection.answer() == b"GET 0 3"
    await connection.send(LEAST)
    assert await connection.answer() == b"GET 0 1"
    connection.writer.write_eof()
    assert await connection.rest() == b""


async def test_endless_trailers_close_the_connection(connection: Connection) -> None:
    await connection.send(b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ")
    with contextlib.suppress(ConnectionError):
        await connection.send(b"x" * (HEAD_BYTES_MAX + PIECE_BYTES))
        assert await connection.rest() == b""


@pytest.mark.parametrize("begin", [b"", b"\r\n", LEAST[:-1]], ids=["silent", "blank", "almost"])
async def test_a_head_that_does_not_end_in_time_is_closed(begin: bytes) -> None:
    async with serving(ShortHeads) as served, served.connected() as connection:
        await connection.send(begin)
        assert await connection.rest() == b""


@pytest.mark.parametrize("together", [False, True])
async def test_a_late_second_head_is_closed_after_the_first_answer(*, together: bool) -> None:
    async with serving(ShortHeads) as served, served.connected() as connection:
        await connection.send(LEAST + LEAST[:5] if together else LEAST)
        await connection.answer()
        await connection.send(b"" if together else LEAST[:5])
        assert await asyncio.wait_for(connection.rest(), 3) == b""  # before uvicorn's own 5 s


async def test_a_slow_answer_is_not_late() -> None:
    """Nor is the head behind it, whose end uvicorn may not read until then."""
    async with serving(ShortHeads) as served, served.connected() as connection:
        await connection.send(b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n" + LEAST + LEAST[:5])
        asyncio.get_running_loop().call_later(3 * ShortHeads.head_seconds_max, served.release.set)
        assert await connection.answer() == b"slow"
        await connection.send(LEAST[5:])
        assert [await connection.answer() for _ in range(2)] == [b"GET 0 1"] * 2
