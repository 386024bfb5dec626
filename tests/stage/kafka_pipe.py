"""The pipe through Kafka: tests append to topics as redirectors do, and look at what aggregators made of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from event_log.contract import EventLogAwayError, Record
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from link_events.streams import Partition, Stream
from stage.pipe import Pipe, opened_pipe
from stage.sql import fetch
from stage.waiting import eventually_async

SOON_SECONDS: Final = 60


class KafkaPipe:
    """A database and the topics whose clicks are counted there. Nothing is applied by the pipe itself."""

    def __init__(self, inside: Pipe, log: KafkaEventLog, connection: KafkaConnection) -> None:
        self.dsn = inside.dsn
        self.pool = inside.pool
        self.connection = connection
        self._inside = inside
        self._log = log

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells a service or a command where everything is."""
        return {
            "ADVOLINK_POSTGRES_DSN": self.dsn,
            "ADVOLINK_EVENT_LOG": "kafka",
            "ADVOLINK_KAFKA_BOOTSTRAP": self.connection.bootstrap,
            "ADVOLINK_KAFKA_TOPIC_PREFIX": self.connection.topic_prefix,
        }

    async def append(self, *records: Record, partition: int = 0, stream: Stream = Stream.CLICKS) -> None:
        """Append records to a partition."""
        await self._log.append(stream, Partition(partition), records)

    async def until_applied(self) -> None:
        """Wait until everything in the log is applied."""
        await eventually_async(self._is_applied, seconds_max=SOON_SECONDS, what="everything is applied")

    async def seqs(self, partition: int = 0) -> list[int]:
        """The seqs of the raw clicks of a partition, in canonical order."""
        return [seq for _, where, seq in await self._inside.raw() if isinstance(seq, int) and where == partition]

    async def raw(self) -> list[tuple[object, ...]]:
        """Every raw click by its name: (journal, partition, seq), in canonical order."""
        return await self._inside.raw()

    async def drift(self) -> list[tuple[object, ...]]:
        """Where counts are not what raw clicks add up to."""
        return await self._inside.drift()

    async def _is_applied(self) -> bool:
        rows = await fetch(self.dsn, "SELECT stream, partition, next_offset FROM partition_offset")
        applied = {(stream, partition): offset for stream, partition, offset in rows}
        try:
            ends = {stream: await self._log.end_offsets(stream) for stream in Stream}
        except EventLogAwayError:
            return False
        return all(
            applied.get((stream, partition), 0) == end for stream in Stream for partition, end in ends[stream].items()
        )


@asynccontextmanager
async def opened_kafka_pipe(dsn: str, connection: KafkaConnection) -> AsyncIterator[KafkaPipe]:
    """A pipe from the topics of `connection` to the migrated database at `dsn`."""
    log = KafkaEventLog(connection)
    async with opened_pipe(dsn) as inside:
        try:
            yield KafkaPipe(inside, log, connection)
        finally:
            await log.close()
