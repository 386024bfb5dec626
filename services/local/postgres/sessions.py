"""What `up` asks a Postgres itself: does it answer, is the database there. The only SQL of `local`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from database.queries import load_queries
from local.errors import PostgresError
from local.postgres.binaries import MAJOR_MIN
from local.postgres.cluster import DATABASE

CONNECT_SECONDS_MAX: Final = 5

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

_NOT_YET: Final = (OSError, asyncpg.OperatorInterventionError, asyncpg.ConnectionDoesNotExistError)


async def is_serving(dsn: str) -> bool:
    """Whether a connection can be made now. False while the server starts, recovers or is away.

    Raises:
        PostgresError: it refuses for good, as where D/postgres/password was lost.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MAX)
    except _NOT_YET:
        return False
    except asyncpg.PostgresError as error:
        raise _unreachable(dsn, error) from error
    await connection.close()
    return True


async def make_database(dsn: str) -> None:
    """Create the database of the stack on the server at `dsn` if it is missing."""
    async with _connected(dsn) as connection:
        if not await connection.fetchval(_SQL["database_exists"], DATABASE):
            await connection.execute(_SQL["create_database"])


async def check_given(dsn: str) -> str:
    """The version of the Postgres that somebody named, which must be reachable and new enough.

    Raises:
        PostgresError: it is not; the message names the server, never the password.
    """
    async with _connected(dsn) as connection:
        version = connection.get_server_version()
    if version.major < MAJOR_MIN:
        raise PostgresError(
            f"The Postgres at {_shown(dsn)} has version {version.major}; {MAJOR_MIN} or newer is needed."
        )
    return f"{version.major}.{version.micro}"  # as asyncpg counts: minor is of the days before 10


@contextmanager
def refusals_named(dsn: str) -> Iterator[None]:
    """Turn what a server refuses inside the block, as where a right is missing, into one sentence.

    Raises:
        PostgresError: it refused.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        raise PostgresError(f"The Postgres at {_shown(dsn)} refused: {error}.") from error


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS_MAX)
    except ValueError as error:  # asyncpg says so of a DSN that is none
        # Not what it says: that may hold a part of the password.
        raise PostgresError(
            "The Postgres DSN cannot be read; it looks like postgresql://user:password@host:5432/database."
        ) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unreachable(dsn, error) from error
    try:
        yield connection
    finally:
        await connection.close()


def _unreachable(dsn: str, error: Exception) -> PostgresError:
    reason = str(error) or type(error).__name__
    return PostgresError(f"The Postgres at {_shown(dsn)} cannot be reached: {reason}.")


def _shown(dsn: str) -> str:
    parts = urlsplit(dsn)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}" or "that DSN"
