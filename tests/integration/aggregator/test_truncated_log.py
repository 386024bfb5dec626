"""A Postgres log that lost its beginning or its end: a partition stops or shows holes, and a reset counts each once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from aggregator.offsets.store import OffsetStore
from event_log.contract import Record
from http_api.serving import cancel_all
from link_events.reasons import StopReason
from link_events.streams import Offset, Partition, Stream
from stage.dead import holes
from stage.events import PLAIN_CLICK
from stage.forgetting import FORGET_ALL, FORGET_THE_TAIL
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import execute, fetch_value
from stage.waiting import eventually_async

PLACE = (Stream.CLICKS, Partition(0))
STOPPED = "SELECT stopped FROM partition_offset WHERE partition = 0"


def _written(pen: Pen, count: int) -> Sequence[Record]:
    return [pen.write(PLAIN_CLICK) for _ in range(count)]


@asynccontextmanager
async def _applying(pipe: Pipe) -> AsyncIterator[asyncio.Task[None]]:
    """An aggregator that has the partition for the length of the block."""
    running = asyncio.create_task(pipe.consumer().run())
    try:
        yield running
    finally:
        await cancel_all([running])


async def _until_stopped(pipe: Pipe) -> None:
    async def is_stopped() -> bool:
        return bool(await fetch_value(pipe.dsn, STOPPED) == StopReason.OFFSET_OUT_OF_RANGE)

    await eventually_async(is_stopped, what="the partition stands still")


async def _reset_to_earliest(pipe: Pipe) -> None:
    first, _ = (await pipe.log.bounds(Stream.CLICKS))[Partition(0)]
    await OffsetStore(pipe.pool).reset(*PLACE, first, "the log was truncated")


async def _seqs(pipe: Pipe) -> list[int]:
    return sorted(seq for _, _, seq in await pipe.raw() if isinstance(seq, int))


async def test_a_log_that_lost_its_beginning_stops_the_partition(pipe: Pipe) -> None:
    """What was not applied yet is gone: it says so and waits; after the reset just that shows as a hole."""
    pen = Pen()
    await pipe.take(*_written(pen, 5))
    await pipe.append(*_written(pen, 10))
    await pipe.log.expire(*PLACE, Offset(8), timedelta(0))
    async with _applying(pipe) as running:
        await _until_stopped(pipe)
        assert await _seqs(pipe) == [1, 2, 3, 4, 5]
        await _reset_to_earliest(pipe)
        await eventually_async(lambda: pipe.is_applied([running]))
    assert await _seqs(pipe) == [1, 2, 3, 4, 5, *range(9, 16)]
    assert await holes(pipe.dsn) == [(6, 8, "missing")]
    assert await pipe.drift() == []


async def test_a_log_that_lost_its_end_stops_the_partition_that_was_beyond_it(pipe: Pipe) -> None:
    """Also when it has grown past that again: what is read again from the earliest on is skipped, the rest counted."""
    pen = Pen()
    sent = _written(pen, 10)
    async with _applying(pipe) as running:
        await pipe.append(*sent)
        await eventually_async(lambda: pipe.is_applied([running]))
        await execute(pipe.dsn, FORGET_THE_TAIL)
        await _until_stopped(pipe)
        await pipe.append(*sent[5:], *_written(pen, 5))
        assert await fetch_value(pipe.dsn, STOPPED) == StopReason.OFFSET_OUT_OF_RANGE
        await _reset_to_earliest(pipe)
        await eventually_async(lambda: pipe.is_applied([running]))
    assert pipe.metric("duplicates_skipped_total", stream="clicks") == 10
    assert await _seqs(pipe) == list(range(1, 16))
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []


async def test_a_log_that_was_filled_again_in_another_order_shows_holes(pipe: Pipe) -> None:
    """While no aggregator looked: its offsets fit again. What it left out is found by number, and by a reset."""
    one, other = Pen(), Pen()
    of_one, of_other = _written(one, 5), _written(other, 5)
    await pipe.take(*of_one, *of_other)
    await execute(pipe.dsn, FORGET_ALL)
    await pipe.append(*of_other, *_written(other, 3), *of_one, *_written(one, 1))
    async with _applying(pipe) as running:
        await pipe.append(*_written(other, 1))
        await eventually_async(lambda: pipe.is_applied([running]))
        assert await holes(pipe.dsn) == [(6, 8, "missing")]
        await _reset_to_earliest(pipe)
        await pipe.append(*_written(other, 1))
        await eventually_async(lambda: pipe.is_applied([running]))
    assert await _seqs(pipe) == sorted([*range(1, 7), *range(1, 11)])
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []
