"""The forms of the event log, as the contract suite opens them: each empty, its streams with PARTITIONS_DEFAULT."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from database.pool import open_pool
from event_log.contract import EventLog
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from event_log.postgres import PostgresEventLog
from link_events.streams import Offset, Partition, Stream

CONNECTIONS_MAX: Final = 8


class Expire(Protocol):
    """Makes a form let go of the records of a partition before an offset."""

    async def __call__(self, stream: Stream, partition: Partition, before: Offset) -> None:
        """Return when they are gone."""


@dataclass(frozen=True, slots=True)
class LogForm:
    """One form of the log. `open_log` makes a client; several work on the same records, as processes do."""

    open_log: Callable[[], AbstractAsyncContextManager[EventLog]]
    expire: Expire


def postgres_form(dsn: str) -> LogForm:
    """The Postgres form, in the fresh migrated database at `dsn`."""

    async def expire(stream: Stream, partition: Partition, before: Offset) -> None:
        async with opened_postgres_log(dsn) as log:
            while await log.expire(stream, partition, before, timedelta(0)):
                pass

    return LogForm(lambda: opened_postgres_log(dsn), expire)


@asynccontextmanager
async def opened_postgres_log(dsn: str) -> AsyncIterator[PostgresEventLog]:
    """A client with connections of its own."""
    pool = await open_pool(dsn, connections_max=CONNECTIONS_MAX, application="event log test")
    log = PostgresEventLog(pool)
    try:
        yield log
    finally:
        await log.close()
        pool.terminate()


def kafka_form(connection: KafkaConnection) -> LogForm:
    """The Kafka form, in the empty topics of `connection`."""

    async def expire(stream: Stream, partition: Partition, before: Offset) -> None:
        admin = AIOKafkaAdminClient(**connection.client_options())
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(connection.topic(stream), partition): RecordsToDelete(before)})
        finally:
            await admin.close()

    return LogForm(lambda: opened_kafka_log(connection), expire)


@asynccontextmanager
async def opened_kafka_log(connection: KafkaConnection) -> AsyncIterator[KafkaEventLog]:
    """A client with connections of its own."""
    log = KafkaEventLog(connection)
    try:
        yield log
    finally:
        await log.close()
