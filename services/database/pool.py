"""Pools of connections, and outages by name.

A pool is made without a server: the first query connects. Whatever means that Postgres is away, or did not answer
in time, becomes DatabaseAwayError; everything else is passed on as it is.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import asyncpg

CONNECT_TIMEOUT: Final = timedelta(seconds=3)
COMMAND_TIMEOUT: Final = timedelta(seconds=30)

_AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, not yet ready to accept
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,  # a server that is being set up
    asyncpg.InvalidAuthorizationSpecificationError,  # likewise, or a password that is being changed
)


Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy


class DatabaseAwayError(Exception):
    """Postgres could not be reached or did not answer in time. What was asked may or may not have happened."""


async def open_pool(
    dsn: str, *, connections_max: int, command_timeout: timedelta = COMMAND_TIMEOUT, application: str
) -> asyncpg.Pool:
    """A pool of at most `connections_max` connections; none is made yet."""
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=connections_max,
        timeout=CONNECT_TIMEOUT.total_seconds(),
        command_timeout=command_timeout.total_seconds(),
        server_settings={"application_name": application},
    )


@asynccontextmanager
async def connected(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """A connection from `pool` for the length of the block.

    Raises:
        DatabaseAwayError: none could be made, or it broke inside the block.
    """
    with_timeout = CONNECT_TIMEOUT.total_seconds()
    async with translated_outage(), pool.acquire(timeout=with_timeout) as connection:
        yield connection


@asynccontextmanager
async def translated_outage() -> AsyncIterator[None]:
    """Turn whatever means "Postgres is away" inside the block into DatabaseAwayError."""
    try:
        yield
    except _AWAY as error:
        if isinstance(error, ValueError):  # asyncpg's InterfaceError is also an argument of the wrong type
            raise
        raise DatabaseAwayError(str(error) or type(error).__name__) from error


def only_row(row: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a statement that always gives one.

    Raises:
        LookupError: it gave none: the statement is not what its caller takes it for.
    """
    if row is None:
        raise LookupError("a statement that always gives a row gave none")
    return row
