"""Postgres's disk is full, really: what cannot be written waits, no record is dead of it, and no process ends."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from aggregator.applying.interruptions import Interruption
from http_api.serving import cancel_all
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server, small_tablespace, small_wal_disk
from stage.small_disk import fill
from stage.sql import execute, fetch_value
from stage.two_batches import check_both_are_there_once, two_batches
from stage.waiting import eventually_async

MEBIBYTE: Final = 2**20

SPACE: Final = "small"
WRITTEN: Final = {
    "raw clicks": "click_20220214",
    "links' days": "link_day",
    "advocates' days": "advocate_day",
    "advocates' quarters": "advocate_quarter",
    "watermarks": "watermark",
    "holes": "hole",
    "dead letters": "dead_letter",
}
"""What a batch writes, and in which table."""

WAL_BYTES: Final = 96 * MEBIBYTE
"""Six segments: a server has one when it starts, and a handful when it is busy."""


@pytest.fixture(scope="module")
def disk(postgres_server: Server) -> Iterator[Path]:
    """The disk of a tablespace in the server of all tests."""
    with small_tablespace(postgres_server, SPACE, MEBIBYTE) as place:
        yield place


@pytest.fixture
def wal_disk(frail_server: Server) -> Iterator[Path]:
    """The disk of a server's write-ahead log."""
    frail_server.stop()
    with small_wal_disk(frail_server, WAL_BYTES) as place:
        frail_server.start()
        yield place


@pytest.mark.parametrize("written", WRITTEN)
async def test_a_batch_that_finds_no_room_waits_for_some(disk: Path, pipe: Pipe, written: str) -> None:
    """Wherever it is missing; of a batch that has room for its raw clicks and none for its counts, nothing is kept."""
    await pipe.store().ensure_days([date(2022, 2, 14)])
    await execute(pipe.dsn, f"ALTER TABLE {WRITTEN[written]} SET TABLESPACE {SPACE}")
    filler = fill(disk)
    first, second = two_batches()
    await pipe.append(*first, *second)
    running = asyncio.create_task(pipe.consumer().run())
    await eventually_async(lambda: _interrupted(pipe, 2, Interruption.NO_ROOM))
    assert await pipe.raw() == []
    assert await fetch_value(pipe.dsn, "SELECT next_offset FROM partition_offset") == 0
    filler.unlink()
    await eventually_async(lambda: pipe.is_applied([running]))
    await cancel_all([running])
    assert pipe.metric("applying_interruptions_total", cause=Interruption.AWAY) == 0
    await check_both_are_there_once(pipe)


async def test_a_server_whose_own_log_has_no_room_dies_and_is_waited_for(
    frail_server: Server, frail_dsn: str, wal_disk: Path
) -> None:
    """Without room for its write-ahead log Postgres ends itself, and cannot start before there is some."""
    first, second = two_batches()
    async with opened_pipe(frail_dsn) as pipe:
        await pipe.take(*first)
        running = asyncio.create_task(pipe.consumer().run())
        filler = fill(wal_disk)
        await eventually_async(lambda: _is_dead_of(frail_server, frail_dsn))
        await eventually_async(lambda: _interrupted(pipe, 2, Interruption.AWAY))
        filler.unlink()
        await asyncio.to_thread(frail_server.start)
        await pipe.append(*second)
        await eventually_async(lambda: pipe.is_applied([running]))
        await cancel_all([running])
        await check_both_are_there_once(pipe)


async def _is_dead_of(server: Server, dsn: str) -> bool:
    """Write to its log, and say whether that has ended it."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await execute(dsn, "SELECT pg_logical_emit_message(true, 'fill', repeat('x', 1000000))")
    return not server.is_running


async def _interrupted(pipe: Pipe, times: int, cause: Interruption) -> bool:
    return pipe.metric("applying_interruptions_total", cause=cause) >= times
