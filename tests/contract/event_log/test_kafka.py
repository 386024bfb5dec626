"""What only the Kafka form of the event log does: headers and keys, batches, strays, and what a broker refuses."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from event_log.contract import (
    EventLogAwayError,
    EventLogRefusedError,
    LoggedRecord,
    OffsetExpiredError,
    PartitionCountError,
    Record,
    StrayRecord,
)
from event_log.kafka.appending import BATCH_BYTES
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.headers import ORIGIN_HEADER
from event_log.kafka.log import KafkaEventLog
from event_log.kafka.patience import Patience
from event_log.kafka.topics import apply_topics
from link_events.events import Heartbeat, Sealed
from link_events.identity import SEQ_MAX, JournalId, Seq
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.following import NO_WAIT, RECORDS_MAX, read_now
from stage.journaling import Pen, new_journal, plain_records
from stage.kafka import Broker
from stage.log_forms import opened_kafka_log
from stage.topics import Headers, delete_records, raw_records, set_topic, untouched_topics, write_raw
from stage.waiting import eventually_async

CLICKS = Stream.CLICKS
P0 = Partition(0)

SHORT: Final = Patience(request_s=1, start_s=3, ask_s=1)

JOURNAL: Final = JournalId(bytes.fromhex("00c0ffee00c0ffee"))
ORIGIN: Final = bytes.fromhex("00c0ffee00c0ffee0000000000000102")


@pytest.fixture
async def log(kafka_connection: KafkaConnection) -> AsyncIterator[KafkaEventLog]:
    async with opened_kafka_log(kafka_connection) as log:
        yield log


async def read_all(log: KafkaEventLog) -> list[LoggedRecord | StrayRecord]:
    """All of partition 0."""
    return list(await log.read(CLICKS, P0, Offset(0), records_max=RECORDS_MAX, wait=NO_WAIT))


async def test_an_event_travels_with_its_origin_its_type_and_its_key(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """The journal's 8 bytes and the seq in 8, big-endian; the value is what was journaled, byte for byte."""
    pen = Pen(journal=JOURNAL, last_seq=0x101)
    records = [pen.write(PLAIN_CLICK), pen.write(Heartbeat()), pen.write(Sealed())]
    await log.append(CLICKS, P0, records)
    found = (await raw_records(kafka_connection))[0]
    assert [one.value for one in found] == [record.value for record in records]
    assert [one.key for one in found] == [b"ada.lovelace", None, None]
    assert found[0].headers == (
        ("advolink-origin", ORIGIN),
        ("content-type", b"application/cloudevents+json; charset=UTF-8"),
    )


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("content-type", b"application/cloudevents+json")],
        [("Advolink-Origin", ORIGIN)],
        [(ORIGIN_HEADER, None)],
        [(ORIGIN_HEADER, b"")],
        [(ORIGIN_HEADER, ORIGIN[:-1])],
        [(ORIGIN_HEADER, ORIGIN + b"\0")],
        [(ORIGIN_HEADER, JOURNAL + bytes(8))],
        [(ORIGIN_HEADER, JOURNAL + (SEQ_MAX + 1).to_bytes(8, "big"))],
        [(ORIGIN_HEADER, ORIGIN), (ORIGIN_HEADER, ORIGIN)],
        [(ORIGIN_HEADER, ORIGIN), (ORIGIN_HEADER, None)],
    ],
)
async def test_a_record_without_an_origin_that_can_be_read_is_a_stray(
    log: KafkaEventLog, kafka_connection: KafkaConnection, headers: Headers
) -> None:
    """It keeps its offset, and holds nothing up."""
    await write_raw(kafka_connection, b"from elsewhere", headers, key=b"their key")
    await log.append(CLICKS, P0, records := plain_records(1))
    stray, ours = await read_all(log)
    assert isinstance(stray, StrayRecord)
    assert (stray.offset, stray.value) == (0, b"from elsewhere")
    assert ORIGIN_HEADER in stray.detail
    assert isinstance(ours, LoggedRecord)
    assert ours.record == records[0]


async def test_an_origin_is_read_whatever_other_headers_there_are(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """As tracing adds them on the way."""
    await write_raw(kafka_connection, b"1", [("traceparent", b"00-1"), (ORIGIN_HEADER, ORIGIN), ("empty", None)])
    (found,) = await read_all(log)
    assert isinstance(found, LoggedRecord)
    assert found.record == Record(JOURNAL, Seq(0x102), b"1")


async def test_a_null_value_comes_out_empty(log: KafkaEventLog, kafka_connection: KafkaConnection) -> None:
    """A tombstone means nothing here: it is a stray, or an event that cannot be decoded."""
    await write_raw(kafka_connection, None, key=b"k")
    await write_raw(kafka_connection, None, [(ORIGIN_HEADER, ORIGIN)], key=b"k")
    stray, ours = await read_all(log)
    assert isinstance(stray, StrayRecord)
    assert isinstance(ours, LoggedRecord)
    assert stray.value == ours.record.value == b""


async def test_a_record_was_logged_when_the_broker_took_it(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """Whatever the writer says: this one says 1970."""
    await write_raw(kafka_connection, b"1", [(ORIGIN_HEADER, ORIGIN)])
    (found,) = await read_all(log)
    assert abs(datetime.now(UTC) - found.logged_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("timestamp_ms", "logged_at"),
    [
        (1, datetime(1970, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (253_402_300_800_000, datetime(1970, 1, 1, tzinfo=UTC)),
        (9_000_000_000_000_000, datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
async def test_a_topic_that_keeps_what_writers_say_of_the_time_is_read_whatever_they_say(
    log: KafkaEventLog, kafka_connection: KafkaConnection, timestamp_ms: int, logged_at: datetime
) -> None:
    """A time that no calendar has is the epoch: seen at once to be none, and in nobody's way."""
    kept = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
    await set_topic(kafka_connection, kept)
    await write_raw(kafka_connection, b"1", [(ORIGIN_HEADER, ORIGIN)], timestamp_ms=timestamp_ms)
    (found,) = await read_all(log)
    assert isinstance(found, LoggedRecord)
    assert (found.record.value, found.logged_at) == (b"1", logged_at)


async def test_more_than_a_batch_goes_through_in_several_in_order(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """Records of every size, one of them larger than a batch."""
    journal = new_journal()
    sizes = [*(BATCH_BYTES // 7 for _ in range(20)), BATCH_BYTES + 1, *range(100)]
    records = [Record(journal, Seq(seq), bytes(size)) for seq, size in enumerate(sizes, 1)]
    await log.append(CLICKS, P0, records)
    found = (await raw_records(kafka_connection))[0]
    assert [len(one.value) for one in found] == sizes
    assert [one.record for one in await read_now(log)][:1] == records[:1]


async def test_batches_are_halved_until_the_topic_takes_them(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """Each refusal is an outage of a moment; what was taken before it is sent again, and nothing is left out."""
    await set_topic(kafka_connection, {"max.message.bytes": "20000"})
    records = _kilobytes(2_000)

    async def is_taken() -> bool:
        try:
            await log.append(CLICKS, P0, records)
        except EventLogAwayError as error:
            if "takes no batch of" not in str(error):
                raise
            return False
        return True

    await eventually_async(is_taken, what="the batches are small enough")
    found = [int.from_bytes(one.headers[0][1][8:], "big") for one in (await raw_records(kafka_connection))[0]]
    assert list(dict.fromkeys(found)) == list(range(1, 2_001))


async def test_batches_are_whole_again_some_time_after_the_topic_takes_them(kafka_connection: KafkaConnection) -> None:
    """Without a restart: somebody has raised the limit, and nobody has told us."""
    patience = replace(SHORT, small_batches_s=0.5)
    await set_topic(kafka_connection, {"max.message.bytes": "20000", "message.timestamp.type": "LogAppendTime"})
    async with opened_kafka_log(replace(kafka_connection, patience=patience)) as log:
        with pytest.raises(EventLogAwayError, match="takes no batch of"):
            await log.append(CLICKS, P0, _kilobytes(600))
        await set_topic(kafka_connection, {"message.timestamp.type": "LogAppendTime"})

        async def is_whole() -> bool:
            before = (await log.end_offsets(CLICKS))[P0]
            await log.append(CLICKS, P0, _kilobytes(400))
            return len({one.logged_at for one in await read_now(log, P0, before)}) == 1

        await eventually_async(is_whole, what="400 KB go in one batch")


def _kilobytes(count: int) -> list[Record]:
    return [Record(JOURNAL, Seq(seq), bytes(1_000)) for seq in range(1, count + 1)]


async def test_a_record_that_is_too_large_is_refused_until_the_topic_takes_it(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """Again and again: nothing is dropped for it, and nothing overtakes it."""
    journal = new_journal()
    records = [Record(journal, Seq(seq), bytes(size)) for seq, size in enumerate((10, 30_000, 10), 1)]

    async def is_taken_elsewhere() -> bool:
        try:
            await log.append(CLICKS, Partition(1), records[1:2])
        except EventLogRefusedError:
            return False
        return True

    async def is_refused_elsewhere() -> bool:
        return not await is_taken_elsewhere()

    await set_topic(kafka_connection, {"max.message.bytes": "20000"})
    await eventually_async(is_refused_elsewhere, what="the broker goes by the new limit")

    async def is_refused() -> bool:
        try:
            await log.append(CLICKS, P0, records)
        except EventLogAwayError:  # it came with others, and the next batch may do
            return False
        except EventLogRefusedError as error:
            return "its max.message.bytes must be raised" in str(error)
        raise AssertionError("it was taken")

    for _ in range(3):
        await eventually_async(is_refused, what="it is refused")
    assert {len(one.value) for one in (await raw_records(kafka_connection))[0]} <= {10}
    await set_topic(kafka_connection, {})
    await eventually_async(is_taken_elsewhere, what="the broker goes by the old limit")
    await log.append(CLICKS, P0, records)
    assert [len(one.value) for one in (await raw_records(kafka_connection))[0]][-3:] == [10, 30_000, 10]


async def test_a_record_that_is_refused_is_in_the_way_of_its_own_partition_only(
    log: KafkaEventLog, kafka_connection: KafkaConnection
) -> None:
    """What others append meanwhile, several batches on the same producer, goes through at the first try."""
    await set_topic(kafka_connection, {"max.message.bytes": str(BATCH_BYTES)})
    too_large = [Record(JOURNAL, Seq(1), bytes(BATCH_BYTES + 1))]
    refused = asyncio.Event()

    async def keep_appending() -> int:
        appends = 0
        while not refused.is_set():
            await log.append(CLICKS, Partition(1), _kilobytes(2_000))
            appends += 1
        return appends

    appending = asyncio.create_task(keep_appending())
    for _ in range(10):
        with pytest.raises(EventLogRefusedError, match="must be raised"):
            await log.append(CLICKS, P0, too_large)
        with pytest.raises(PartitionCountError):
            await log.append(CLICKS, Partition(12), plain_records(1))
    refused.set()
    assert (await log.end_offsets(CLICKS))[Partition(1)] == 2_000 * await appending > 0


async def test_an_unknown_topic_is_named_and_found_once_it_is_made(kafka_broker: Broker) -> None:
    """A topic may be unknown for a moment; it is away, and whoever waits goes on by itself."""
    connection = replace(untouched_topics(kafka_broker.bootstrap), patience=SHORT)
    named = f"no topic {connection.topic(CLICKS)}; `advolink topics apply` makes it"
    async with opened_kafka_log(connection) as log:
        for ask in (
            log.check(CLICKS, PARTITIONS_DEFAULT),
            log.append(CLICKS, P0, plain_records(1)),
            log.read(CLICKS, P0, Offset(0), records_max=1, wait=NO_WAIT),
            log.end_offsets(CLICKS),
        ):
            with pytest.raises(EventLogAwayError, match=named):
                await ask
        await apply_topics(connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
        await log.check(CLICKS, PARTITIONS_DEFAULT)
        await log.append(CLICKS, P0, records := plain_records(1))
        assert [one.record for one in await read_now(log)] == records


async def test_a_partition_that_is_not_there_is_refused(log: KafkaEventLog) -> None:
    """A topic that was made again with fewer; the log says how many it has."""
    with pytest.raises(PartitionCountError, match="has 12 partitions, and none of number 12"):
        await log.append(CLICKS, Partition(12), plain_records(1))
    await log.append(CLICKS, Partition(11), plain_records(1))


async def test_all_who_ask_how_many_partitions_there_are_share_one_answer(
    log: KafkaEventLog, kafka_connection: KafkaConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one of them is cancelled meanwhile; one that was not as expected is not kept."""
    asked = []

    async def described(admin: AIOKafkaAdminClient) -> Any:
        asked.append(admin)
        return await describe_topics(admin)

    describe_topics = AIOKafkaAdminClient.describe_topics
    monkeypatch.setattr(AIOKafkaAdminClient, "describe_topics", described)
    checks = [asyncio.create_task(log.check(CLICKS, PARTITIONS_DEFAULT)) for _ in range(12)]
    await eventually_async(lambda: _holds(asked), what="Kafka is asked")
    checks.pop(0).cancel()
    await asyncio.gather(*checks)
    await log.bounds(CLICKS)
    assert len(asked) == 1
    for found in range(2, 4):
        with pytest.raises(PartitionCountError, match="has 12 partitions where 13 are expected"):
            await log.check(CLICKS, 13)
        await log.check(CLICKS, PARTITIONS_DEFAULT)
        assert asked == asked[:1] * found


async def _holds(things: list[AIOKafkaAdminClient]) -> bool:
    return bool(things)


async def test_bounds_follow_what_is_let_go(log: KafkaEventLog, kafka_connection: KafkaConnection) -> None:
    """A reader that stands before them is told, also while it waits."""
    await log.append(CLICKS, P0, plain_records(5))
    assert (await log.bounds(CLICKS))[P0] == (0, 5)
    assert len(await read_now(log)) == 5
    await delete_records(kafka_connection, 3)
    assert await log.bounds(CLICKS) == {number: (3, 5) if number == 0 else (0, 0) for number in range(12)}
    async with asyncio.timeout(10):
        with pytest.raises(OffsetExpiredError):
            await log.read(CLICKS, P0, Offset(2), records_max=1, wait=timedelta(minutes=1))
    assert [one.offset for one in await read_now(log, P0, 3)] == [3, 4]


async def test_readers_that_jump_about_read_what_is_there(log: KafkaEventLog) -> None:
    """Many at once on one client, each at a place of its own, forwards, backwards, and of the same partition."""
    records = plain_records(60)
    partitions = [Partition(number) for number in range(4)]
    for partition in partitions:
        for start in range(0, 60, 6):
            await log.append(CLICKS, partition, records[start : start + 6])

    async def read_about(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            offset, count = chance.randrange(61), chance.randint(1, 20)
            wait = timedelta(milliseconds=chance.choice((0, 0, 20, 600)) if offset < len(records) else 0)
            found = await log.read(CLICKS, chance.choice(partitions), Offset(offset), records_max=count, wait=wait)
            assert [one.offset for one in found] == list(range(offset, offset + len(found)))
            assert [one.record for one in found if isinstance(one, LoggedRecord)] == records[
                offset : offset + len(found)
            ]
            assert bool(found) == (offset < len(records))

    async with asyncio.timeout(60):
        await asyncio.gather(*map(read_about, range(12)))
