"""Events per second and processor time per event through the aggregator, beside reading and parsing alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from database.pool import open_pool
from event_log.contract import EventLog, LoggedRecord, Record
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from event_log.kafka.reading import FETCH_WAIT_MS, PARTITION_BYTES_MAX
from event_log.postgres import PostgresEventLog
from events import records_by_partition
from figures import Row, Table
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from measure import children, cpu_seconds
from stack import held_back, kafka_settings, service
from stage.kafka import launched_kafka
from stage.postgres import Server
from stage.topics import fresh_topics

EVENTS: Final[Mapping[str, int]] = {"Postgres": 200_000, "Kafka": 1_000_000}
BATCH: Final = 2_000
READ_MAX: Final = 5_000
SECONDS_MAX: Final = 300
APPLIED: Final = Path(__file__).with_name("applied.sql")

ReadAll = Callable[[int], Awaitable[None]]
"""Reads and parses so many events, and does nothing else."""


@dataclass(frozen=True)
class Place:
    """Where a run happens."""

    server: Server
    dsn: str
    directory: Path


def measure_aggregation(server: Server, database: str, directory: Path) -> Table:
    """Clicks that wait in the Postgres log are read and parsed by a loop, then applied by the aggregator."""
    dsn = server.dsn(database)
    fill_postgres_log(dsn, records_by_partition(EVENTS["Postgres"]))
    yardstick = _timed(lambda count: _read_postgres(dsn, count), EVENTS["Postgres"])
    return _table("Postgres", yardstick, Place(server, dsn, directory), {})


def measure_aggregation_kafka(server: Server, database: str, directory: Path) -> Table:
    """The same with clicks that wait in Kafka; the yardstick is aiokafka's `getmany` with orjson.loads, alone."""
    with ExitStack() as held:
        connection = fresh_topics(held.enter_context(launched_kafka()).bootstrap)
        uvloop.run(_fill(_kafka_log(connection), records_by_partition(EVENTS["Kafka"])))
        yardstick = _timed(lambda count: _read_kafka(connection, count), EVENTS["Kafka"])
        place = Place(server, server.dsn(database), directory)
        return _table("Kafka", yardstick, place, kafka_settings(connection))


def fill_postgres_log(dsn: str, records: Sequence[Sequence[Record]]) -> None:
    """Let records wait in the Postgres log, a sequence of them for each partition."""
    uvloop.run(_fill(_postgres_log(dsn), records))


@dataclass(frozen=True)
class Used:
    """What a run used, in seconds."""

    wall: float
    cpu: float
    postgres: float | None = None


def _table(log: str, alone: Used, place: Place, shared: Mapping[str, str]) -> Table:
    count = EVENTS[log]
    return Table(
        f"Applying {count:,} clicks from the {log} log",
        [
            _row("read and orjson.loads alone", count, alone, alone),
            _row("advolink aggregator", count, applying(place, count, shared), alone),
        ],
    )


def applying(place: Place, count: int, shared: Mapping[str, str]) -> Used:
    """What an aggregator uses from when it may begin until `count` events of the log are applied, earlier ones too."""
    server, dsn = place.server, place.dsn
    with held_back(dsn) as let_go, service("aggregator", place.directory, dsn, {}, shared) as (_, pid):
        before, postgres_before = cpu_seconds([pid]), cpu_seconds([server.pid, *children(server.pid)])
        started_s = time.monotonic()
        let_go()
        asyncio.run(until_applied(dsn, count))
        return Used(
            time.monotonic() - started_s,
            cpu_seconds([pid]) - before,
            cpu_seconds([server.pid, *children(server.pid)]) - postgres_before,
        )


def _row(name: str, count: int, used: Used, alone: Used) -> Row:
    return Row(
        name,
        {
            "events/s": count / used.wall,
            "CPU us/event": used.cpu / count * 1e6,
            "CPU x reading": used.cpu / alone.cpu,
            "Postgres CPU us/event": used.postgres and used.postgres / count * 1e6,
        },
    )


async def _postgres_log(dsn: str) -> EventLog:
    return PostgresEventLog(await open_pool(dsn, connections_max=2, application="bench"))


async def _kafka_log(connection: KafkaConnection) -> EventLog:
    return KafkaEventLog(connection)


async def _fill(opening: Awaitable[EventLog], records: Sequence[Sequence[Record]]) -> None:
    log = await opening
    for partition, waiting in enumerate(records):
        for start in range(0, len(waiting), BATCH):
            await log.append(Stream.CLICKS, Partition(partition), waiting[start : start + BATCH])
    await log.close()


def _timed(read_all: ReadAll, count: int) -> Used:
    """Processor and wall time of what nobody can leave out: fetching every record and parsing it."""

    async def timed() -> Used:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        await read_all(count)
        return Used(time.monotonic() - wall_s, time.process_time() - cpu_s)

    return uvloop.run(timed())


async def _read_postgres(dsn: str, count: int) -> None:
    log = await _postgres_log(dsn)
    parsed = 0
    for number in range(PARTITIONS_DEFAULT):
        offset = Offset(0)
        while records := await log.read(
            Stream.CLICKS, Partition(number), offset, records_max=READ_MAX, wait=timedelta(0)
        ):
            for one in records:
                if isinstance(one, LoggedRecord):
                    orjson.loads(one.record.value)
            parsed += len(records)
            offset = Offset(records[-1].offset + 1)
    await log.close()
    _expect(parsed, count)


async def _read_kafka(connection: KafkaConnection, count: int) -> None:
    consumer = AIOKafkaConsumer(
        **connection.client_options(),
        auto_offset_reset="none",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_partition_fetch_bytes=PARTITION_BYTES_MAX,
    )
    await consumer.start()
    places = [TopicPartition(connection.topic(Stream.CLICKS), number) for number in range(PARTITIONS_DEFAULT)]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, 0)
    parsed = 0
    while parsed < count:
        for records in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in records:
                orjson.loads(record.value)
            parsed += len(records)
    await consumer.stop()
    _expect(parsed, count)


def _expect(parsed: int, count: int) -> None:
    if parsed != count:
        raise RuntimeError(f"{parsed} of {count} events were read")


async def until_applied(dsn: str, count: int) -> None:
    """Wait until so many events of the log are applied."""
    connection = await asyncpg.connect(dsn)
    query = APPLIED.read_text(encoding="utf-8")
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if await connection.fetchval(query) >= count:
            await connection.close()
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{count} events were not applied in {SECONDS_MAX} s")
