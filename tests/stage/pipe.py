"""The way of events from a journal into the counts, on a real database, and what must be true at its end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from aggregator.applying.consumer import PartitionConsumer, Parts
from aggregator.applying.store import ApplyingStore
from aggregator.judge import PLAIN_RULES, Context, load_named_agents
from aggregator.metrics import ApplyingMetrics
from database.pool import DatabaseAwayError, Pool, open_pool
from database.queries import load_queries
from event_log.contract import EventLog, Record
from event_log.postgres import PostgresEventLog
from http_api.serving import cancel_all
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from stage.sql import fetch
from stage.waiting import eventually_async

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

DRIFT: Final = _SQL["drift"]
"""Where counts are not what raw clicks add up to."""

CONTEXT: Final = Context(load_named_agents())
CONNECTIONS_MAX: Final = 16


class Pipe:
    """Appends records as redirectors do and applies them as an aggregator does, by the Postgres log unless another."""

    def __init__(self, dsn: str, pool: Pool, log: EventLog | None = None) -> None:
        self.dsn = dsn
        self.pool = pool
        self.log = PostgresEventLog(pool)
        self.carrier: EventLog = log or self.log
        self._registry = CollectorRegistry()
        self._metrics = ApplyingMetrics(self._registry)

    def store(self, owner: str = "the aggregator") -> ApplyingStore:
        """What an aggregator writes with."""
        return ApplyingStore(self.pool, owner)

    def consumer(
        self,
        partition: int = 0,
        *,
        stream: Stream = Stream.CLICKS,
        owner: str = "the aggregator",
        log: EventLog | None = None,
    ) -> PartitionConsumer:
        """What applies a partition, from this pipe's log unless from another."""
        parts = Parts(log or self.carrier, PARTITIONS_DEFAULT, self.store(owner), CONTEXT, PLAIN_RULES, self._metrics)
        return PartitionConsumer(stream, Partition(partition), parts)

    async def append(self, *records: Record, partition: int = 0, stream: Stream = Stream.CLICKS) -> None:
        """Append records to a partition."""
        await self.carrier.append(stream, Partition(partition), records)

    async def apply(self, *consumers: PartitionConsumer) -> None:
        """Run consumers until everything in the log is applied. Whatever one fails with is raised here."""
        tasks = [asyncio.create_task(consumer.run()) for consumer in consumers or (self.consumer(),)]
        try:
            await eventually_async(lambda: self.is_applied(tasks), what="everything is applied")
        finally:
            await cancel_all(tasks)

    async def take(self, *records: Record, partition: int = 0, stream: Stream = Stream.CLICKS) -> None:
        """Append records and apply them."""
        await self.append(*records, partition=partition, stream=stream)
        await self.apply(self.consumer(partition, stream=stream))

    async def is_applied(self, tasks: Sequence[asyncio.Task[None]] = ()) -> bool:
        """Whether everything in the log is applied; not while Postgres is away."""
        for task in tasks:
            if task.done():
                task.result()
        try:
            for stream in Stream:
                standings = await self.store().standings(stream)
                ends = await self.carrier.end_offsets(stream)
                if any(standings.get(partition, 0) != end for partition, end in ends.items()):
                    return False
        except (DatabaseAwayError, ConnectionError):
            return False
        return True

    def metric(self, name: str, **labels: str) -> float:
        """What a metric of applying says now."""
        return self._registry.get_sample_value(f"advolink_{name}", labels) or 0.0

    async def drift(self) -> list[tuple[object, ...]]:
        """Where counts are not what raw clicks add up to: (table, key, day, counts, the same from raw)."""
        return await fetch(self.dsn, DRIFT)

    async def raw(self) -> list[tuple[object, ...]]:
        """Every raw click by its name: (journal, partition, seq), in canonical order."""
        return await fetch(self.dsn, _SQL["raw"])


@asynccontextmanager
async def opened_pipe(dsn: str) -> AsyncIterator[Pipe]:
    """A pipe on the migrated database at `dsn`."""
    pool = await open_pool(dsn, connections_max=CONNECTIONS_MAX, application="pipe test")
    pipe = Pipe(dsn, pool)
    try:
        yield pipe
    finally:
        await pipe.log.close()
        pool.terminate()
