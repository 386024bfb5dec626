"""What is journaled arrives in Kafka: all of it, in order, byte for byte, whatever becomes of the broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from event_log.kafka.connection import KafkaConnection
from event_log.kafka.headers import read_origin
from event_log.kafka.topics import apply_topics
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from redirector.journal.acks import FILE_NAME
from redirector.journal.segments import Slice
from stage.journals import records_in, told_once
from stage.kafka import Broker
from stage.redirector_process import RedirectorProcess, redirector_process
from stage.redirectors import DESTINATION, RunningRedirector, running_redirector
from stage.topics import delete_topic, raw_records, set_topic
from stage.waiting import eventually, eventually_async

CODES: Final = ("one", "two", "three", "four", "five")
SETTINGS: Final = {"heartbeat_interval": 3600, "drain_seconds": 0.5}
FAILURES: Final = "advolink_shipping_failures_total"

ARRIVED_S_MAX: Final = 30
"""After a broker is back: a backoff, a client made anew, and perhaps a request of the old one that runs out."""

STOP_S_MAX: Final = 12
"""What `advolink up` gives a redirector to end."""


def kafka_settings(connection: KafkaConnection) -> dict[str, str]:
    """How a redirector is told of it."""
    return {
        "ADVOLINK_EVENT_LOG": "kafka",
        "ADVOLINK_KAFKA_BOOTSTRAP": connection.bootstrap,
        "ADVOLINK_KAFKA_TOPIC_PREFIX": connection.topic_prefix,
    }


@asynccontextmanager
async def on(
    connection: KafkaConnection, dsn: str, journals: Path, key: str, **settings: Any
) -> AsyncIterator[RunningRedirector]:
    chosen = {**SETTINGS, **kafka_settings(connection), **settings}
    async with running_redirector(dsn, journals, key, **chosen) as one:
        yield one


async def issue_all(redirector: RunningRedirector) -> None:
    """A link for each of several advocates, hence in several partitions."""
    for code in CODES:
        await redirector.issue(f"advocate.{code}", alias=code)


async def click_all(redirector: RunningRedirector, rounds: int = 4) -> None:
    for _ in range(rounds):
        for code in CODES:
            assert (await redirector.click(code)).status_code == HTTPStatus.FOUND


async def arrived(redirector: RunningRedirector) -> None:
    async def has_shipped() -> bool:
        return redirector.service.shipments.unacked_events() == 0

    await eventually_async(has_shipped, seconds_max=ARRIVED_S_MAX, what="everything is shipped")


async def logged_in(connection: KafkaConnection) -> dict[Slice, list[tuple[bytes, int, bytes]]]:
    """What Kafka holds: by slice, in the order of offsets, (journal, seq, value)."""
    logged: dict[Slice, list[tuple[bytes, int, bytes]]] = {}
    for stream in Stream:
        for partition, records in (await raw_records(connection, stream.topic)).items():
            for record in records:
                origin = read_origin(record.headers)
                assert origin is not None
                logged.setdefault((stream, Partition(partition)), []).append((*origin, record.value))
    return logged


async def is_away(redirector: RunningRedirector) -> bool:
    return await redirector.metric("advolink_event_log_connected") == 0


async def test_kafka_holds_exactly_what_was_journaled(
    kafka_connection: KafkaConnection, database_dsn: str, journals: Path, key: str
) -> None:
    """Nothing twice either, as long as nothing fails."""
    async with on(kafka_connection, database_dsn, journals, key) as redirector:
        await issue_all(redirector)
        await click_all(redirector)
        await arrived(redirector)
        assert await redirector.metric("advolink_event_log_connected") == 1
        assert await logged_in(kafka_connection) == records_in(redirector.journal_directory)


async def test_clicks_go_on_while_kafka_is_killed_and_arrive_after_it(
    frail_broker: Broker, frail_kafka: KafkaConnection, database_dsn: str, journals: Path, key: str
) -> None:
    """Twice. The log tells them as they were journaled, some of them perhaps again."""
    async with on(frail_kafka, database_dsn, journals, key) as redirector:
        await issue_all(redirector)
        for end in (frail_broker.kill, frail_broker.stop):
            await click_all(redirector)
            await asyncio.to_thread(end)
            await click_all(redirector)
            await eventually_async(lambda: is_away(redirector), what="the outage is noticed")
            assert await redirector.ready()
            await asyncio.to_thread(frail_broker.start)
            await click_all(redirector)
            await arrived(redirector)
        assert told_once(await logged_in(frail_kafka)) == records_in(redirector.journal_directory)


async def test_a_redirector_that_starts_without_kafka_ships_when_it_comes(
    frail_broker: Broker, frail_kafka: KafkaConnection, database_dsn: str, journals: Path, key: str
) -> None:
    """It redirects from the start."""
    await asyncio.to_thread(frail_broker.kill)
    async with on(frail_kafka, database_dsn, journals, key) as redirector:
        await issue_all(redirector)
        await click_all(redirector)
        assert await redirector.ready()
        assert await is_away(redirector)
        await asyncio.to_thread(frail_broker.start)
        await arrived(redirector)
        assert told_once(await logged_in(frail_kafka)) == records_in(redirector.journal_directory)


async def test_a_record_that_kafka_refuses_is_kept_until_a_person_has_seen_to_it(
    kafka_connection: KafkaConnection, database_dsn: str, journals: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Redirects go on, nothing is dropped, and the log says what must be raised."""
    async with on(kafka_connection, database_dsn, journals, key) as redirector:
        await issue_all(redirector)
        await arrived(redirector)
        await set_topic(kafka_connection, {"max.message.bytes": "200"})
        await click_all(redirector)

        async def says_why() -> bool:
            return "shipping waits for a person" in caplog.text and "max.message.bytes must be raised" in caplog.text

        await eventually_async(says_why, what="it says why")
        assert len(redirector.new_clicks()) == 20
        await click_all(redirector)
        await set_topic(kafka_connection, {})
        await arrived(redirector)
        assert told_once(await logged_in(kafka_connection)) == records_in(redirector.journal_directory)


async def test_a_topic_made_anew_gets_again_what_is_kept_once_a_person_forgets_what_was_acked(
    kafka_connection: KafkaConnection, database_dsn: str, journals: Path, key: str
) -> None:
    """Kafka cannot tell what it has lost: by itself a redirector sends only what is new."""
    async with on(kafka_connection, database_dsn, journals, key) as first:
        directory = first.journal_directory
        await issue_all(first)
        await click_all(first)
        await arrived(first)
    await delete_topic(kafka_connection)
    await apply_topics(kafka_connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
    async with on(kafka_connection, database_dsn, journals, key) as second:
        await click_all(second, rounds=1)
        await arrived(second)
        logged = await logged_in(kafka_connection)
        assert sum(b"advolink.click.v1" in value for some in logged.values() for _, _, value in some) == len(CODES)
    (directory / FILE_NAME).unlink()
    async with on(kafka_connection, database_dsn, journals, key) as third:
        await arrived(third)
    everything = {(slice_, one) for slice_, some in records_in(directory).items() for one in some}
    logged = await logged_in(kafka_connection)
    assert {(slice_, one) for slice_, some in logged.items() for one in some} == everything


async def test_a_topic_with_another_number_of_partitions_is_refused(
    kafka_connection: KafkaConnection, database_dsn: str, journals: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Events would land elsewhere. Redirects go on, and nothing is shipped."""
    async with on(kafka_connection, database_dsn, journals, key, ADVOLINK_PARTITIONS=5) as redirector:
        await issue_all(redirector)
        await click_all(redirector)

        async def says_why() -> bool:
            return "has 12 partitions where 5 are expected" in caplog.text

        await eventually_async(says_why, what="it says why")
    assert await logged_in(kafka_connection) == {}


def test_a_redirector_ends_in_time_while_its_broker_hangs(
    frail_broker: Broker, frail_kafka: KafkaConnection, database_dsn: str, journals: Path, key: str
) -> None:
    """In order, with status 0; what it could not ship is shipped by its next life."""
    with redirector_process(database_dsn, journals, **kafka_settings(frail_kafka)) as first:
        first.until_ready()
        eventually(lambda: _knows_log(first), what="it ships")
        _issue(first, key)
        frail_broker.freeze()
        for _ in range(20):
            assert httpx2.get(f"{first.url}/one", timeout=5).status_code == HTTPStatus.FOUND
        began_s = time.monotonic()
        assert first.end() == 0
        assert time.monotonic() - began_s < STOP_S_MAX
        assert "Traceback" not in first.said
        assert "Task was destroyed" not in first.said
    frail_broker.thaw()
    (directory,) = (path for path in (journals / "live").iterdir() if path.is_dir())
    with redirector_process(database_dsn, journals, **kafka_settings(frail_kafka)) as second:
        second.until_ready()
        eventually(
            lambda: told_once(asyncio.run(logged_in(frail_kafka))) == records_in(directory),
            seconds_max=ARRIVED_S_MAX,
            what="the next life ships it",
        )


def _knows_log(process: RedirectorProcess) -> bool:
    return bool(httpx2.get(f"{process.management_url}/readyz", timeout=5).json()["known"]["event_log"])


def _issue(process: RedirectorProcess, key: str) -> None:
    with httpx2.Client(base_url=process.url, headers={"Authorization": f"Bearer {key}"}, timeout=10) as client:
        client.put("/v1/advocates/ada", json={}).raise_for_status()
        body = {"advocate_id": "ada", "destination": DESTINATION, "alias": "one"}
        client.post("/v1/links", json=body).raise_for_status()
