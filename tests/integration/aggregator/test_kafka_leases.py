"""Any number of aggregators share the partitions of Kafka's topics; one that dies or freezes costs and doubles nothing.

Real processes: only those can be killed and frozen.
"""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from event_log.kafka.connection import KafkaConnection
from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.aggregators import aggregator_process, until_shared
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.kafka_pipe import KafkaPipe, opened_kafka_pipe
from stage.sql import fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

CLICKS_EACH = 50
EPOCHS = "SELECT sum(owner_epoch) FROM partition_offset"
DEAD = "SELECT count(*) FROM dead_letter"
STOPPED = "SELECT count(*) FROM partition_offset WHERE stopped IS NOT NULL"


@pytest.fixture
async def pipe(database_dsn: str, kafka_connection: KafkaConnection) -> AsyncIterator[KafkaPipe]:
    """From fresh topics to a fresh database."""
    async with opened_kafka_pipe(database_dsn, kafka_connection) as pipe:
        yield pipe


@pytest.fixture
def two(pipe: KafkaPipe, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two aggregators on them."""
    with ExitStack() as held:
        yield [held.enter_context(aggregator_process(pipe.dsn, tmp_path, pipe.environment)) for _ in range(2)]


@pytest.fixture
def pens() -> list[Pen]:
    """One journal for each partition."""
    return [Pen(Partition(number)) for number in range(PARTITIONS_DEFAULT)]


async def _click(pipe: KafkaPipe, pens: list[Pen]) -> None:
    await asyncio.gather(
        *(pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(CLICKS_EACH)), partition=pen.partition) for pen in pens)
    )


async def _all_once(pipe: KafkaPipe, rounds: int) -> None:
    await pipe.until_applied()
    raw = await pipe.raw()
    assert len(raw) == len(set(raw)) == rounds * CLICKS_EACH * PARTITIONS_DEFAULT
    assert [await fetch_value(pipe.dsn, query) for query in (DEAD, STOPPED)] == [0, 0]
    assert await pipe.drift() == []


async def test_two_share_evenly_and_where_one_dies_the_other_takes_over(
    pipe: KafkaPipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """Within seconds, also while there is work; one that stops in order gives its own back at once."""
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 18, 18)
    await _click(pipe, pens)
    await _all_once(pipe, 2)
    await _click(pipe, pens)
    two[1].kill()
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 36)
    await _all_once(pipe, 4)
    two[0].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(two[0].wait, 30) == 0
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM aggregator_lease WHERE expires_at > now()") == 0


async def test_one_that_was_frozen_wakes_and_changes_nothing(
    pipe: KafkaPipe, two: list[subprocess.Popen[bytes]], pens: list[Pen]
) -> None:
    """In the middle of its batches, with records fetched ahead: the other applies them, and it gets its share again."""
    await until_shared(pipe.dsn, 18, 18)
    await _click(pipe, pens)
    await _all_once(pipe, 1)
    epochs = await fetch_value(pipe.dsn, EPOCHS)
    async with session(pipe.dsn) as other, other.transaction():
        await other.execute("LOCK TABLE click IN SHARE MODE")  # so that it is in the middle of a batch
        await _click(pipe, pens)
        await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        two[1].send_signal(signal.SIGSTOP)
    await until_shared(pipe.dsn, 36)
    await _all_once(pipe, 2)
    assert await fetch_value(pipe.dsn, EPOCHS) >= epochs + 18
    await _click(pipe, pens)
    two[1].send_signal(signal.SIGCONT)
    await _click(pipe, pens)
    await until_shared(pipe.dsn, 18, 18)
    await _all_once(pipe, 4)
    await _click(pipe, pens)
    await _all_once(pipe, 5)
    assert two[1].poll() is None
