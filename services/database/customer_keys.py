"""The key that customers' ids are hashed under, in Postgres. Reads and writes customer_key.

There is one, for ever: the same customer has to hash alike for as long as conversions are kept (docs/adr/0020).
"""

from pathlib import Path
from typing import Final

from database.pool import Pool, connected
from database.queries import load_queries

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class CustomerKeyStore:
    """Every call may raise DatabaseAwayError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def key(self) -> bytes | None:
        """The secret; None before there was any."""
        async with connected(self._pool) as connection:
            secret: bytes | None = await connection.fetchval(_SQL["key"])
        return secret

    async def first_key(self, offered: bytes) -> bytes:
        """The secret: the one that is offered, unless there is one."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["make_first"], offered)
            secret: bytes = await connection.fetchval(_SQL["key"])
        return secret
