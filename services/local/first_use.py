"""Makes a database fit to be used: its tables, the event log's partitions, and a first API key.

Writes the database and D/admin-key. What goes wrong becomes one sentence.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from database.keys import Scope, create_key, is_live
from database.migrations import MigrationError, migrate
from database.pool import DatabaseAwayError
from event_log.contract import EventLogError
from event_log.postgres import create_streams
from local.errors import PostgresError
from local.postgres.sessions import refusals_named
from processes.private_files import read_private, write_private

KEY_NAME: Final = "advolink up"


async def prepare_database(dsn: str, partitions: int) -> int:
    """Bring the database at `dsn` up to date, and say how many migrations were applied.

    Raises:
        PostgresError: it is away, or holds something that does not fit.
    """
    with _plain_words(), refusals_named(dsn):
        applied = await migrate(dsn)
        await create_streams(dsn, partitions)
    return len(applied)


async def admin_key(dsn: str, file: Path) -> str:
    """The key of the last start if the database still knows it, else a new one, kept in `file`.

    Raises:
        PostgresError: the database is away.
    """
    with _plain_words(), refusals_named(dsn):
        token = read_private(file)
        if token is None or not await is_live(dsn, token):
            token = await create_key(dsn, name=KEY_NAME, scopes=[Scope.ADMIN])
            write_private(file, token)
    return token


@contextmanager
def _plain_words() -> Iterator[None]:
    try:
        yield
    except DatabaseAwayError as error:
        raise PostgresError(f"Postgres went away during the start: {error}") from error
    except (MigrationError, EventLogError) as error:
        raise PostgresError(f"The database cannot be used: {error}") from error
