"""Records that a consumer has fetched, taken apart; and what to do where one of them cannot be.

A topic may hold what the client chokes on: damaged bytes, an unknown compression, a header name that is no UTF-8. The
decoders have errors of their own for each. None may end a process or harm another partition, and what stands before
such a record is read as if it were not there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition, errors
from aiokafka.structs import ConsumerRecord

from event_log.contract import UnreadableRecordError
from event_log.kafka.explaining import named
from link_events.streams import Offset

REFETCH_MS: Final = 10_000
"""How long it is waited for what had come already."""

DAMAGED: Final = (errors.CorruptRecordException, errors.UnsupportedCodecError)
"""What Kafka's own errors say of a record. All others of them say something of the log."""


async def taken(
    consumer: AIOKafkaConsumer, place: TopicPartition, offset: Offset, records_max: int, *, timeout_ms: int
) -> Sequence[ConsumerRecord]:
    """What has come of `place`, or comes in time. `consumer` stands at `offset` there.

    Raises:
        UnreadableRecordError: the record at `offset` cannot be read, or is in a batch of which none can be.
    """
    try:
        return await _got(consumer, place, offset, records_max, timeout_ms)
    except UnreadableRecordError:  # those before it were lost with it: they are fetched again
        consumer.seek(place, offset)
    records = list(await _got(consumer, place, offset, 1, REFETCH_MS))
    try:
        while records and len(records) < records_max and (more := await _got(consumer, place, offset, 1, 0)):
            records += more
    except UnreadableRecordError:  # it is met again where it is the first
        pass
    return records


async def _got(
    consumer: AIOKafkaConsumer, place: TopicPartition, offset: Offset, records_max: int, timeout_ms: int
) -> Sequence[ConsumerRecord]:
    with _told_unreadable(place, offset):
        fetched = await consumer.getmany(place, timeout_ms=timeout_ms, max_records=records_max)
    records: Sequence[ConsumerRecord] = fetched.get(place, ())
    return records


@contextmanager
def _told_unreadable(place: TopicPartition, offset: Offset) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, errors.KafkaError | errors.ConsumerStoppedError) and not isinstance(error, DAMAGED):
            raise
        raise UnreadableRecordError(
            f"{place.topic}/{place.partition} has a record at {offset} that cannot be read: {named(error)}"
        ) from error
