"""Others read what we write, and we read what they write: ours beside Kafka's own Java client."""

import random
from typing import Final

import pytest

from event_log.contract import LoggedRecord
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.headers import ORIGIN_HEADER, written_headers
from link_events.codec import CONTENT_TYPE
from link_events.events import Heartbeat
from link_events.identity import AdvocateId, Seq
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream, partition_of
from stage.events import PLAIN_CLICK
from stage.following import read_now
from stage.java_client import JavaClient, JavaRecord
from stage.journaling import Pen, plain_records
from stage.kafka import Broker
from stage.log_forms import opened_kafka_log

CLICKS = Stream.CLICKS

COMPRESSIONS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""What a Java producer, or a topic's compression.type, may choose."""


@pytest.fixture(scope="session")
def java(kafka_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> JavaClient:
    return JavaClient(kafka_broker.broker.kit, tmp_path_factory.mktemp("java"))


def any_keys(count: int) -> list[str]:
    """Keys of every length up to 64 characters, of every script; from one seed, so that a failure comes again."""
    chance = random.Random(1)
    alphabets = ("abcdefghijklmnopqrstuvwxyz0123456789._-", "äöüßéλДжक中文日本語한국어", "\x00\x7f\ud7ff\uffff😀🏳️‍🌈")
    keys = ["".join(chance.choices(chance.choice(alphabets), k=chance.randint(1, 64))) for _ in range(count)]
    return [*keys, "a", "ab", "abc", "abcd", "\0", "a" * 64, "😀" * 64, "ada.lovelace"]


@pytest.mark.parametrize("partitions", [1, 2, 12, 255, 256])
def test_a_key_has_the_partition_that_kafkas_default_partitioner_gives_it(java: JavaClient, partitions: int) -> None:
    keys = any_keys(3_000)
    expected = java.partitions([key.encode() for key in keys], partitions)
    assert [partition_of(key, partitions) for key in keys] == expected
    assert set(expected) == set(range(partitions))


async def test_a_java_consumer_reads_what_we_append(java: JavaClient, kafka_connection: KafkaConnection) -> None:
    """Key, headers, value and partition, and none of the traces of an idempotent producer that could go wrong."""
    pens = [Pen(Partition(number)) for number in range(PARTITIONS_DEFAULT)]
    written = {pen.partition: [pen.write(PLAIN_CLICK), pen.write(Heartbeat())] for pen in pens}
    async with opened_kafka_log(kafka_connection) as log:
        for partition, records in written.items():
            await log.append(CLICKS, partition, records)
    topic = kafka_connection.topic(CLICKS)
    found = java.read(kafka_connection.bootstrap, topic, 2 * PARTITIONS_DEFAULT)
    assert sorted(found, key=lambda one: one.partition) == [
        JavaRecord(
            partition,
            key,
            record.value,
            {ORIGIN_HEADER: record.journal + record.seq.to_bytes(8, "big"), "content-type": CONTENT_TYPE.encode()},
        )
        for partition, records in written.items()
        for key, record in zip((b"ada.lovelace", None), records, strict=True)
    ]
    assert java.producers(kafka_connection.bootstrap, topic, 0) == 0


@pytest.mark.parametrize("compression", COMPRESSIONS)
async def test_we_read_what_a_java_producer_writes(
    java: JavaClient, kafka_connection: KafkaConnection, compression: str
) -> None:
    """Idempotent, compressed in every way there is; by key in the partition where we would have put it."""
    advocates = [AdvocateId(f"advocate.{number}") for number in range(40)]
    pens = {partition_of(advocate, PARTITIONS_DEFAULT): Pen() for advocate in advocates}
    records = {advocate: pens[partition_of(advocate, PARTITIONS_DEFAULT)].scribble() for advocate in advocates}
    topic = kafka_connection.topic(CLICKS)
    given = java.write(
        kafka_connection.bootstrap,
        topic,
        [
            (advocate.encode(), record.value, dict(written_headers(record.journal, record.seq)))
            for advocate, record in records.items()
        ],
        compression,
    )
    assert given == [partition_of(advocate, PARTITIONS_DEFAULT) for advocate in advocates]
    async with opened_kafka_log(kafka_connection) as log:
        for partition, pen in pens.items():
            logged = await read_now(log, partition)
            assert all(isinstance(one, LoggedRecord) for one in logged)
            assert [one.record for one in logged] == [one for one in records.values() if one.journal == pen.journal]
            await log.append(CLICKS, partition, after := plain_records(1, journal=pen.journal, first_seq=Seq(99)))
            assert [one.record for one in await read_now(log, partition, len(logged))] == after
    assert java.producers(kafka_connection.bootstrap, topic, given[0]) == 1
