"""Statements that a test runs on a database itself: to look at what is stored, or to stand in the way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


@asynccontextmanager
async def session(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, outside every pool."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def fetch(dsn: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement."""
    async with session(dsn) as connection:
        return [tuple(row.values()) for row in await connection.fetch(sql, *values)]


async def fetch_value(dsn: str, sql: str, *values: Any) -> Any:
    """The first value of one statement."""
    async with session(dsn) as connection:
        return await connection.fetchval(sql, *values)


async def execute(dsn: str, sql: str) -> None:
    """Run statements for their effect."""
    async with session(dsn) as connection:
        await connection.execute(sql)


async def waiting_for_locks(dsn: str) -> int:
    """How many sessions of the database wait for a lock that another holds."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    count: int = await fetch_value(dsn, query)
    return count
