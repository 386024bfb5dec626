"""Events per second and processor time per event through the aggregator, beside reading and parsing alone."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import orjson

from bench_table import Row, Table
from database.pool import open_pool
from event_log.contract import Record
from event_log.postgres import PostgresEventLog
from link_events.codec import encode
from link_events.events import Click
from link_events.identity import AdvocateId, Code, JournalId, LinkId, Origin, Seq
from link_events.reasons import LinkState
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream, partition_of
from measure import children, cpu_seconds
from stack import service
from stage.postgres import Server

EVENTS = 200_000
ADVOCATES = 1_000
LINKS = 20_000
BATCH = 2_000
READ_MAX = 5_000
SECONDS_MAX = 300
APPLIED = Path(__file__).with_name("applied.sql")
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


def measure_aggregation(server: Server, database: str, directory: Path) -> Table:
    """EVENTS clicks that wait in the log are read and parsed by a loop, then applied by the aggregator."""
    dsn = server.dsn(database)
    asyncio.run(_fill_log(dsn))
    read_cpu, read_s = asyncio.run(_read_and_parse(dsn))
    postmaster = server.pid
    before = cpu_seconds([postmaster, *children(postmaster)])
    started_s = time.monotonic()
    with service("aggregator", directory, dsn, {}) as (_, pid):
        asyncio.run(_until_applied(dsn))
        took_s, aggregator_cpu = time.monotonic() - started_s, cpu_seconds([pid])
        postgres_cpu = cpu_seconds([postmaster, *children(postmaster)]) - before
    return Table(
        f"Applying {EVENTS:,} clicks from the Postgres log",
        [
            _row("read and orjson.loads alone", read_s, read_cpu, read_cpu, None),
            _row("advolink aggregator", took_s, aggregator_cpu, read_cpu, postgres_cpu),
        ],
    )


def _row(name: str, took_s: float, cpu_s: float, yardstick_s: float, postgres_s: float | None) -> Row:
    return Row(
        name,
        {
            "events/s": f"{EVENTS / took_s:,.0f}",
            "CPU us/event": f"{cpu_s / EVENTS * 1e6:.1f}",
            "CPU x reading": f"{cpu_s / yardstick_s:.2f}",
            "Postgres CPU us/event": "-" if postgres_s is None else f"{postgres_s / EVENTS * 1e6:.1f}",
        },
    )


async def _fill_log(dsn: str) -> None:
    pool = await open_pool(dsn, connections_max=2, application="bench")
    log = PostgresEventLog(pool)
    for partition, values in enumerate(_events_by_partition()):
        for start in range(0, len(values), BATCH):
            await log.append(Stream.CLICKS, Partition(partition), values[start : start + BATCH])
    await log.close()
    await pool.close()


def _events_by_partition() -> list[list[Record]]:
    rng, journal = random.Random(5), JournalId(b"benchlog")
    records: list[list[Record]] = [[] for _ in range(PARTITIONS_DEFAULT)]
    begun = datetime.now(UTC) - timedelta(hours=6)
    for number in range(EVENTS):
        advocate_id = AdvocateId(f"bench{min(int(rng.paretovariate(0.8)), ADVOCATES)}")
        partition = partition_of(advocate_id, PARTITIONS_DEFAULT)
        origin = Origin(journal, Stream.CLICKS, partition, Seq(len(records[partition]) + 1))
        instant = begun + timedelta(milliseconds=number * 20)
        click = Click(
            occurred_at=instant,
            link_id=LinkId(rng.randint(1, LINKS)),
            code=Code(f"B{number % LINKS:07}"),
            advocate_id=advocate_id,
            link_state=LinkState.ACTIVE,
            method="GET",
            user_agent=AGENT,
            referrer_origin="https://www.linkedin.com",
            language="en-US",
        )
        records[partition].append(Record(journal, origin.seq, encode(origin, instant, click)))
    return records


async def _read_and_parse(dsn: str) -> tuple[float, float]:
    """Processor and wall time of what nobody can leave out: fetching every record and parsing it."""
    pool = await open_pool(dsn, connections_max=2, application="bench")
    log = PostgresEventLog(pool)
    cpu_s, wall_s = time.process_time(), time.monotonic()
    parsed = 0
    for number in range(PARTITIONS_DEFAULT):
        parsed += await _read_partition(log, Partition(number))
    took = time.process_time() - cpu_s, time.monotonic() - wall_s
    if parsed != EVENTS:
        raise RuntimeError(f"{parsed} of {EVENTS} events were read")
    await log.close()
    await pool.close()
    return took


async def _read_partition(log: PostgresEventLog, partition: Partition) -> int:
    offset, parsed = Offset(0), 0
    while True:
        records = await log.read(Stream.CLICKS, partition, offset, records_max=READ_MAX, wait=timedelta(0))
        for record in records:
            orjson.loads(record.record.value)
        parsed += len(records)
        if len(records) < READ_MAX:
            return parsed
        offset = Offset(records[-1].offset + 1)


async def _until_applied(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    query = APPLIED.read_text(encoding="utf-8")
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if await connection.fetchval(query) >= EVENTS:
            await connection.close()
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{EVENTS} events were not applied in {SECONDS_MAX} s")
