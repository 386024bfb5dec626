"""The event log in Kafka: the contract (event_log.contract.EventLog), put together of appending and reading."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from event_log.contract import (
    NOTHING_ACKED,
    LoggedRecord,
    PartitionCountError,
    Record,
    StrayRecord,
)
from event_log.kafka.appending import KafkaAppender
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_admin
from event_log.kafka.failures import no_topic, translated_failures
from event_log.kafka.reading import KafkaReader
from event_log.kafka.topics import partition_counts
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream


class KafkaEventLog:
    """The event log's contract on Kafka."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._appender = KafkaAppender(connection)
        self._reader = KafkaReader(connection)
        self._admins: Renewed[AIOKafkaAdminClient] = Renewed(
            self._made_admin, AIOKafkaAdminClient.start, end_admin, connection.patience
        )

    async def check(self, stream: Stream, partitions: int) -> None:
        """Make sure that `stream` has exactly `partitions` partitions."""
        found = await self._partition_count(stream)
        if found != partitions:
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
        places = [
            TopicPartition(self._connection.topic(stream), number)
            for number in range(await self._partition_count(stream))
        ]
        return {Partition(place.partition): ends for place, ends in (await self._reader.bounds(places)).items()}

    async def end_offsets(self, stream: Stream) -> Mapping[Partition, Offset]:
        """The offset that the next record of each partition will get."""
        return {partition: end for partition, (_, end) in (await self.bounds(stream)).items()}

    async def last_seq(self, journal: JournalId, stream: Stream, partition: Partition) -> None:
        """Kafka cannot know."""

    async def close(self) -> None:
        """Let go of every connection, within a bounded time. A read that still waits ends with EventLogAwayError."""
        await asyncio.gather(self._reader.close(), self._appender.close(), self._admins.close())

    async def _partition_count(self, stream: Stream) -> int:
        topic = self._connection.topic(stream)
        admin = await self._admins.get()
        try:
            with translated_failures():
                count = (await partition_counts(admin)).get(topic)
        except BaseException:
            self._admins.throw_away(admin)
            raise
        if count is None:
            raise no_topic(topic)
        return count

    def _made_admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(**self._connection.client_options())
