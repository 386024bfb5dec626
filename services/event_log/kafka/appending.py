"""Records into Kafka: one batch outstanding per partition, acknowledged by all in-sync replicas.

The producer is not idempotent (docs/adr/0007): what it sends twice falls to the aggregator's watermark, and nothing it
remembers of sequences can go wrong. After a failure it is thrown away; the caller sends again from what was acked. A
refusal is no failure: it is an answer, nothing is on its way any more, and other partitions go on with the producer.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from event_log.contract import EventLogAwayError, EventLogRefusedError, PartitionCountError, Record
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_producer
from event_log.kafka.failures import no_topic, translated_failures
from event_log.kafka.headers import written_headers
from link_events.codec import key_of
from link_events.streams import Partition

BATCH_BYTES: Final = 512 * 1024
"""One produce request of one partition. Below the 1 048 588 bytes that a topic takes unless it is told otherwise."""


class KafkaAppender:
    """Appends to any topic."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producers: Renewed[AIOKafkaProducer] = Renewed(
            self._made, AIOKafkaProducer.start, end_producer, connection.patience
        )
        self._batch_bytes = BATCH_BYTES  # halved for a while where a topic takes less
        self._halved_at_s = 0.0

    async def append(self, topic: str, partition: Partition, records: Sequence[Record]) -> None:
        """Append `records` in order. What fits into one batch is appended whole or not at all.

        Raises:
            EventLogAwayError: they may or may not be in the log, or a leading part of them.
            EventLogRefusedError: Kafka will not take them.
            PartitionCountError: there is no such partition.
        """
        producer = await self._producer()
        try:
            with translated_failures():
                await _expect_partition(producer, topic, partition)
                for batch in _batches(producer, records):
                    await self._deliver(producer, batch, topic, partition)
        except (EventLogRefusedError, PartitionCountError):
            raise
        except BaseException:  # cancelled too: what was handed over may still be on its way
            self._producers.throw_away(producer)
            raise

    async def close(self) -> None:
        """End the producer, within a bounded time."""
        await self._producers.close()

    async def _producer(self) -> AIOKafkaProducer:
        """The producer; one for whole batches again where they were small for long enough."""
        producer = await self._producers.get()
        small_s = asyncio.get_running_loop().time() - self._halved_at_s
        if self._batch_bytes == BATCH_BYTES or small_s < self._connection.patience.small_batches_s:
            return producer
        self._batch_bytes = BATCH_BYTES
        self._producers.throw_away(producer)
        return await self._producers.get()

    async def _deliver(self, producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: Partition) -> None:
        """Wait until `batch` was acknowledged.

        Raises:
            EventLogAwayError: the topic takes no batch of that size; smaller ones are made from now on.
            EventLogRefusedError: it takes no record of that size.
        """
        try:
            await delivered(await producer.send_batch(batch, topic, partition=partition))
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            if batch.record_count() == 1:
                raise EventLogRefusedError(
                    f"{topic} takes no record of {batch.size()} bytes; its max.message.bytes must be raised"
                ) from error
            if self._producers.is_current(producer):  # else another partition's failure has halved it already
                self._batch_bytes = max(1, min(self._batch_bytes, batch.size()) // 2)  # one record always fits in
                self._halved_at_s = asyncio.get_running_loop().time()
            raise EventLogAwayError(
                f"{topic} takes no batch of {batch.size()} bytes; from now on they have {self._batch_bytes} at most"
            ) from error

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=False,
            max_batch_size=self._batch_bytes,
            linger_ms=0,  # batches come whole
        )


async def _expect_partition(producer: AIOKafkaProducer, topic: str, partition: Partition) -> None:
    """Make sure that `topic` has `partition`: the client itself asserts it."""
    try:
        partitions = await producer.partitions_for(topic)
    except UnknownTopicOrPartitionError as error:
        raise no_topic(topic) from error
    if partition not in partitions:
        raise PartitionCountError(f"{topic} has {len(partitions)} partitions, and none of number {partition}")


def _batches(producer: AIOKafkaProducer, records: Sequence[Record]) -> Iterator[BatchBuilder]:
    """`records` in as few batches as they fit into; one that fits into none has its own."""
    batch = producer.create_batch()
    for record in records:
        if not _added(batch, record):
            batch.close()
            yield batch
            batch = producer.create_batch()
            _added(batch, record)
    if batch.record_count():
        batch.close()
        yield batch


def _added(batch: BatchBuilder, record: Record) -> bool:
    """Whether `record` went into `batch`; an empty batch takes one of any size."""
    added = batch.append(
        timestamp=int(time.time() * 1000),  # the topic's LogAppendTime overwrites it
        key=key_of(record.value),
        value=record.value,
        headers=written_headers(record.journal, record.seq),
    )
    return added is not None


async def delivered(delivery: asyncio.Future[Any]) -> None:
    """Wait until what a producer was given is acknowledged.

    It is left alone if we are cancelled: the producer still works on it.
    """
    delivery.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting any more
    await asyncio.shield(delivery)
