"""Records in Kafka that cannot be taken apart: they are told, at their offset, and harm nothing around them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from event_log.contract import UnreadableRecordError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from link_events.streams import Offset, Partition, Stream
from stage.damage import (
    claim_unknown_codec,
    claim_zstd,
    flip_last_byte,
    last_batch,
    spoil_last_header_name,
    write_over,
)
from stage.following import read_now
from stage.journaling import plain_records
from stage.kafka import Broker
from stage.log_forms import opened_kafka_log

CLICKS = Stream.CLICKS
P0, P1 = Partition(0), Partition(1)


@pytest.mark.parametrize(
    ("damage", "readable"),
    [
        (spoil_last_header_name, 5),  # records are taken apart one after another
        (flip_last_byte, 3),
        (claim_unknown_codec, 3),
        (claim_zstd, 3),
    ],
)
async def test_what_cannot_be_read_is_told_and_harms_nothing_around_it(
    kafka_broker: Broker, kafka_connection: KafkaConnection, damage: Callable[[bytearray], None], readable: int
) -> None:
    """What stands before it is read, and what stands behind it; who waits for another partition is not interrupted."""
    async with opened_kafka_log(kafka_connection) as log:
        await log.append(CLICKS, P0, plain_records(3))
        await log.append(CLICKS, P0, plain_records(3))
        segment, start, batch = last_batch(kafka_broker, kafka_connection.topic(CLICKS))
        damage(damaged := bytearray(batch))
        write_over(segment, start, damaged)
        await log.append(CLICKS, P0, behind := plain_records(2))

        waiting = asyncio.create_task(_read(log, P1, 0))
        for _ in range(2):
            assert [one.offset for one in await read_now(log)] == list(range(readable))
            assert [one.offset for one in await read_now(log, records_max=2)] == [0, 1]
            for read in (read_now(log, 0, readable), _read(log, P0, readable)):
                with pytest.raises(UnreadableRecordError, match=rf"{CLICKS.topic}/0 has a record at {readable} "):
                    await read
            assert [one.record for one in await read_now(log, 0, 6)] == behind
        await log.append(CLICKS, P1, plain_records(1))
        assert await waiting == [0]

        write_over(segment, start, batch)
        assert [one.offset for one in await read_now(log, 0, readable)] == list(range(readable, 8))


async def _read(log: KafkaEventLog, partition: Partition, offset: int) -> list[Offset]:
    """What comes, however late."""
    async with asyncio.timeout(60):
        found = await log.read(CLICKS, partition, Offset(offset), records_max=100, wait=timedelta(minutes=1))
    return [one.offset for one in found]
