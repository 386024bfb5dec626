"""Any number of aggregators share the partitions; one that dies, freezes or is cut off loses them and harms nothing.

Real processes: only those can be killed and frozen.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.aggregators import LEASE_SECONDS, SOON_SECONDS, aggregator_process, until_shared
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server
from stage.sql import fetch_value, session, waiting_for_locks
from stage.waiting import eventually, eventually_async

EPOCHS = "SELECT sum(owner_epoch) FROM partition_offset"


@pytest.fixture
def two(pipe: Pipe, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two of them on one database."""
    with ExitStack() as held:
        yield [held.enter_context(aggregator_process(pipe.dsn, tmp_path)) for _ in range(2)]


async def _click(pipe: Pipe, pens: list[Pen]) -> None:
    for pen in pens:
        await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(5)), partition=pen.partition)


async def _all_once(pipe: Pipe, rounds: int) -> None:
    await eventually_async(pipe.is_applied, seconds_max=SOON_SECONDS)
    raw = await pipe.raw()
    assert len(raw) == len(set(raw)) == rounds * 5 * PARTITIONS_DEFAULT
    assert await pipe.drift() == []


@pytest.fixture
def pens() -> list[Pen]:
    """One journal for each partition."""
    return [Pen(Partition(number)) for number in range(PARTITIONS_DEFAULT)]


async def test_two_share_the_partitions_evenly(pipe: Pipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]) -> None:
    """Within seconds, also while there is work; and one that stops in order gives back all of its own."""
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 18, 18)
    await _click(pipe, pens)
    await _all_once(pipe, 2)
    two[0].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(two[0].wait, 30) == 0
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM aggregator_lease") == 1
    await until_shared(pipe.dsn, 36)
    await _click(pipe, pens)
    await _all_once(pipe, 3)


async def test_where_one_dies_the_other_takes_over(
    pipe: Pipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """When its lease has run out."""
    await until_shared(pipe.dsn, 18, 18)
    await _click(pipe, pens)
    two[1].kill()
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 36)
    await _all_once(pipe, 2)


async def test_one_that_was_frozen_wakes_and_changes_nothing(
    pipe: Pipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """In the middle of its batches: what it held is applied by the other, and it gets a fair share again."""
    await until_shared(pipe.dsn, 18, 18)
    await _click(pipe, pens)
    await eventually_async(pipe.is_applied, seconds_max=SOON_SECONDS)
    epochs = await fetch_value(pipe.dsn, EPOCHS)
    async with session(pipe.dsn) as other, other.transaction():
        await other.execute("LOCK TABLE click IN SHARE MODE")  # so that it is in the middle of a batch
        await _click(pipe, pens)
        await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        two[1].send_signal(signal.SIGSTOP)
    await until_shared(pipe.dsn, 36)
    await _all_once(pipe, 2)
    assert await fetch_value(pipe.dsn, EPOCHS) >= epochs + 18
    two[1].send_signal(signal.SIGCONT)
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 18, 18)
    await _all_once(pipe, 3)
    await _click(pipe, pens)
    await _all_once(pipe, 4)
    assert two[1].poll() is None


async def test_postgres_away_for_longer_than_every_time_out(
    frail_server: Server, frail_dsn: str, tmp_path: Path, pens: list[Pen]
) -> None:
    """Every lease has run out when it is back; they are shared out anew, and nothing is lost or doubled."""
    with aggregator_process(frail_dsn, tmp_path) as one, aggregator_process(frail_dsn, tmp_path) as other:
        async with opened_pipe(frail_dsn) as pipe:
            await until_shared(frail_dsn, 18, 18)
            await _click(pipe, pens)
            await asyncio.to_thread(frail_server.kill)
            away_until_s = time.monotonic() + 3 * LEASE_SECONDS
            await asyncio.to_thread(eventually, lambda: time.monotonic() > away_until_s)
            await asyncio.to_thread(frail_server.start)
            await _click(pipe, pens)
            await until_shared(frail_dsn, 18, 18)
            await _all_once(pipe, 2)
        assert one.poll() is None
        assert other.poll() is None
