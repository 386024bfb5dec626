"""Any number of aggregators share the partitions; one that dies, freezes or is cut off loses them and harms nothing.

Real processes: only those can be killed and frozen.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.ports import free_port
from stage.postgres import Server
from stage.sql import fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually, eventually_async

LEASE_SECONDS = 2
SOON_SECONDS = 60

HELD = "SELECT owner, count(*) FROM partition_offset WHERE owner IS NOT NULL GROUP BY owner"
EPOCHS = "SELECT sum(owner_epoch) FROM partition_offset"


@contextmanager
def _aggregator(dsn: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An aggregator process; killed at the end of the block, frozen or not."""
    settings = {
        "ADVOLINK_POSTGRES_DSN": dsn,
        "ADVOLINK_AGGREGATOR_LEASE": str(LEASE_SECONDS),
        "ADVOLINK_AGGREGATOR_PORT": str(free_port()),
        "ADVOLINK_AGGREGATOR_MANAGEMENT_PORT": str(free_port()),
    }
    with (directory / "aggregators.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aggregator"], env={**os.environ, **settings}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


@pytest.fixture
def two(pipe: Pipe, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two of them on one database."""
    with ExitStack() as held:
        yield [held.enter_context(_aggregator(pipe.dsn, tmp_path)) for _ in range(2)]


async def _shares(dsn: str) -> list[int]:
    """How many partitions each owner holds, the fewest first."""
    return sorted(Counter(dict(await fetch(dsn, HELD))).values())


async def _is_shared(dsn: str, *shares: int) -> bool:
    return await _shares(dsn) == list(shares)


async def _click(pipe: Pipe, pens: list[Pen]) -> None:
    for pen in pens:
        await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(5)), partition=pen.partition)


async def _until_shared(dsn: str, *shares: int) -> None:
    await eventually_async(lambda: _is_shared(dsn, *shares), seconds_max=SOON_SECONDS, what=f"shared as {shares}")


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
    await _until_shared(pipe.dsn, 6, 6)
    await _click(pipe, pens)
    await _all_once(pipe, 2)
    two[0].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(two[0].wait, 30) == 0
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM aggregator_lease") == 1
    await _until_shared(pipe.dsn, 12)
    await _click(pipe, pens)
    await _all_once(pipe, 3)


async def test_where_one_dies_the_other_takes_over(
    pipe: Pipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """When its lease has run out."""
    await _until_shared(pipe.dsn, 6, 6)
    await _click(pipe, pens)
    two[1].kill()
    await _click(pipe, pens)
    await _until_shared(pipe.dsn, 12)
    await _all_once(pipe, 2)


async def test_one_that_was_frozen_wakes_and_changes_nothing(
    pipe: Pipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """In the middle of its batches: what it held is applied by the other, and it gets a fair share again."""
    await _until_shared(pipe.dsn, 6, 6)
    await _click(pipe, pens)
    await eventually_async(pipe.is_applied, seconds_max=SOON_SECONDS)
    epochs = await fetch_value(pipe.dsn, EPOCHS)
    async with session(pipe.dsn) as other, other.transaction():
        await other.execute("LOCK TABLE click IN SHARE MODE")  # so that it is in the middle of a batch
        await _click(pipe, pens)
        await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        two[1].send_signal(signal.SIGSTOP)
    await _until_shared(pipe.dsn, 12)
    await _all_once(pipe, 2)
    assert await fetch_value(pipe.dsn, EPOCHS) >= epochs + 6
    two[1].send_signal(signal.SIGCONT)
    await _click(pipe, pens)
    await _until_shared(pipe.dsn, 6, 6)
    await _all_once(pipe, 3)
    await _click(pipe, pens)
    await _all_once(pipe, 4)
    assert two[1].poll() is None


async def test_postgres_away_for_longer_than_every_time_out(
    frail_server: Server, frail_dsn: str, tmp_path: Path, pens: list[Pen]
) -> None:
    """Every lease has run out when it is back; they are shared out anew, and nothing is lost or doubled."""
    with _aggregator(frail_dsn, tmp_path) as one, _aggregator(frail_dsn, tmp_path) as other:
        async with opened_pipe(frail_dsn) as pipe:
            await _until_shared(frail_dsn, 6, 6)
            await _click(pipe, pens)
            await asyncio.to_thread(frail_server.kill)
            away_until_s = time.monotonic() + 3 * LEASE_SECONDS
            await asyncio.to_thread(eventually, lambda: time.monotonic() > away_until_s)
            await asyncio.to_thread(frail_server.start)
            await _click(pipe, pens)
            await _until_shared(frail_dsn, 6, 6)
            await _all_once(pipe, 2)
        assert one.poll() is None
        assert other.poll() is None
