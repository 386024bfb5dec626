"""What every test can ask for: a Postgres that runs for the whole session, and a migrated database of its own."""

import asyncio
import os
import secrets
from collections.abc import Iterator

import pytest

from database.migrations import migrate
from event_log.postgres import create_streams
from link_events.streams import PARTITIONS_DEFAULT
from stage.postgres import Server, launched_postgres
from stage.requirements import pytest_report_header

__all__ = ["pytest_report_header"]

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
    with launched_postgres() as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        dsn = server.dsn(TEMPLATE)
        asyncio.run(migrate(dsn))
        asyncio.run(create_streams(dsn, PARTITIONS_DEFAULT))
        yield server


@pytest.fixture
def database_dsn(postgres_server: Server) -> Iterator[str]:
    """A fresh migrated database, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield postgres_server.dsn(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
