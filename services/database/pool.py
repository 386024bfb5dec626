"""Pools of connections, and outages by name.

A pool is made without a server: the first query connects. Whatever means that Postgres is away, did not answer in time
or could not go through with a transaction now becomes DatabaseAwayError; everything else is passed on as it is.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import asyncpg

CONNECT_TIMEOUT: Final = timedelta(seconds=3)
COMMAND_TIMEOUT: Final = timedelta(seconds=30)

IDLE_IN_TRANSACTION_MAX: Final = timedelta(seconds=90)
"""Whoever freezes in the middle of a transaction lets go of its locks after this. Relaying a page of dead letters, the
longest that a transaction of ours waits for anything else, takes 60 s at most."""

_IDLE_MAX: Final = {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_MAX / timedelta(milliseconds=1):.0f}"}

_AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # a server that shut down while the connection was idle leaves it in this state
    asyncpg.IdleInTransactionSessionTimeoutError,  # we were frozen in the middle of a transaction
    asyncpg.TransactionRollbackError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, not yet ready to accept
    asyncpg.InsufficientResourcesError,  # too many connections, a full disk, no memory
    asyncpg.InvalidCatalogNameError,  # a server that is being set up
    asyncpg.InvalidAuthorizationSpecificationError,  # likewise, or a password that is being changed
)

OTHER_SCHEMA: Final = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
"""How Postgres says that a database is not migrated to this version, or is none of ours."""

_GONE: Final = re.compile(r"\bclosed\b|\bclosing\b|released back to the pool")
"""How asyncpg's InterfaceError says that a connection is gone. The same class says that a query was used wrongly,
which no waiting mends."""

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy


class DatabaseAwayError(Exception):
    """Postgres could not be reached or did not answer in time. What was asked may or may not have happened."""


class RolledBackError(DatabaseAwayError):
    """Postgres took the transaction back so that another could go on: a deadlock, or one that cannot be serialised.

    Nothing of it happened; the same once more may well go through.
    """


class DatabaseFullError(DatabaseAwayError):
    """A disk of Postgres's has no room left. It reads, and takes back what it cannot write."""


class UnreadableDsnError(ValueError):
    """What was given as a DSN is none. The message repeats nothing of it, for that may be a password."""

    def __init__(self) -> None:
        super().__init__(
            "The Postgres DSN cannot be read; it looks like postgresql://user:password@host:5432/database."
        )


async def open_pool(
    dsn: str, *, connections_max: int, command_timeout: timedelta = COMMAND_TIMEOUT, application: str
) -> asyncpg.Pool:
    """A pool of at most `connections_max` connections; none is made yet."""
    return await asyncpg.create_pool(
        dsn,
        connect=_connect,
        min_size=0,
        max_size=connections_max,
        timeout=CONNECT_TIMEOUT.total_seconds(),
        command_timeout=command_timeout.total_seconds(),
        server_settings={"application_name": application, **_IDLE_MAX},
        reset=_leave_session,
    )


@asynccontextmanager
async def connected(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    """A connection from `pool` for the length of the block.

    Raises:
        DatabaseAwayError: none could be made, or it broke inside the block.
    """
    with_timeout = CONNECT_TIMEOUT.total_seconds()
    async with translated_outage(), pool.acquire(timeout=with_timeout) as connection:
        try:
            async with translated_outage():
                yield connection
        except DatabaseAwayError:
            connection.terminate()  # whatever state it is in, nobody gets it again
            raise


@asynccontextmanager
async def connected_once(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own for the length of the block, for commands, which hold no pool.

    Raises:
        UnreadableDsnError: `dsn` is none.
        DatabaseAwayError: the connection could not be made, or it broke inside the block.
    """
    async with translated_outage():
        connection = await _connect(dsn, timeout=CONNECT_TIMEOUT.total_seconds(), server_settings=_IDLE_MAX)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def small_pool(
    dsn: str, *, command_timeout: timedelta = COMMAND_TIMEOUT, application: str
) -> AsyncIterator[asyncpg.Pool]:
    """A pool for the length of the block, for commands that work as a service does; one connection was made.

    Raises:
        UnreadableDsnError: `dsn` is none.
        DatabaseAwayError: the connection could not be made.
    """
    async with connected_once(dsn):
        pool = await open_pool(dsn, connections_max=2, command_timeout=command_timeout, application=application)
    try:
        yield pool
    finally:
        pool.terminate()


@asynccontextmanager
async def translated_outage() -> AsyncIterator[None]:
    """Turn whatever means "Postgres is away" inside the block into DatabaseAwayError.

    A rollback that follows an outage may stumble over the state that the outage has left: that is the same outage.
    """
    try:
        yield
    except _AWAY as error:
        raise _outage(error) from error
    except asyncpg.InterfaceError as error:
        if not (_GONE.search(str(error)) or isinstance(error.__context__, _AWAY)):
            raise
        raise DatabaseAwayError(str(error)) from error


def _outage(error: BaseException) -> DatabaseAwayError:
    """What callers are told of it; the two kinds of their own are for whoever counts them."""
    said = str(error) or type(error).__name__
    match error:
        case asyncpg.DeadlockDetectedError() | asyncpg.SerializationError():
            return RolledBackError(said)
        case asyncpg.DiskFullError():
            return DatabaseFullError(said)
        case _:
            return DatabaseAwayError(said)


async def _connect(*where: Any, **how: Any) -> asyncpg.Connection:
    """Connect as asyncpg does. What it says of a DSN that it cannot take apart repeats pieces of it: it ends here.

    Raises:
        UnreadableDsnError: `dsn` is none.
    """
    try:
        return await asyncpg.connect(*where, **how)
    except ValueError:
        raise UnreadableDsnError from None


async def _leave_session(_connection: asyncpg.Connection) -> None:
    """What the pool does when it gets a connection back: nothing, where asyncpg would ask the server to reset it.

    Nothing here sets anything for a session: no LISTEN, no SET without LOCAL, no session lock. It saves one of two
    round trips.
    """


def only_row(row: asyncpg.Record | None) -> asyncpg.Record:
    """The row of a statement that always gives one.

    Raises:
        LookupError: it gave none: the statement is not what its caller takes it for.
    """
    if row is None:
        raise LookupError("a statement that always gives a row gave none")
    return row
