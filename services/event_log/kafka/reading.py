"""Records out of Kafka: assigned partitions, positions that the caller brings, no group and no commits.

One consumer fetches for all partitions that are read here. Its own way of resetting positions is switched off: an
offset that is not in the log is an error that is handed on. A fetcher that has gone quiet is noticed, for an empty
partition is polled as well, and the consumer is thrown away; but not for one quiet partition among others that are
polled, which has no leader: the others are not interrupted for it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from event_log.contract import EventLogAwayError, LoggedRecord, OffsetExpiredError, Record, StrayRecord
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_consumer
from event_log.kafka.failures import no_topic, translated_failures
from event_log.kafka.headers import ORIGIN_HEADER, read_origin
from event_log.kafka.taking import taken
from link_events.streams import Offset

FETCH_WAIT_MS: Final = 100
"""How long a broker holds a fetch that finds nothing. A partition that was drained meanwhile waits as long."""

PARTITION_BYTES_MAX: Final = 4 * 1024 * 1024
"""What one fetch brings of a partition: some 5 000 clicks, a batch of the aggregator."""

FULL_POLL: Final = timedelta(milliseconds=5 * FETCH_WAIT_MS)
"""A read that waits as long has seen a fetch of its own; a shorter one asks the broker where the partition ends."""

LOOKS: Final = 4
"""How often a read that waits looks whether anybody fetches at all, in the time after which nobody does."""

UNREAD_S_MAX: Final = 60.0
"""A partition that nobody read for as long is let go of when the assignment changes next."""


_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True)
class _Place:
    """Where the reading of one partition stands."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    position: Offset | None = None
    consumer: AIOKafkaConsumer | None = None
    read_at_s: float = 0.0
    polled_ms: int | None = None
    polled_at_s: float = 0.0


class KafkaReader:
    """Reads partitions, one read at a time each."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._patience = connection.patience
        self._consumers: Renewed[AIOKafkaConsumer] = Renewed(
            self._made, AIOKafkaConsumer.start, end_consumer, connection.patience
        )
        self._places: dict[TopicPartition, _Place] = {}

    async def read(
        self, place: TopicPartition, from_offset: Offset, records_max: int, wait: timedelta
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """Up to `records_max` records of `place` from `from_offset` on; none where nothing arrives within `wait`.

        Raises:
            OffsetExpiredError: `from_offset` is not in the log.
            UnreadableRecordError: the record there cannot be taken apart.
            EventLogAwayError: Kafka is away, or everything was closed.
        """
        state = self._places.setdefault(place, _Place())
        async with state.lock:
            consumer = await self._consumers.get()
            state.read_at_s = asyncio.get_running_loop().time()
            try:
                with translated_failures():
                    self._stand_at(consumer, place, from_offset)
                    records = await self._awaited(consumer, place, from_offset, records_max, wait)
                    if not records and wait < FULL_POLL:
                        records = await self._asked_for(consumer, place, from_offset, records_max)
            except BaseException as error:  # cancelled too: records may have been handed over to nobody
                state.position = None
                if isinstance(error, EventLogAwayError):
                    self._give_up(consumer)
                raise
            if records:
                state.position = Offset(records[-1].offset + 1)
            return _logged(records)

    async def bounds(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[Offset, Offset]]:
        """The first offset that is kept and the next that will be given, of each of `places`."""
        consumer = await self._consumers.get()
        try:
            with translated_failures():
                async with self._asking(consumer, places[0].topic):
                    first = await consumer.beginning_offsets(list(places))
                    end = await consumer.end_offsets(list(places))
        except EventLogAwayError:
            self._give_up(consumer)
            raise
        return {place: (Offset(first[place]), Offset(end[place])) for place in places}

    async def close(self) -> None:
        """End the consumer, within a bounded time. A read that still waits ends with EventLogAwayError."""
        await self._consumers.close()

    def _made(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._connection.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_BYTES_MAX,
            check_crcs=True,
        )

    def _stand_at(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: Offset) -> None:
        """Have `consumer` fetch `place` from `offset` on. Nothing here waits: no fetch comes in between."""
        state = self._places[place]
        if state.consumer is not consumer:
            self._assign(consumer, place)
        if state.position != offset:
            consumer.seek(place, offset)
            state.position = offset

    def _assign(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
        """Add `place` to what `consumer` fetches. An assignment begins anew for all: each goes on where it stood."""
        now_s = asyncio.get_running_loop().time()
        kept = {}
        for other, state in self._places.items():
            is_read = state.lock.locked() or now_s - state.read_at_s < UNREAD_S_MAX
            if state.consumer is consumer and state.position is not None and is_read:
                kept[other] = state.position
            else:
                state.consumer = None
        consumer.assign([*kept, place])
        for other, position in kept.items():
            consumer.seek(other, position)
        state = self._places[place]
        state.consumer, state.position = consumer, None
        state.polled_ms, state.polled_at_s = None, now_s

    async def _awaited(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: Offset, records_max: int, wait: timedelta
    ) -> Sequence[ConsumerRecord]:
        """The first records that come within `wait`."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait.total_seconds()
        while True:
            wait_s = min(until_s - loop.time(), self._patience.quiet_s_max / LOOKS)
            records = await taken(consumer, place, offset, records_max, timeout_ms=max(0, round(wait_s * 1000)))
            self._expect_polled(consumer, place, records)
            if records or loop.time() >= until_s:
                return records

    async def _asked_for(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: Offset, records_max: int
    ) -> Sequence[ConsumerRecord]:
        """For a read that waits too short to have been fetched for: what there is, if the broker says there is any."""
        records: Sequence[ConsumerRecord] = ()
        async with self._asking(consumer, place.topic):
            end = (await consumer.end_offsets([place]))[place]
            if end < offset:
                raise OffsetExpiredError(f"{place.topic}/{place.partition} ends at {end}; {offset} was asked for")
            while not records and end > offset:
                records = await taken(consumer, place, offset, records_max, timeout_ms=FETCH_WAIT_MS)
        return records

    @asynccontextmanager
    async def _asking(self, consumer: AIOKafkaConsumer, topic: str) -> AsyncIterator[None]:
        """A question that is waited for so long: the client asks for ever where a partition has no leader.

        Raises:
            EventLogAwayError: there was no answer, perhaps for the topic is unknown.
        """
        try:
            async with asyncio.timeout(self._patience.ask_s):
                yield
        except TimeoutError as error:
            if consumer.partitions_for_topic(topic) is None:
                raise no_topic(topic) from error
            raise EventLogAwayError(f"Kafka did not answer for {topic} within {self._patience.ask_s:.0f} s") from error

    def _give_up(self, consumer: AIOKafkaConsumer) -> None:
        """Throw `consumer` away, unless it has polled any partition of late: then it is not the consumer that fails."""
        self._note_polls(consumer)
        late_s = asyncio.get_running_loop().time() - self._patience.quiet_s_max / 2
        fetched = self._fetched_by(consumer).values()
        if not any(state.polled_ms is not None and state.polled_at_s > late_s for state in fetched):
            self._consumers.throw_away(consumer)

    def _note_polls(self, consumer: AIOKafkaConsumer) -> None:
        """See which partitions were polled since somebody looked; each look sees them all, so none is seen too late."""
        now_s = asyncio.get_running_loop().time()
        for place, state in self._fetched_by(consumer).items():
            polled_ms = consumer.last_poll_timestamp(place)
            if polled_ms not in (None, state.polled_ms):
                state.polled_ms, state.polled_at_s = polled_ms, now_s

    def _fetched_by(self, consumer: AIOKafkaConsumer) -> Mapping[TopicPartition, _Place]:
        return {place: state for place, state in self._places.items() if state.consumer is consumer}

    def _expect_polled(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, records: Sequence[ConsumerRecord]
    ) -> None:
        """Make sure that nothing came because there is nothing.

        Raises:
            EventLogAwayError: nobody has asked the broker for long, or nobody will any more.
        """
        if not records and not self._consumers.is_current(consumer):
            raise EventLogAwayError("the Kafka client was closed")
        self._note_polls(consumer)
        state = self._places[place]
        now_s = asyncio.get_running_loop().time()
        if records:
            state.polled_at_s = now_s
        elif now_s - state.polled_at_s > self._patience.quiet_s_max:
            if consumer.partitions_for_topic(place.topic) is None:
                raise no_topic(place.topic)
            raise EventLogAwayError(
                f"{place.topic}/{place.partition} was not fetched for {self._patience.quiet_s_max:.0f} s"
            )


def _logged(records: Sequence[ConsumerRecord]) -> Sequence[LoggedRecord | StrayRecord]:
    """The records as the contract has them."""
    logged: list[LoggedRecord | StrayRecord] = []
    timestamp_ms, logged_at = -1, _EPOCH
    for record in records:
        if record.timestamp != timestamp_ms:  # a batch has one LogAppendTime
            timestamp_ms = record.timestamp
            logged_at = _instant(timestamp_ms)
        origin = read_origin(record.headers)
        value = record.value or b""  # a null value is none that anybody wrote
        if origin is None:
            detail = f"no {ORIGIN_HEADER} header that can be read"
            logged.append(StrayRecord(Offset(record.offset), value, logged_at, detail))
        else:
            logged.append(LoggedRecord(Offset(record.offset), Record(*origin, value), logged_at))
    return logged


def _instant(timestamp_ms: int) -> datetime:
    """The broker's clock; or, in a topic that was made to take it, whatever a producer wrote, which may be no time."""
    try:
        return _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return _EPOCH
