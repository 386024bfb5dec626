"""Topics for one test alone, in a broker that tests share: everything of it begins with a prefix of its own.

What is done to them here goes past the event log, as operators and other programs do.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import ConsumerRecord

from event_log.kafka.connection import KafkaConnection
from event_log.kafka.topics import apply_topics, partition_counts
from link_events.streams import PARTITIONS_DEFAULT, Stream
from stage.waiting import eventually_async

FETCH_MS_MAX: Final = 1_000
"""Longer than a fetch takes that finds something."""

SET_FOR_THE_TOPIC: Final = 1
"""Where a setting comes from, as Kafka numbers it."""

Headers = Sequence[tuple[str, bytes | None]]


def fresh_topics(bootstrap: str, *, partitions: int = PARTITIONS_DEFAULT) -> KafkaConnection:
    """A connection whose topics were just made and are empty."""
    connection = untouched_topics(bootstrap)
    asyncio.run(apply_topics(connection, partitions=partitions, replication_factor=1))
    return connection


def untouched_topics(bootstrap: str) -> KafkaConnection:
    """A connection whose topics nobody has made yet."""
    return replace(KafkaConnection(bootstrap), topic_prefix=f"test-{secrets.token_hex(6)}.")


@asynccontextmanager
async def administering(connection: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Kafka's own administration."""
    admin = AIOKafkaAdminClient(**connection.client_options())
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def delete_topic(connection: KafkaConnection, topic: str = Stream.CLICKS.topic) -> None:
    """Delete a topic; returns when nobody is told of it any more."""
    name = f"{connection.topic_prefix}{topic}"
    async with administering(connection) as admin:
        await admin.delete_topics([name])

        async def is_gone() -> bool:
            return name not in await partition_counts(admin)

        await eventually_async(is_gone, what=f"{name} is gone")


async def set_topic(connection: KafkaConnection, config: Mapping[str, str], topic: str = Stream.CLICKS.topic) -> None:
    """Give a topic other settings, all that are not in `config` the cluster's defaults; returns when they hold."""
    name = f"{connection.topic_prefix}{topic}"
    async with administering(connection) as admin:
        (response,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(config))])
        assert response.resources[0][0] == 0, response

        async def holds() -> bool:
            (described,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            entries = described.resources[0][-1]
            return {entry[0]: entry[1] for entry in entries if entry[3] == SET_FOR_THE_TOPIC} == dict(config)

        await eventually_async(holds, what=f"{name} has the settings {config}")
        # A broker tells of settings a moment before it goes by them; of the next change, only after that.
        marker = f"{connection.topic_prefix}settled-{secrets.token_hex(4)}"
        await admin.create_topics([NewTopic(marker, 1, 1)])

        async def is_told_of() -> bool:
            return marker in await admin.list_topics()

        await eventually_async(is_told_of, what=f"{name} goes by the settings {config}")


async def delete_records(connection: KafkaConnection, before: int, stream: Stream = Stream.CLICKS) -> None:
    """Let go of the records of partition 0 before an offset."""
    async with administering(connection) as admin:
        place = TopicPartition(connection.topic(stream), 0)
        await admin.delete_records({place: RecordsToDelete(before)})


async def write_raw(
    connection: KafkaConnection,
    value: bytes | None,
    headers: Headers = (),
    *,
    key: bytes | None = None,
    timestamp_ms: int = 1,
) -> None:
    """A record of partition 0 as another program may write it."""
    producer = AIOKafkaProducer(**connection.client_options())
    await producer.start()
    try:
        await producer.send_and_wait(
            connection.topic(Stream.CLICKS), value, key, partition=0, headers=list(headers), timestamp_ms=timestamp_ms
        )
    finally:
        await producer.stop()


async def raw_records(
    connection: KafkaConnection, topic: str = Stream.CLICKS.topic
) -> Mapping[int, Sequence[ConsumerRecord]]:
    """What a topic holds, as any program reads it: by partition, in the order of offsets."""
    consumer = AIOKafkaConsumer(**connection.client_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        name = f"{connection.topic_prefix}{topic}"
        async with administering(connection) as admin:
            count = (await partition_counts(admin))[name]
        places = [TopicPartition(name, number) for number in range(count)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        records: dict[int, list[ConsumerRecord]] = {place.partition: [] for place in places}
        while any([await consumer.position(place) < ends[place] for place in places]):
            for place, found in (await consumer.getmany(timeout_ms=FETCH_MS_MAX)).items():
                records[place.partition] += found
        return records
    finally:
        await consumer.stop()
