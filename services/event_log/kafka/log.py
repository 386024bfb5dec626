"""The event log in Kafka: the contract (event_log.contract.EventLog), put together of appending and reading."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aiokafka import TopicPartition

from event_log.contract import (
    NOTHING_ACKED,
    LoggedRecord,
    PartitionCountError,
    Record,
    StrayRecord,
)
from event_log.kafka.appending import KafkaAppender
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.counting import PartitionCounts
from event_log.kafka.reading import KafkaReader
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream


class KafkaEventLog:
    """The event log's contract on Kafka."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._appender = KafkaAppender(connection)
        self._reader = KafkaReader(connection)
        self._counts = PartitionCounts(connection)

    async def check(self, stream: Stream, partitions: int) -> None:
        """Make sure that `stream` has exactly `partitions` partitions, or had a moment ago."""
        found = await self._counts.of(self._connection.topic(stream))
        if found != partitions:
            self._counts.doubt()
            raise PartitionCountError(
                f"{self._connection.topic(stream)} has {found} partitions where {partitions} are expected"
            )

    async def append(
        self, stream: Stream, partition: Partition, records: Sequence[Record], *, acked: Seq = NOTHING_ACKED
    ) -> None:
        """Append all of `records` in order. Kafka cannot know what it had `acked`."""
        del acked
        await self._appender.append(self._connection.topic(stream), partition, records)

    async def read(
        self,
        stream: Stream,
        partition: Partition,
        from_offset: Offset,
        *,
        records_max: int,
        wait: timedelta,
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """Up to `records_max` records from `from_offset` on; none where nothing arrives within `wait`."""
        return await self._reader.read(
            TopicPartition(self._connection.topic(stream), partition), from_offset, records_max, wait
        )

    async def bounds(self, stream: Stream) -> Mapping[Partition, tuple[Offset, Offset]]:
        """The first offset that each partition keeps, and the one that its next record will get."""
        topic = self._connection.topic(stream)
        places = [TopicPartition(topic, number) for number in range(await self._counts.of(topic))]
        return {Partition(place.partition): ends for place, ends in (await self._reader.bounds(places)).items()}

    async def end_offsets(self, stream: Stream) -> Mapping[Partition, Offset]:
        """The offset that the next record of each partition will get."""
        return {partition: end for partition, (_, end) in (await self.bounds(stream)).items()}

    async def last_seq(self, journal: JournalId, stream: Stream, partition: Partition) -> None:
        """Kafka cannot know."""

    async def close(self) -> None:
        """Let go of every connection, within a bounded time. A read that still waits ends with EventLogAwayError."""
        await asyncio.gather(self._reader.close(), self._appender.close(), self._counts.close())
