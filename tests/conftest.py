"""What every test can ask for: a Postgres that runs for the whole session, and a migrated database of its own.

`make test` runs several processes, and each is a session of its own: none sees another's servers.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from database.migrations import migrate
from event_log.kafka.connection import KafkaConnection
from event_log.postgres import create_streams
from link_events.streams import PARTITIONS_DEFAULT
from stage.kafka import Broker, launched_kafka
from stage.postgres import Server, launched_postgres
from stage.requirements import pytest_report_header
from stage.stack import stack
from stage.topics import fresh_topics

__all__ = ["pytest_report_header", "stack"]

TEMPLATE = "migrated_template"
KEPT_VARIABLES = {"ADVOLINK_DATA", "ADVOLINK_REQUIRE"}


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Whoever runs the tests may have an advolink of their own: its variables configure no test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("ADVOLINK_") and name not in KEPT_VARIABLES:
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def postgres_server(_no_settings_from_outside: None) -> Iterator[Server]:
    """A real Postgres, and in it a migrated database to copy."""
    with _migrated_server() as server:
        yield server


@pytest.fixture
def database_dsn(postgres_server: Server) -> Iterator[str]:
    """A fresh migrated database, dropped afterwards."""
    with _copied_database(postgres_server, TEMPLATE) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def module_dsn(postgres_server: Server) -> Iterator[str]:
    """A migrated database that the tests of a module share, for those that mind nothing the others leave there.

    Making one takes longer than most tests.
    """
    with _copied_database(postgres_server, TEMPLATE) as dsn:
        yield dsn


@pytest.fixture
def empty_database_dsn(postgres_server: Server) -> Iterator[str]:
    """A fresh database that nobody has migrated, dropped afterwards."""
    with _copied_database(postgres_server, "template0") as dsn:
        yield dsn


@pytest.fixture(scope="session")
def _frail_server(_no_settings_from_outside: None) -> Iterator[Server]:
    with _migrated_server() as server:
        yield server


@pytest.fixture
def frail_server(_frail_server: Server) -> Iterator[Server]:
    """A Postgres that a test may stop and kill; it runs again for the next one."""
    _frail_server.start()
    yield _frail_server
    _frail_server.start()


@pytest.fixture
def frail_dsn(frail_server: Server) -> Iterator[str]:
    """A fresh migrated database in it."""
    with _copied_database(frail_server, TEMPLATE) as dsn:
        yield dsn
        frail_server.start()


@pytest.fixture(scope="module")
def frail_module_dsn(_frail_server: Server) -> Iterator[str]:
    """A migrated database in it that the tests of a module share."""
    _frail_server.start()
    with _copied_database(_frail_server, TEMPLATE) as dsn:
        yield dsn
        _frail_server.start()


@pytest.fixture(scope="session")
def kafka_broker(_no_settings_from_outside: None) -> Iterator[Broker]:
    """A real Kafka broker that the session shares: tests make topics of their own in it, and leave it running."""
    with launched_kafka() as broker:
        yield broker


@pytest.fixture
def kafka_connection(kafka_broker: Broker) -> KafkaConnection:
    """Fresh topics in it."""
    return fresh_topics(kafka_broker.bootstrap)


@pytest.fixture
def frail_kafka(frail_broker: Broker) -> KafkaConnection:
    """Fresh topics in the broker that a test may stop, kill and freeze."""
    return fresh_topics(frail_broker.bootstrap)


@pytest.fixture(scope="session")
def _frail_broker(_no_settings_from_outside: None) -> Iterator[Broker]:
    with launched_kafka() as broker:
        yield broker


@pytest.fixture
def frail_broker(_frail_broker: Broker) -> Iterator[Broker]:
    """A Kafka broker that a test may stop, kill and freeze; it runs again for the next one."""
    _frail_broker.start()
    yield _frail_broker
    _frail_broker.start()


@contextmanager
def _migrated_server() -> Iterator[Server]:
    with launched_postgres() as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        dsn = server.dsn(TEMPLATE)
        asyncio.run(migrate(dsn))
        asyncio.run(create_streams(dsn, PARTITIONS_DEFAULT))
        yield server


@contextmanager
def _copied_database(server: Server, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.dsn(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")
