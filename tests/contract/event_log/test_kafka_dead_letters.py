"""Dead letters on their topic, as any program reads them there; none keeps those behind it waiting for good."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from event_log.contract import DeadLetterMessage, EventLogAwayError, EventLogError, EventLogRefusedError
from event_log.kafka import dead_letters
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.dead_letters import LEFT_OUT_HEADER, TOPIC, KafkaDeadLetterTopic
from event_log.kafka.patience import Patience
from event_log.kafka.topics import apply_topics, read_specs
from link_events.codec import CONTENT_TYPE
from link_events.identity import JournalId, Seq
from link_events.reasons import DeadLetterReason
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.kafka import Broker
from stage.ports import free_port
from stage.topics import delete_topic, raw_records, set_topic, untouched_topics
from stage.waiting import eventually_async

SHORT: Final = Patience(request_s=1, start_s=3, ask_s=1, stop_s=3)
JOURNAL: Final = JournalId(bytes.fromhex("00c0ffee00c0ffee"))
CLICK: Final = Pen(journal=JOURNAL, last_seq=0x101).write(PLAIN_CLICK).value

DEAD: Final = DeadLetterMessage(
    stream=Stream.CLICKS,
    partition=Partition(7),
    offset=Offset(4_711),
    journal=JOURNAL,
    seq=Seq(0x102),
    value=CLICK,
    reason=DeadLetterReason.BREAKS_SCHEMA,
    detail="KeyError: 'code'",
    logged_at=datetime(2022, 2, 14, tzinfo=UTC),
)
STRAY: Final = replace(DEAD, journal=None, seq=None, value=b"\x00\xff", reason=DeadLetterReason.NO_ORIGIN)

DEFAULT_BYTES_MAX: Final = 1_048_588
"""What a topic takes unless it is told otherwise: of a batch, its own head of 61 bytes included."""


@pytest.fixture(autouse=True)
async def _nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No task, and no exception that nobody fetched."""
    before = asyncio.all_tasks()
    yield
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} <= before
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def topic(kafka_connection: KafkaConnection) -> AsyncIterator[KafkaDeadLetterTopic]:
    topic = KafkaDeadLetterTopic(replace(kafka_connection, patience=SHORT))
    yield topic
    await topic.close()


async def told(connection: KafkaConnection) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    """Value, key and headers of all that the topic holds, in order."""
    (records,) = (await raw_records(connection, TOPIC)).values()
    assert all(len(dict(one.headers)) == len(one.headers) for one in records)
    return [(one.value, one.key, dict(one.headers)) for one in records]


async def values(connection: KafkaConnection) -> list[bytes | None]:
    return [value for value, _, _ in await told(connection)]


async def test_a_dead_letter_says_what_it_was_where_it_stood_and_why_it_is_dead(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """The bytes and the key as they were, and the headers of Kafka Connect, all of them text."""
    await topic.publish([DEAD])
    ((value, key, headers),) = await told(kafka_connection)
    assert (value, key) == (CLICK, b"ada.lovelace")
    assert headers == {
        "advolink-origin": bytes.fromhex("00c0ffee00c0ffee0000000000000102"),
        "content-type": CONTENT_TYPE.encode(),
        "__connect.errors.topic": kafka_connection.topic(Stream.CLICKS).encode(),
        "__connect.errors.partition": b"7",
        "__connect.errors.offset": b"4711",
        "__connect.errors.connector.name": b"advolink-aggregator",
        "__connect.errors.task.id": b"7",
        "__connect.errors.stage": b"VALUE_CONVERTER",
        "__connect.errors.class.name": b"advolink.aggregator",
        "__connect.errors.exception.class.name": b"breaks_schema",
        "__connect.errors.exception.message": b"KeyError: 'code'",
    }


async def test_one_without_an_origin_has_none_there_either(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """Nor a content type that nobody gave it, nor a key."""
    await topic.publish([STRAY])
    ((value, key, headers),) = await told(kafka_connection)
    assert (value, key) == (STRAY.value, None)
    assert headers["__connect.errors.stage"] == b"HEADER_CONVERTER"
    assert {name for name in headers if not name.startswith("__connect.errors.")} == set()


@pytest.mark.parametrize("reason", DeadLetterReason)
async def test_every_reason_is_named(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection, reason: DeadLetterReason
) -> None:
    """By the word that stands in Postgres, too; and each has a stage that Kafka Connect knows."""
    await topic.publish([replace(DEAD, reason=reason)])
    ((_, _, headers),) = await told(kafka_connection)
    assert headers["__connect.errors.exception.class.name"] == reason.value.encode()
    assert headers["__connect.errors.stage"] in {b"HEADER_CONVERTER", b"VALUE_CONVERTER", b"TASK_PUT"}


async def test_a_detail_and_a_value_may_hold_anything(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """Other scripts, controls, half a character that no text can hold, no bytes at all."""
    details = ["Ἀδα, 洛夫莱斯, 💀", "\x00\x1b[31m\n", "\ud800"]
    await topic.publish([*(replace(DEAD, detail=detail) for detail in details), replace(DEAD, value=b"")])
    found = await told(kafka_connection)
    messages = [headers["__connect.errors.exception.message"].decode() for _, _, headers in found]
    assert messages == [*details[:2], r"\ud800", DEAD.detail]
    assert [value for value, _, _ in found] == [CLICK, CLICK, CLICK, b""]
    assert all(LEFT_OUT_HEADER not in headers for _, _, headers in found)


async def test_they_stand_in_the_order_in_which_they_were_given(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """Small and large ones, with and without a key."""
    sizes = [1, 300_000, 20, 20_000, 3, 900_000, 5, 16_384] * 4
    dead = [replace(DEAD, value=b"%d:" % number + bytes(size)) for number, size in enumerate(sizes)]
    dead[2] = replace(dead[2], value=CLICK)
    await topic.publish(dead[:20])
    await topic.publish(dead[20:])
    await topic.publish([])
    assert await values(kafka_connection) == [one.value for one in dead]


async def test_the_largest_record_of_a_stream_goes_whole(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """Its headers come on top of what its own topic takes, and this topic is made for that."""
    largest = replace(DEAD, value=bytes(DEFAULT_BYTES_MAX), detail="ä" * 500)
    await topic.publish([largest])
    assert await values(kafka_connection) == [largest.value]


@pytest.mark.parametrize("client_takes", [dead_letters.REQUEST_BYTES_MAX, 100_000])
async def test_one_that_the_topic_does_not_take_goes_without_its_value(
    topic: KafkaDeadLetterTopic,
    kafka_connection: KafkaConnection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    client_takes: int,
) -> None:
    """Whoever refuses it, the broker or the client; it says how much is left out, and the others go whole."""
    monkeypatch.setattr(dead_letters, "REQUEST_BYTES_MAX", client_takes)
    await set_topic(kafka_connection, {"max.message.bytes": str(DEFAULT_BYTES_MAX)}, TOPIC)
    large = replace(DEAD, value=CLICK + bytes(DEFAULT_BYTES_MAX - 500))
    await topic.publish([DEAD, large, STRAY])
    whole, left_out, last = await told(kafka_connection)
    assert (whole[0], last[0]) == (CLICK, STRAY.value)
    assert left_out[:2] == (b"", None)
    assert left_out[2] == whole[2] | {LEFT_OUT_HEADER: str(len(large.value)).encode()}
    assert "clicks/7@4711 is relayed without its value" in caplog.text


async def test_a_key_as_long_as_the_value_is_left_out_with_it(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """What only looks like an event may name an advocate of a megabyte."""
    value = b'{"advocate_id":"' + b"a" * (2 * DEFAULT_BYTES_MAX) + b'"}'
    await topic.publish([replace(DEAD, value=value), DEAD])
    assert [(value, key) for value, key, _ in await told(kafka_connection)] == [(b"", None), (CLICK, b"ada.lovelace")]


async def test_a_topic_that_takes_not_even_the_headers_is_named(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """A person has to mend it; all is well once it is mended."""
    await set_topic(kafka_connection, {"max.message.bytes": "200"}, TOPIC)
    with pytest.raises(EventLogRefusedError, match=r"dead-letters\.v1 takes no .* max\.message\.bytes"):
        await topic.publish([DEAD])
    await set_topic(kafka_connection, {"max.message.bytes": "20000"}, TOPIC)
    await topic.publish([DEAD])
    assert await values(kafka_connection) == [CLICK]


async def test_a_missing_topic_is_waited_for(kafka_broker: Broker) -> None:
    """It is named, and made by nobody but who is asked to."""
    connection = replace(untouched_topics(kafka_broker.bootstrap), patience=SHORT)
    topic = KafkaDeadLetterTopic(connection)
    for _ in range(2):
        with pytest.raises(EventLogAwayError, match=f"no topic {connection.topic_prefix}{TOPIC}"):
            await topic.publish([DEAD])
    await apply_topics(connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
    await topic.publish([DEAD])
    assert await values(connection) == [CLICK]
    await topic.close()


async def test_a_topic_that_was_made_anew_is_found(
    topic: KafkaDeadLetterTopic, kafka_connection: KafkaConnection
) -> None:
    """While it is gone, publishing waits; what it held is gone with it."""
    await topic.publish([DEAD])
    await delete_topic(kafka_connection, TOPIC)
    with pytest.raises(EventLogAwayError):
        await topic.publish([STRAY])
    await apply_topics(kafka_connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
    await topic.publish([DEAD, STRAY])
    assert await values(kafka_connection) == [CLICK, STRAY.value]


async def test_a_broker_that_goes_half_way_costs_nothing(frail_kafka: KafkaConnection, frail_broker: Broker) -> None:
    """Nothing is left over; sent again, all are there, in order, some of them twice."""
    topic = KafkaDeadLetterTopic(replace(frail_kafka, patience=SHORT))
    dead = [replace(DEAD, value=b"%d:" % number + bytes(50_000)) for number in range(100)]

    async def publish_for_ever() -> None:
        while True:
            await topic.publish(dead)

    publishing = asyncio.create_task(publish_for_ever())
    await eventually_async(lambda: _holds_some(frail_kafka))
    frail_broker.freeze()
    with pytest.raises(EventLogAwayError):
        await publishing
    await asyncio.to_thread(frail_broker.kill)
    with pytest.raises(EventLogAwayError):
        await topic.publish(dead)
    await asyncio.to_thread(frail_broker.start)
    await eventually_async(lambda: _published(topic, dead))
    found = await values(frail_kafka)
    assert found[-len(dead) :] == [one.value for one in dead]
    first_life = found[: -len(dead)]
    assert first_life == [dead[number % len(dead)].value for number in range(len(first_life))]
    assert first_life
    await topic.close()


async def test_whoever_waits_no_longer_leaves_nothing_behind(
    frail_kafka: KafkaConnection, frail_broker: Broker
) -> None:
    """The relay waits a minute at most for a topic that hangs, and then begins anew."""
    topic = KafkaDeadLetterTopic(replace(frail_kafka, patience=SHORT))
    await topic.publish([DEAD])
    frail_broker.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(timedelta(milliseconds=200).total_seconds()):
            await topic.publish([STRAY])
    frail_broker.thaw()
    await eventually_async(lambda: _published(topic, [STRAY]))
    found = await values(frail_kafka)
    assert (found[0], set(found[1:])) == (CLICK, {STRAY.value})
    await topic.close()


async def test_a_broker_that_is_not_there_is_away(kafka_connection: KafkaConnection) -> None:
    """Within a bounded time, as is a topic that was closed."""
    topic = KafkaDeadLetterTopic(replace(kafka_connection, bootstrap=f"127.0.0.1:{free_port()}", patience=SHORT))
    async with asyncio.timeout(2 * SHORT.start_s):
        with pytest.raises(EventLogAwayError):
            await topic.publish([DEAD])
    await topic.close()
    with pytest.raises(EventLogAwayError, match="closed"):
        await topic.publish([DEAD])


def test_it_takes_more_than_the_topics_of_the_streams() -> None:
    """By more than any headers have."""
    wanted = {spec.topic: spec.config for spec in read_specs()}
    assert int(wanted[TOPIC]["max.message.bytes"]) >= DEFAULT_BYTES_MAX + 100_000
    assert all("max.message.bytes" not in config for name, config in wanted.items() if name != TOPIC)


async def _holds_some(connection: KafkaConnection) -> bool:
    return len(await values(connection)) > 0


async def _published(topic: KafkaDeadLetterTopic, dead: list[DeadLetterMessage]) -> bool:
    try:
        await topic.publish(dead)
    except EventLogError:
        return False
    return True
