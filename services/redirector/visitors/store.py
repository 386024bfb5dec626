"""The salts that redirectors share, in Postgres. Every call may raise DatabaseAwayError.

The table is unlogged: salts are in no write-ahead log, hence in no archive and on no standby, from where nobody could
take them back. A crash of Postgres's empties it; whoever knows the salts offers them again.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from database.pool import Connection, Pool, connected
from database.queries import load_queries

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

DaySalts = Mapping[date, bytes]


class SaltStore:
    """Reads, offers and lets go of shared salts."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self) -> tuple[datetime, DaySalts]:
        """The time by Postgres's clock, which all redirectors agree on, and the salts they share."""
        async with connected(self._pool) as connection:
            return await _read(connection)

    async def offer(self, offers: DaySalts) -> DaySalts:
        """Share salts for the days that have none; the salts that are shared then."""
        async with connected(self._pool) as connection:
            await _offer(connection, offers)
            return (await _read(connection))[1]

    async def let_go(self, kept_from: date) -> bool:
        """Let go of the salts of days before `kept_from`; False: not now, somebody reads the table (a backup).

        Afterwards no file of Postgres's holds them.
        """
        try:
            async with connected(self._pool) as connection, connection.transaction():
                await connection.execute(_SQL["wait_briefly"])
                await connection.execute(_SQL["hold"])
                stay = _by_day(await connection.fetch(_SQL["salts_from"], kept_from))
                await connection.execute(_SQL["empty"])
                await _offer(connection, stay)
        except asyncpg.LockNotAvailableError:
            return False
        return True


async def _read(connection: Connection) -> tuple[datetime, DaySalts]:
    rows = await connection.fetch(_SQL["salts"])
    return rows[0]["clock"], _by_day(row for row in rows if row["day"] is not None)


async def _offer(connection: Connection, salts: DaySalts) -> None:
    await connection.execute(_SQL["offer"], list(salts), list(salts.values()))


def _by_day(rows: Iterable[Any]) -> DaySalts:
    return {row["day"]: row["salt"] for row in rows}
