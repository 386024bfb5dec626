"""Raw clicks by UTC date, and the horizon before which they were let go. Every call may raise DatabaseAwayError.

Reads and writes raw_horizon, drops partitions of click and deletes from slot; no count ever changes by it. Whoever
needs that nothing goes meanwhile begins with `hold_raw_clicks`.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import asyncpg

from database.pool import Connection, Pool, connected
from database.queries import load_queries

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

SLOTS_MAX: Final = 5_000
"""Of one transaction: no lock is held for longer than a batch holds one."""


class RawDayStore:
    """Finds old raw partitions, and lets go of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def kept_from(self) -> date:
        """The horizon (see `read_horizon`)."""
        async with connected(self._pool) as connection:
            return await read_horizon(connection)

    async def before(self, day: date) -> Sequence[date]:
        """The UTC dates before `day` that have a raw partition, the oldest first."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["days_before"], day)
        return [row["day"] for row in rows]

    async def let_go(self, day: date) -> bool:
        """Drop the raw clicks of a UTC date and move the horizon past it; False: somebody is reading raw clicks."""
        async with connected(self._pool) as connection:
            try:
                await connection.execute(_SQL["let_go"], day)
            except asyncpg.LockNotAvailableError:
                return False
        return True

    async def let_slots_go(self) -> None:
        """Forget who holds the slots of days whose raw clicks are gone, some at a time."""
        gone = SLOTS_MAX
        while gone == SLOTS_MAX:
            async with connected(self._pool) as connection:
                gone = await connection.fetchval(_SQL["let_slots_go"], SLOTS_MAX)


async def hold_raw_clicks(connection: Connection) -> None:
    """No raw click is let go until the caller's transaction ends.

    The first statement of one that has a single snapshot; in one that holds partitions, the next after that.
    """
    await connection.execute(_SQL["hold_raw"])


async def read_horizon(connection: Connection) -> date:
    """Raw clicks of UTC dates before this one were let go. Late ones may be there all the same, until they go too."""
    kept_from: date = await connection.fetchval(_SQL["horizon"])
    return kept_from
